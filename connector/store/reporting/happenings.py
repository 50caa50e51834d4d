"""What happened since the last look, for the story of `connector dev`: by index, in a bounded number of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select

from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import OPEN_STATES
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import decisions, deliveries, follow_ups, interactions, user_aliases
from connector.store.users.log import entry_from_row

MAX_ARRIVALS = 100
MAX_FOLLOW_UPS = 500
OVERLAP = timedelta(seconds=5)
"""How far back arrivals are looked at again: transactions do not commit in the order of their times."""


@dataclass(frozen=True)
class Arrival:
    """An item that came in, of a user by the surrogate key."""

    user_key: str
    entry: LogEntry


@dataclass(frozen=True)
class Snapshot:
    """A follow-up as it is now. `channels` are those that it was sent on; instants are UTC."""

    id: str
    campaign: str
    user_key: str
    state: str
    reason: str | None
    next_at: datetime
    decided_at: datetime | None
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A trigger that was refused, or a late exception that was noted."""

    campaign: str
    user_key: str
    interaction_id: str
    state: str
    reason: str


async def load_arrivals(tx: Transaction, since: datetime) -> list[Arrival]:
    """Load the first items that arrived from shortly before an instant on, in the order of their arrival."""
    table = interactions.c
    statement = (
        select(interactions)
        .where(tx.in_workspace(interactions), table.received_at >= since - OVERLAP)
        .order_by(table.received_at, table.seq)
        .limit(MAX_ARRIVALS)
    )
    return [Arrival(row["user_key"], entry_from_row(row)) for row in (await tx.execute(statement)).mappings()]


async def load_open_ids(tx: Transaction) -> list[str]:
    """Load the ids of follow-ups that are open, those that fall due first."""
    table = follow_ups.c
    is_open = table.state.in_([state.value for state in OPEN_STATES])
    statement = (
        select(table.id)
        .where(tx.in_workspace(follow_ups), is_open)
        .order_by(table.next_at, table.id)
        .limit(MAX_FOLLOW_UPS)
    )
    return list((await tx.execute(statement)).scalars())


async def load_snapshots(
    tx: Transaction, user_keys: Collection[str], since: datetime, ids: Collection[str]
) -> list[Snapshot]:
    """Load the follow-ups with these ids, and those of these users that began or ended since an instant.

    Of more than `MAX_FOLLOW_UPS` ids, those that have ended come first, and then those that fall due first.
    """
    table = follow_ups.c
    changed = or_(table.created_at >= since - OVERLAP, table.decided_at >= since - OVERLAP)
    of_users = and_(in_set(tx, table.user_key, user_keys), changed)
    rows: dict[str, RowMapping] = {}
    for wanted, is_needed in ((of_users, bool(user_keys)), (in_set(tx, table.id, ids), bool(ids))):
        if is_needed:
            statement = select(follow_ups).where(tx.in_workspace(follow_ups), wanted)
            first = statement.order_by(table.decided_at.is_(None), table.next_at, table.id).limit(MAX_FOLLOW_UPS)
            rows |= {row["id"]: row for row in (await tx.execute(first)).mappings()}
    sent = await _load_sent(tx, [id for id, row in rows.items() if row["state"] == "sent"])
    found = [_snapshot(row, sent.get(id, ())) for id, row in rows.items()]
    return sorted(found, key=lambda one: (one.decided_at or one.next_at, one.id))


async def load_refused(tx: Transaction, user_keys: Collection[str], since: datetime) -> list[tuple[int, Refused]]:
    """Load the refusals and notes about these users since an instant, each with its number."""
    table = decisions.c
    if not user_keys:
        return []
    statement = (
        select(decisions)
        .where(tx.in_workspace(decisions), in_set(tx, table.user_key, user_keys), table.decided_at >= since - OVERLAP)
        .order_by(table.seq)
        .limit(MAX_FOLLOW_UPS)
    )
    return [
        (row["seq"], Refused(row["campaign"], row["user_key"], row["interaction_id"], row["state"], row["reason"]))
        for row in (await tx.execute(statement)).mappings()
    ]


async def load_names(tx: Transaction, user_keys: Collection[str]) -> dict[str, str]:
    """Return an id by which services know each of these users."""
    if not user_keys:
        return {}
    table = user_aliases.c
    statement = select(table.user_key, table.external_id).where(
        tx.in_workspace(user_aliases), in_set(tx, table.user_key, user_keys)
    )
    rows = await tx.execute(statement.order_by(table.rank.desc(), table.external_id.desc()))
    return {user_key: id for user_key, id in rows}


async def _load_sent(tx: Transaction, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    if not ids:
        return {}
    table = deliveries.c
    statement = select(table.follow_up_id, table.channel).where(
        tx.in_workspace(deliveries), in_set(tx, table.follow_up_id, ids), table.state == "sent"
    )
    channels: dict[str, Any] = {}
    for follow_up_id, channel in await tx.execute(statement.order_by(table.channel)):
        channels[follow_up_id] = (*channels.get(follow_up_id, ()), channel)
    return channels


def _snapshot(row: RowMapping, channels: tuple[str, ...]) -> Snapshot:
    return Snapshot(
        id=row["id"],
        campaign=row["campaign"],
        user_key=row["user_key"],
        state=row["state"],
        reason=row["reason"],
        next_at=row["next_at"],
        decided_at=row["decided_at"],
        channels=channels,
    )
