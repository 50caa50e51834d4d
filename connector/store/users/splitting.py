"""Split ids off: an id that shared a user with others begins a new user, from then on.

What happened until then stays with the user whom the id was part of: an interaction does not say under which id it was
reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import uuid4

from sqlalchemy import bindparam, select, update

from connector.rules.model.joining import ids_to_split
from connector.store.engine.bulk import in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_aliases, users
from connector.store.users.joins import end_joins


async def identify_ids(tx: Transaction, ids: Collection[str], now: datetime) -> None:
    """Mark anonymous ids as identified, and split off those that `ids_to_split` names.

    The rows of the users are locked; an id that is not anonymous any more, because another transaction was first, is
    left alone.
    """
    alias = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, alias.external_id, ids), alias.anonymous)
    keys = dict(map(tuple, await tx.execute(select(alias.external_id, alias.user_key).where(*where))))
    members = await load_members(tx, set(keys.values()))
    moved = {id: uuid4().hex for id in ids_to_split(keys, members)}
    await _move(tx, keys | moved)
    if moved:
        await insert_users(tx, moved.values(), now)
        await end_joins(tx, moved, now, None)


async def split_id(tx: Transaction, id: str, now: datetime, by: str | None) -> str:
    """Split an id off its user, whose row is locked, and return the key of the new user; the id is identified then.

    Args:
        by: who does it, as `UserJoin.undone_by`.
    """
    key = uuid4().hex
    await _move(tx, {id: key})
    await insert_users(tx, [key], now)
    await end_joins(tx, [id], now, by)
    return key


async def load_members(tx: Transaction, user_keys: Collection[str]) -> dict[str, set[str]]:
    """Return all ids of these users, by user key."""
    alias = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, alias.user_key, user_keys))
    members: dict[str, set[str]] = {}
    for key, id in await tx.execute(select(alias.user_key, alias.external_id).where(*where)):
        members.setdefault(key, set()).add(id)
    return members


async def insert_users(tx: Transaction, user_keys: Collection[str], now: datetime) -> None:
    """Insert the rows of users without a description."""
    empty = {"workspace": tx.workspace, "push_tokens": [], "attributes": {}, "consent": {}, "created_at": now}
    if user_keys:
        await tx.execute(insert_rows(tx, users, [{"user_key": user_key} for user_key in user_keys], shared=empty))


async def _move(tx: Transaction, keys: Mapping[str, str]) -> None:
    """Mark ids as identified, each the current id of the user with this key."""
    if keys:
        where = (tx.in_workspace(user_aliases), user_aliases.c.external_id == bindparam("moved"))
        moved = update(user_aliases).where(*where).values(user_key=bindparam("key"), anonymous=False, rank=0)
        await tx.execute(moved, [{"moved": id, "key": key} for id, key in sorted(keys.items())])
