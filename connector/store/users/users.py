"""Users, and the ids by which services know them: found, created, locked and loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, exists, literal, or_, select, update

from connector.metrics import LOCK_WAITS
from connector.rules.model.consent import ConsentStatements
from connector.rules.model.errors import ConnectorError
from connector.rules.model.users import SuppressedAddresses, User, without_profile_fields
from connector.store.engine.bulk import as_table, in_set, insert_into
from connector.store.engine.transaction import Transaction
from connector.store.tables import erased_users, user_aliases, users
from connector.store.users.consent import statements_of
from connector.store.users.marks import find_erased_ids, possible_marks
from connector.store.users.splitting import identify_ids, insert_users
from connector.store.users.suppressions import suppressed_columns

_HAS_ID = (user_aliases.c.workspace == users.c.workspace) & (user_aliases.c.user_key == users.c.user_key)


class UserErased(ConnectorError):
    """The user was erased: nothing is stored or ingested for that id any more (guarantee 8)."""

    def __init__(self, message: str = "the user was erased; an id that was erased is not used again") -> None:
        super().__init__(message)


@dataclass(frozen=True)
class StoredUser:
    """A user with the surrogate key, and the event time of their newest item that was evaluated (UTC).

    `unreachable` has those of the user's addresses that are suppressed, `statements` what was stated on consent.
    """

    user: User
    user_key: str
    newest_t: datetime | None
    unreachable: SuppressedAddresses
    statements: ConsentStatements = field(default_factory=dict)


async def resolve_and_lock(
    tx: Transaction, external_ids: Collection[str], now: datetime, *, anonymous: Collection[str] = ()
) -> dict[str, str]:
    """Return the surrogate keys of these ids, with the users' rows locked in sorted order; unknown users are created.

    Erased users are left out (guarantee 8). The number of statements does not depend on the number of users.

    Args:
        anonymous: those of the ids that are used only as anonymous ones, or were read from the store. All others are
            identified by this use: one that was joined into a user as an anonymous id begins a new user.
    """
    found, created = await _find_ids(tx, external_ids), dict[str, str]()
    if missing := sorted(set(external_ids) - found.keys()):
        created = await create_users(tx, missing, now, anonymous=anonymous)
        if len(created) < len(missing):  # another transaction was first, or they were erased
            found, created = await _find_ids(tx, external_ids), {}
    known = created | {id: user_key for id, (user_key, _) in found.items()}
    if not await lock_users(tx, known.values()):
        return await resolve_and_lock(tx, external_ids, now, anonymous=anonymous)
    identified = {id for id, (_, is_anonymous) in found.items() if is_anonymous and id not in anonymous}
    if identified:
        await identify_ids(tx, identified, now)
        return await resolve_and_lock(tx, external_ids, now, anonymous=anonymous)
    return known


async def lock_user(tx: Transaction, user_key: str) -> None:
    """Lock one user's row until the transaction ends (guarantee 3)."""
    await lock_users(tx, [user_key])


async def load_users(tx: Transaction, user_keys: Collection[str]) -> dict[str, StoredUser]:
    """Load users by surrogate key, in one statement; of a user's several ids, the one in use now is `user.id`.

    Erased users have no id, and are missing.
    """
    statement = (
        select(users, user_aliases.c.external_id, user_aliases.c.rank, *suppressed_columns())
        .join(user_aliases, _HAS_ID)
        .where(tx.in_workspace(users), in_set(tx, users.c.user_key, user_keys))
    )
    rows = (await tx.execute(statement)).mappings()
    rows_by_rank = sorted(rows, key=itemgetter("rank", "external_id"), reverse=True)
    return {row["user_key"]: _stored(row) for row in rows_by_rank}


async def load_profiles(tx: Transaction, user_keys: Collection[str]) -> dict[str, tuple[User, datetime | None]]:
    """Load the facts that triggers read: users as they are described, with the event time of their newest item (UTC).

    It is one statement, with fewer columns than `load_users`, because every batch executes it.
    """
    statement = (
        select(*(users.c[name] for name in _PROFILE), user_aliases.c.external_id, user_aliases.c.rank)
        .join(user_aliases, _HAS_ID)
        .where(tx.in_workspace(users), in_set(tx, users.c.user_key, user_keys))
    )
    rows = [dict(zip(_PROFILE_ROW, row, strict=True)) for row in await tx.execute(statement)]
    rows.sort(key=itemgetter("rank", "external_id"), reverse=True)
    return {row["user_key"]: (_user(row), row["newest_t"]) for row in rows}


async def load_newest(tx: Transaction, user_keys: Collection[str]) -> dict[str, datetime | None]:
    """Return the event time of the newest item that was evaluated for each of these users (UTC)."""
    statement = select(users.c.user_key, users.c.newest_t).where(
        tx.in_workspace(users), in_set(tx, users.c.user_key, user_keys)
    )
    return {user_key: newest_t for user_key, newest_t in await tx.execute(statement)}


async def find_user(tx: Transaction, external_id: str) -> StoredUser | None:
    """Load the user whom services know by this id; None if there is none."""
    known, _ = await find_user_keys(tx, [external_id])
    if external_id not in known:
        return None
    stored = (await load_users(tx, known.values()))[known[external_id]]
    return replace(stored, user=stored.user.model_copy(update={"id": external_id}))


