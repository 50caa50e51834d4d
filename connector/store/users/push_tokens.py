"""A user's push tokens that lead nowhere any more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.store.tables import users


async def forget_push_tokens(c: AsyncConnection, workspace: str, user_key: str, dead: Collection[str]) -> None:
    """Take these tokens from a user whose row is locked; the others stay, in their order."""
    where = (users.c.workspace == workspace, users.c.user_key == user_key)
    known = (await c.execute(select(users.c.push_tokens).where(*where))).scalar_one_or_none()
    left = [token for token in known or () if token not in dead]
    if known is not None and left != list(known):
        await c.execute(update(users).where(*where).values(push_tokens=left))
