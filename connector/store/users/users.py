"""Users and the ids by which services know them. The only personal data that the store holds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, bindparam, or_, select, update

from connector.rules.model.errors import ConnectorError, DefinitionError
from connector.rules.model.users import (
    ERASED_FAULT,
    SuppressedAddresses,
    User,
    UserMerge,
    check_attributes_size,
    merge_changes,
)
from connector.store.engine.bulk import as_table, in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_aliases, users
from connector.store.users.suppressions import suppressed_columns


class UserErased(ConnectorError):
    """The user was erased, and nothing is kept or taken in for that id any more (guarantee 8)."""

    def __init__(self, words: str = "the user was erased; an id that was erased is not used again") -> None:
        super().__init__(words)


Changes = Mapping[str, Any]
"""What is told of a user, by the names of `User`, with the `id`."""

ERASED = "erased:"
"""What the marks of erased users begin with."""


@dataclass(frozen=True)
class StoredUser:
    """A user with the surrogate key, and the event time of the newest item judged for them (UTC).

    `unreachable` has those of the user's addresses of which providers told that they are dead.
    """

    user: User
    user_key: str
    newest_t: datetime | None
    unreachable: SuppressedAddresses


async def resolve_and_lock(tx: Transaction, external_ids: Collection[str], now: datetime) -> dict[str, str]:
    """The surrogate keys of these ids, with their rows locked in sorted order; unknown users are created bare.

    Erased users are left out (guarantee 8). The number of statements does not depend on the number of users.
    """
    known, erased = await look_up(tx, external_ids)
    if missing := sorted(set(external_ids) - known.keys() - erased):
        known |= await create_users(tx, missing, now)
        if len(known) + len(erased) < len(set(external_ids)):
            known, _ = await look_up(tx, external_ids)
    if not await lock_users(tx, known.values()):
        return await resolve_and_lock(tx, external_ids, now)
    return known


async def lock_user(tx: Transaction, user_key: str) -> None:
    """Lock one user's row until the transaction ends (guarantee 3)."""
    await lock_users(tx, [user_key])


async def load_users(tx: Transaction, user_keys: Collection[str]) -> dict[str, StoredUser]:
    """These users by surrogate key, in one statement; one of several ids is told by the one used now.

    Sorted here: SQLite would walk through the ids of all users, which stand in order, rather than sort a few.
    """
    statement = (
        select(users, user_aliases.c.external_id, user_aliases.c.rank, *suppressed_columns())
        .join(
            user_aliases,
            (user_aliases.c.workspace == users.c.workspace) & (user_aliases.c.user_key == users.c.user_key),
        )
        .where(tx.in_workspace(users), in_set(tx, users.c.user_key, user_keys))
    )
    found = (await tx.execute(statement)).mappings()
    rows = sorted(found, key=itemgetter("rank", "external_id"), reverse=True)
    return {row["user_key"]: _stored(row) for row in rows}


async def load_newest(tx: Transaction, user_keys: Collection[str]) -> dict[str, datetime | None]:
    """The event time of the newest item judged for each of these users (UTC)."""
    statement = select(users.c.user_key, users.c.newest_t).where(
        tx.in_workspace(users), in_set(tx, users.c.user_key, user_keys)
    )
    return {user_key: newest_t for user_key, newest_t in await tx.execute(statement)}


async def find_user(tx: Transaction, external_id: str) -> StoredUser | None:
    """The user whom services know by this id, None where nobody told of one."""
    known, _ = await look_up(tx, [external_id])
    if external_id not in known:
        return None
    stored = (await load_users(tx, known.values()))[known[external_id]]
    return replace(stored, user=stored.user.model_copy(update={"id": external_id}))


async def save_user(tx: Transaction, user: User, now: datetime) -> str:
    """Put this description in the place of whatever was known, and return the surrogate key.

    Raises:
        UserErased: the user was erased and does not come back. DefinitionError: there are too many attributes.
    """
    check_attributes_size(user)
    return await _describe(tx, user, now)


async def _describe(tx: Transaction, user: User, now: datetime) -> str:
    user_key = (await resolve_and_lock(tx, [user.id], now)).get(user.id)
    if user_key is None:
        raise UserErased
    described = user.model_dump(mode="json", exclude={"id"})
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    await tx.execute(update(users).where(*where).values(**described))
    return user_key


async def merge_user(tx: Transaction, external_id: str, changes: Mapping[str, Any], now: datetime) -> str:
    """Merge changes into what is known: attributes and consent by their keys, everything else as a whole.

    Raises:
        pydantic.ValidationError: the changes are not well formed. UserErased: the user does not come back.
        DefinitionError: there would be too many attributes.
    """
    User.model_validate({**changes, "id": external_id})
    await resolve_and_lock(tx, [external_id], now)
    stored = await find_user(tx, external_id)
    known = stored.user if stored else User(id=external_id)
    return await _describe(tx, merge_changes(known, changes), now)


