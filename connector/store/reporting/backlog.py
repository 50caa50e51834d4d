"""What a backtest reads first: the users whose log has what triggers a campaign, page by page."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select

from connector.store.engine.transaction import Transaction
from connector.store.tables import interactions

LoggedType = tuple[str, str | None]
"""(topic, target) of log entries; the target is None for events."""


async def count_users(tx: Transaction, types: Collection[LoggedType], since: datetime) -> int:
    """Count the users who have an entry of one of these types in their log since an instant (UTC)."""
    statement = select(func.count(func.distinct(interactions.c.user_key))).where(_is_logged(tx, types, since))
    return int((await tx.execute(statement)).scalar_one())


async def load_user_keys(
    tx: Transaction, types: Collection[LoggedType], since: datetime, *, after: str, limit: int
) -> list[str]:
    """Return the next of these users' keys in their order, after one of them ('' for the first page)."""
    statement = (
        select(interactions.c.user_key)
        .where(_is_logged(tx, types, since), interactions.c.user_key > after)
        .group_by(interactions.c.user_key)
        .order_by(interactions.c.user_key)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


def _is_logged(tx: Transaction, types: Collection[LoggedType], since: datetime) -> ColumnElement[bool]:
    table = interactions.c
    is_type = [and_(table.topic == topic, table.target == target) for topic, target in types if target is not None]
    events = [topic for topic, target in types if target is None]
    if events:
        is_type.append(and_(table.topic.in_(events), table.target.is_(None)))
    return and_(tx.in_workspace(interactions), table.t >= since, or_(*is_type))
