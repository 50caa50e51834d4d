"""What a backtest reads: users whose log has what would have triggered a campaign, page by page."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select

from connector.rules.sending.deliveries import OUT
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, interactions, receipts

Named = tuple[str, str | None]
"""(topic, target) of log entries; the target is None for events."""


async def count_users(tx: Transaction, wanted: Collection[Named], since: datetime) -> int:
    """How many users have one of these in their log since then."""
    statement = select(func.count(func.distinct(interactions.c.user_key))).where(_logged(tx.workspace, wanted, since))
    return int((await tx.execute(statement)).scalar_one())


async def page_of_users(
    tx: Transaction, wanted: Collection[Named], since: datetime, *, after: str, limit: int
) -> list[str]:
    """The next user keys in their order, beginning after one ('' for the first page)."""
    statement = (
        select(interactions.c.user_key)
        .where(_logged(tx.workspace, wanted, since), interactions.c.user_key > after)
        .group_by(interactions.c.user_key)
        .order_by(interactions.c.user_key)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


async def load_sends(
    tx: Transaction, user_keys: Collection[str], since: datetime, *, but: str
) -> dict[str, list[PastSend]]:
    """What these users were sent since then, and as far before as a cap can look, of all campaigns but one."""
    table = deliveries.c
    statement = (
        select(table.user_key, table.follow_up_id, table.channel, table.claimed_at)
        .where(
            tx.in_workspace(deliveries),
            in_set(tx, table.user_key, user_keys),
            table.campaign != but,
            table.claimed_at > since - MAX_CAP_LOOKBACK,
            table.state.in_(OUT),
        )
        .order_by(table.claimed_at)
    )
    found: dict[str, list[PastSend]] = {user_key: [] for user_key in user_keys}
    for row in await tx.execute(statement):
        found[row.user_key].append(PastSend(row.follow_up_id, row.channel, row.claimed_at))
    return found


async def load_receipts_before(
    tx: Transaction, user_keys: Collection[str], campaign: str, before: datetime
) -> dict[str, dict[str, datetime]]:
    """When these users last received a campaign, by user key and key, where that was before an instant."""
    table = receipts.c
    statement = select(table.user_key, table.key, table.received_at).where(
        tx.in_workspace(receipts),
        table.campaign == campaign,
        in_set(tx, table.user_key, user_keys),
        table.received_at < before,
    )
    found: dict[str, dict[str, datetime]] = {user_key: {} for user_key in user_keys}
    for row in await tx.execute(statement):
        found[row.user_key][row.key] = row.received_at
    return found


def _logged(workspace: str, wanted: Collection[Named], since: datetime) -> ColumnElement[bool]:
    table = interactions.c
    named = [and_(table.topic == topic, table.target == target) for topic, target in wanted if target is not None]
    events = [topic for topic, target in wanted if target is None]
    if events:
        named.append(and_(table.topic.in_(events), table.target.is_(None)))
    return and_(table.workspace == workspace, table.t >= since, or_(*named))