async def merge_users(tx: Transaction, described: Sequence[Changes], user_keys: Mapping[str, str]) -> dict[int, str]:
    """Merge several descriptions, each as PATCH does, in a fixed number of statements; later ones win.

    Args:
        user_keys: the surrogate keys by id, of users whose rows are locked; all others were erased.

    Returns: why which of them, by their places, were not merged.
    """
    faults = {place: ERASED_FAULT for place, changes in enumerate(described) if changes["id"] not in user_keys}
    wanted = {place: user_keys[changes["id"]] for place, changes in enumerate(described) if place not in faults}
    if not wanted:
        return faults
    stored = await load_users(tx, set(wanted.values()))
    merging = {key: UserMerge(one.user) for key, one in stored.items()}
    for place, key in wanted.items():
        try:
            merging[key].apply(described[place])
        except DefinitionError as error:
            faults[place] = str(error)
    fields = User.model_fields.keys() - {"id"}
    statement = (
        update(users)
        .where(tx.in_workspace(users), users.c.user_key == bindparam("key"))
        .values({name: bindparam(f"new_{name}") for name in fields})
    )
    rows = [(key, one.result().model_dump(mode="json", exclude={"id"})) for key, one in sorted(merging.items())]
    await tx.execute(statement, [{"key": key, **{f"new_{n}": v for n, v in row.items()}} for key, row in rows])
    return faults


async def raise_newest(tx: Transaction, newest: Mapping[str, datetime]) -> None:
    """Remember up to which event time these users' items have been judged."""
    if not newest:
        return
    rows = [{"user_key": user_key, "newest_t": t} for user_key, t in newest.items()]
    told, table = as_table(tx, {name: users.c[name].type for name in rows[0]}, rows).c, users.c
    older = or_(table.newest_t.is_(None), table.newest_t < told.newest_t)
    where = (tx.in_workspace(users), table.user_key == told.user_key, older)
    await tx.execute(update(users).where(*where).values(newest_t=told.newest_t))


def mark_of_erased(external_id: str) -> str:
    """What is left of an erased user's id, so that a late report does not bring the user back."""
    return ERASED + hashlib.sha256(external_id.encode()).hexdigest()


async def ids_of(tx: Transaction, user_key: str) -> list[str]:
    """All ids by which services know a user; for an erased one, their marks."""
    table = user_aliases.c
    statement = select(table.external_id).where(tx.in_workspace(user_aliases), table.user_key == user_key)
    return sorted((await tx.execute(statement)).scalars())


async def look_up(tx: Transaction, external_ids: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """The surrogate keys of the known ids, and the ids that were erased."""
    table = user_aliases.c
    marks = {mark_of_erased(external_id): external_id for external_id in external_ids}
    statement = select(table.external_id, table.user_key).where(
        tx.in_workspace(user_aliases), in_set(tx, table.external_id, [*external_ids, *marks])
    )
    found = {row.external_id: row.user_key for row in await tx.execute(statement)}
    erased = {marks[name] for name in found.keys() & marks.keys()}
    return {name: found[name] for name in found.keys() - marks.keys()}, erased


async def create_users(tx: Transaction, external_ids: Sequence[str], now: datetime) -> dict[str, str]:
    """Create bare users; where another transaction was quicker with an alias, its user stays and is left out here."""
    rows = [{"workspace": tx.workspace, "external_id": name, "user_key": uuid4().hex} for name in external_ids]
    taken = insert_rows(tx, user_aliases, rows).on_conflict_do_nothing()
    taken_by = await tx.execute(taken.returning(user_aliases.c.external_id, user_aliases.c.user_key))
    created = {row.external_id: row.user_key for row in taken_by}
    bare = {"workspace": tx.workspace, "push_tokens": [], "attributes": {}, "consent": {}, "created_at": now}
    if created:
        await tx.execute(insert_rows(tx, users, [{**bare, "user_key": user_key} for user_key in created.values()]))
    return created


async def lock_users(tx: Transaction, user_keys: Collection[str]) -> bool:
    """Hold these users' rows until the transaction ends, taken in sorted order so that no two wait for each other.

    Returns whether all are there: while its lock was awaited, one may have become part of another (`link_ids`).
    """
    if tx.dialect != "postgresql":  # on SQLite the transaction excludes every other writer
        return True
    table = users.c
    where = (tx.in_workspace(users), in_set(tx, table.user_key, user_keys))
    locked = await tx.execute(select(table.user_key).where(*where).order_by(table.user_key).with_for_update())
    return len(locked.all()) == len(set(user_keys))


def _stored(row: RowMapping) -> StoredUser:
    user = User.model_construct(
        id=row["external_id"],
        email=row["email"],
        phone=row["phone"],
        push_tokens=tuple(row["push_tokens"]),
        time_zone=row["time_zone"],
        first_name=row["first_name"],
        attributes=row["attributes"],
        consent=row["consent"],
    )
    addresses = {"email": user.email, "sms": user.phone}
    suppressed = {
        channel: address for channel, address in addresses.items() if address and row[f"suppressed_{channel}"]
    }
    return StoredUser(user, row["user_key"], row["newest_t"], suppressed)
