"""Descriptions of users: replaced, merged, and their push tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update

from connector.rules.model.consent import ConsentSource, ConsentStatements, merge_statements, read_statements
from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import ERASED_FAULT, User, UserMerge, check_attributes_size
from connector.store.engine.transaction import Transaction
from connector.store.tables import users
from connector.store.users.consent import CONSENT_COLUMNS, consent_row
from connector.store.users.consent_history import BY_STATEMENT, ChangeOrigin, RecordedChange, changes_of, record_changes
from connector.store.users.users import UserErased, load_users, resolve_and_lock

Changes = Mapping[str, Any]
"""Changes to a user's description, by the names of `User`, with the `id`."""

_DESCRIBED = sorted((User.model_fields.keys() - {"id"}) | {column.name for column in CONSENT_COLUMNS})


async def save_user(
    tx: Transaction,
    user: User,
    now: datetime,
    stated: ConsentStatements | None = None,
    origin: ChangeOrigin = BY_STATEMENT,
) -> str:
    """Replace a user's description, consent excepted, and return the surrogate key; an unknown user is created.

    Args:
        stated: what the description states on consent; None: what `user` has, as a profile states it. The statements
            that hold are kept unless these replace them.
        origin: how changes of consent came about, for the history.

    Raises:
        UserErased: the user was erased. DefinitionError: there are too many attributes.
    """
    check_attributes_size(user)
    user_key = await _lock_to_describe(tx, user.id, now)
    if stated is None:
        stated = read_statements(user.consent, now, ConsentSource.PROFILE)
    values = user.model_dump(mode="json", exclude={"id", "consent"})
    if stated:
        held = (await load_users(tx, [user_key]))[user_key].statements
        statements = merge_statements(held, stated)
        values |= consent_row(statements)
        await record_changes(tx, changes_of(user_key, held, statements, now, origin))
    await tx.execute(update(users).where(*_row_of(tx, user_key)).values(**values))
    return user_key


async def merge_user(
    tx: Transaction,
    external_id: str,
    changes: Mapping[str, Any],
    now: datetime,
    *,
    source: ConsentSource = ConsentSource.SERVICE,
    origin: ChangeOrigin = BY_STATEMENT,
    anonymous: Collection[str] = (),
) -> str:
    """Merge changes into a user's description: attributes by key, consent by statement, all other fields as a whole.

    Args:
        source: of statements on consent that have a time.
        origin: how changes of consent came about, for the history.
        anonymous: as in `resolve_and_lock`.

    Raises:
        pydantic.ValidationError: the changes are not well formed. UserErased: the user was erased.
        DefinitionError: there would be too many attributes.
    """
    User.model_validate({**changes, "id": external_id})
    user_key = await _lock_to_describe(tx, external_id, now, anonymous)
    stored = (await load_users(tx, [user_key]))[user_key]
    merge = UserMerge(stored.user, stored.statements)
    merge.apply(changes, read_statements(changes.get("consent", {}), now, source))
    await tx.execute(update(users).where(*_row_of(tx, user_key)).values(**_values(merge)))
    await record_changes(tx, changes_of(user_key, stored.statements, merge.statements, now, origin))
    return user_key


async def merge_users(
    tx: Transaction, changes: Sequence[Changes], user_keys: Mapping[str, str], now: datetime
) -> dict[int, str]:
    """Merge several changes, each as `merge_user` does, in a fixed number of statements; later ones win.

    Args:
        user_keys: the surrogate keys by id, of users whose rows are locked; all others were erased.

    Returns:
        Why changes were not merged, by their positions.
    """
    faults = {n: ERASED_FAULT for n, change in enumerate(changes) if change["id"] not in user_keys}
    wanted = {n: user_keys[change["id"]] for n, change in enumerate(changes) if n not in faults}
    if not wanted:
        return faults
    stored = await load_users(tx, set(wanted.values()))
    merges = {user_key: UserMerge(one.user, one.statements) for user_key, one in stored.items()}
    consent_changes: list[RecordedChange] = []
    for n, user_key in wanted.items():
        stated = read_statements(changes[n].get("consent", {}), now, ConsentSource.SERVICE)
        held = merges[user_key].statements
        try:
            merges[user_key].apply(changes[n], stated)
        except DefinitionError as error:
            faults[n] = str(error)
        consent_changes += changes_of(user_key, held, merges[user_key].statements, now)
    rows = [
        {"key": user_key, **{f"new_{name}": value for name, value in _values(merge).items()}}
        for user_key, merge in sorted(merges.items())
    ]
    values = {name: bindparam(f"new_{name}", type_=users.c[name].type) for name in _DESCRIBED}
    where = (tx.in_workspace(users), users.c.user_key == bindparam("key"))
    await tx.execute(update(users).where(*where).values(values), rows)
    await record_changes(tx, consent_changes)
    return faults


def _values(merge: UserMerge) -> dict[str, Any]:
    """Return the columns of a user's description."""
    return merge.result().model_dump(mode="json", exclude={"id", "consent"}) | consent_row(merge.statements)


async def _lock_to_describe(tx: Transaction, external_id: str, now: datetime, anonymous: Collection[str] = ()) -> str:
    user_key = (await resolve_and_lock(tx, [external_id], now, anonymous=anonymous)).get(external_id)
    if user_key is None:
        raise UserErased
    return user_key


def _row_of(tx: Transaction, user_key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return tx.in_workspace(users), users.c.user_key == user_key


async def forget_push_tokens(tx: Transaction, user_key: str, invalid: Collection[str]) -> None:
    """Remove push tokens from a user whose row is locked; the others stay, in their order."""
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    tokens = (await tx.execute(select(users.c.push_tokens).where(*where))).scalar_one_or_none()
    left = [token for token in tokens or () if token not in invalid]
    if tokens is not None and left != list(tokens):
        await tx.execute(update(users).where(*where).values(push_tokens=left))
