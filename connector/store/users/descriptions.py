"""Descriptions of users: replaced, merged, their push tokens, and when consent was stated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import ERASED_FAULT, User, UserMerge, check_attributes_size, merge_changes
from connector.store.engine.transaction import Transaction
from connector.store.tables import users
from connector.store.users.users import UserErased, find_user, load_users, resolve_and_lock

Changes = Mapping[str, Any]
"""Changes to a user's description, by the names of `User`, with the `id`."""


async def save_user(tx: Transaction, user: User, now: datetime) -> str:
    """Replace a user's description, and return the surrogate key; an unknown user is created.

    Raises:
        UserErased: the user was erased. DefinitionError: there are too many attributes.
    """
    check_attributes_size(user)
    return await _describe(tx, user, now)


async def _describe(tx: Transaction, user: User, now: datetime, anonymous: Collection[str] = ()) -> str:
    user_key = (await resolve_and_lock(tx, [user.id], now, anonymous=anonymous)).get(user.id)
    if user_key is None:
        raise UserErased
    described = user.model_dump(mode="json", exclude={"id"})
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    await tx.execute(update(users).where(*where).values(**described))
    return user_key


async def merge_user(
    tx: Transaction, external_id: str, changes: Mapping[str, Any], now: datetime, *, anonymous: Collection[str] = ()
) -> str:
    """Merge changes into a user's description: attributes and consent by their keys, all other fields as a whole.

    Args:
        anonymous: as in `resolve_and_lock`.

    Raises:
        pydantic.ValidationError: the changes are not well formed. UserErased: the user was erased.
        DefinitionError: there would be too many attributes.
    """
    User.model_validate({**changes, "id": external_id})
    await resolve_and_lock(tx, [external_id], now, anonymous=anonymous)
    stored = await find_user(tx, external_id)
    known = stored.user if stored else User(id=external_id)
    return await _describe(tx, merge_changes(known, changes), now, anonymous)


async def merge_users(tx: Transaction, changes: Sequence[Changes], user_keys: Mapping[str, str]) -> dict[int, str]:
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
    merges = {user_key: UserMerge(one.user) for user_key, one in stored.items()}
    for n, user_key in wanted.items():
        try:
            merges[user_key].apply(changes[n])
        except DefinitionError as error:
            faults[n] = str(error)
    fields = User.model_fields.keys() - {"id"}
    statement = (
        update(users)
        .where(tx.in_workspace(users), users.c.user_key == bindparam("key"))
        .values({name: bindparam(f"new_{name}") for name in fields})
    )
    rows = []
    for user_key, merge in sorted(merges.items()):
        description = merge.result().model_dump(mode="json", exclude={"id"})
        rows.append({"key": user_key, **{f"new_{name}": value for name, value in description.items()}})
    await tx.execute(statement, rows)
    return faults


async def forget_push_tokens(tx: Transaction, user_key: str, invalid: Collection[str]) -> None:
    """Remove push tokens from a user whose row is locked; the others stay, in their order."""
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    tokens = (await tx.execute(select(users.c.push_tokens).where(*where))).scalar_one_or_none()
    left = [token for token in tokens or () if token not in invalid]
    if tokens is not None and left != list(tokens):
        await tx.execute(update(users).where(*where).values(push_tokens=left))


async def save_consent_time(tx: Transaction, user_key: str, channel: str, at: datetime) -> None:
    """Save when a user, whose row is locked, made the latest statement on consent to a channel."""
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    times = (await tx.execute(select(users.c.said_at).where(*where))).scalar_one()
    await tx.execute(update(users).where(*where).values(said_at={**times, channel: at.astimezone(UTC).isoformat()}))
