"""A user's push tokens that lead nowhere any more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from connector.store.engine.transaction import Transaction
from connector.store.tables import users


async def forget_push_tokens(tx: Transaction, user_key: str, dead: Collection[str]) -> None:
    """Take these tokens from a user whose row is locked; the others stay, in their order."""
    where = (tx.in_workspace(users), users.c.user_key == user_key)
    known = (await tx.execute(select(users.c.push_tokens).where(*where))).scalar_one_or_none()
    left = [token for token in known or () if token not in dead]
    if known is not None and left != list(known):
        await tx.execute(update(users).where(*where).values(push_tokens=left))
