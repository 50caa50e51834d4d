"""From a delivery back to its campaign and user, for what is reported by the delivery's id alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select

from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, user_aliases
from connector.store.users.users import ERASED


@dataclass(frozen=True)
class TrackedDelivery:
    """One message and whom it went to. `user` is the id by which services know them; `dispatched_at` is UTC."""

    id: str
    campaign: str
    channel: str
    user: str
    user_key: str
    dispatched_at: datetime | None


async def find_deliveries(tx: Transaction, ids: Collection[str]) -> Mapping[str, TrackedDelivery]:
    """Those of these deliveries that there are, by id, in one statement; an erased user's are left out."""
    table, alias = deliveries.c, user_aliases.c
    statement = (
        select(table.id, table.campaign, table.channel, table.user_key, table.claimed_at, alias.external_id)
        .join(user_aliases, and_(alias.workspace == table.workspace, alias.user_key == table.user_key))
        .where(tx.in_workspace(deliveries), in_set(tx, table.id, ids))
        .order_by(alias.rank.desc(), alias.external_id.desc())
    )
    return {
        row.id: TrackedDelivery(row.id, row.campaign, row.channel, row.external_id, row.user_key, row.claimed_at)
        for row in await tx.execute(statement)
        if not row.external_id.startswith(ERASED)
    }