async def raise_newest(tx: Transaction, newest: Mapping[str, datetime]) -> None:
    """Record up to which event time users' items have been evaluated; an earlier time changes nothing."""
    if not newest:
        return
    rows = [{"user_key": user_key, "newest_t": t} for user_key, t in newest.items()]
    newest_of, table = as_table(tx, {name: users.c[name].type for name in rows[0]}, rows).c, users.c
    is_older = or_(table.newest_t.is_(None), table.newest_t < newest_of.newest_t)
    where = (tx.in_workspace(users), table.user_key == newest_of.user_key, is_older)
    await tx.execute(update(users).where(*where).values(newest_t=newest_of.newest_t))


async def load_ids(tx: Transaction, user_key: str) -> list[str]:
    """Return all ids by which services know a user; an erased user has none."""
    table = user_aliases.c
    statement = select(table.external_id).where(tx.in_workspace(user_aliases), table.user_key == user_key)
    return sorted((await tx.execute(statement)).scalars())


async def find_user_keys(tx: Transaction, external_ids: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """Return the surrogate keys of the ids that are known, and those of the others that were erased."""
    user_keys = await _find_keys(tx, external_ids)
    return user_keys, await find_erased_ids(tx, set(external_ids) - user_keys.keys())


async def find_key(tx: Transaction, id_or_key: str) -> str | None:
    """Return the surrogate key of a user by any id or by the key itself, which an erased user keeps; None: no user."""
    known = await _find_keys(tx, [id_or_key])
    is_key = select(users.c.user_key).where(tx.in_workspace(users), users.c.user_key == id_or_key)
    return known.get(id_or_key) or (await tx.execute(is_key)).scalar_one_or_none()


async def find_identified(tx: Transaction, external_id: str) -> str | None:
    """Return the surrogate key of an id that is known and not anonymous; None for any other."""
    user_key, is_anonymous = (await _find_ids(tx, [external_id])).get(external_id, (None, True))
    return None if is_anonymous else user_key


async def create_users(
    tx: Transaction, external_ids: Sequence[str], now: datetime, *, anonymous: Collection[str] = ()
) -> dict[str, str]:
    """Create users without a description; `anonymous` as in `resolve_and_lock`.

    It skips ids that were erased, and ids for which another transaction created a user first.
    """
    table, rows = user_aliases.c, []
    for id, marks in (await possible_marks(tx, external_ids)).items():
        row = {"external_id": id, "user_key": uuid4().hex, "anonymous": id in anonymous}
        rows.append(row | {f"mark_{number}": mark for number, mark in enumerate(marks)})
    columns = ("external_id", "user_key", "anonymous")
    mark_columns = [name for name in rows[0] if name not in columns]
    types = {name: table[name].type for name in columns} | dict.fromkeys(mark_columns, erased_users.c.mark.type)
    batch = as_table(tx, types, rows)
    is_mark = erased_users.c.mark.in_([batch.c[name] for name in mark_columns])
    is_erased = exists().where(tx.in_workspace(erased_users), is_mark)
    new = select(literal(tx.workspace), *(batch.c[name] for name in columns)).where(~is_erased)
    insert = insert_into(tx, user_aliases).from_select(["workspace", *columns], new, False)
    inserted = await tx.execute(insert.on_conflict_do_nothing().returning(table.external_id, table.user_key))
    created = {external_id: user_key for external_id, user_key in inserted}
    await insert_users(tx, created.values(), now)
    return created


async def _find_keys(tx: Transaction, external_ids: Collection[str]) -> dict[str, str]:
    return {id: user_key for id, (user_key, _) in (await _find_ids(tx, external_ids)).items()}


async def _find_ids(tx: Transaction, external_ids: Collection[str]) -> dict[str, tuple[str, bool]]:
    """Return the surrogate keys of the ids that are known, each with whether the id is an anonymous one."""
    table = user_aliases.c
    statement = select(table.external_id, table.user_key, table.anonymous).where(
        tx.in_workspace(user_aliases), in_set(tx, table.external_id, external_ids)
    )
    return {id: (user_key, is_anonymous) for id, user_key, is_anonymous in await tx.execute(statement)}


async def lock_users(tx: Transaction, user_keys: Collection[str]) -> bool:
    """Lock users' rows until the transaction ends, in sorted order, so that no two transactions wait for each other.

    Returns whether all exist: while its lock was awaited, a user may have become part of another (`link_ids`).
    """
    if tx.dialect != "postgresql":  # on SQLite the transaction excludes every other writer
        return True
    table = users.c
    where = (tx.in_workspace(users), in_set(tx, table.user_key, user_keys))
    statement = select(table.user_key).where(*where).order_by(table.user_key).with_for_update()
    with LOCK_WAITS.labels("users").time():
        locked = await tx.execute(statement)
    return len(locked.all()) == len(set(user_keys))


_PROFILE = (
    "user_key", "newest_t", "email", "phone", "push_tokens", "time_zone", "first_name", "attributes", "consent",
)  # fmt: skip
_PROFILE_ROW = (*_PROFILE, "external_id", "rank")


def _user(row: Mapping[str, Any] | RowMapping) -> User:
    return User.model_construct(
        id=row["external_id"],
        email=row["email"],
        phone=row["phone"],
        push_tokens=tuple(row["push_tokens"]),
        time_zone=row["time_zone"],
        first_name=row["first_name"],
        attributes=without_profile_fields(row["attributes"]),
        consent=row["consent"],
    )


def _stored(row: RowMapping) -> StoredUser:
    user = _user(row)
    addresses = {"email": user.email, "sms": user.phone}
    suppressed = {
        channel: address for channel, address in addresses.items() if address and row[f"suppressed_{channel}"]
    }
    return StoredUser(user, row["user_key"], row["newest_t"], suppressed, statements_of(row))
