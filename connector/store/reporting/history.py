"""Everything decided about one user, and what they did: for `explain`, in a constant number of statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, Table, select, union

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.values import EARLIEST
from connector.rules.sending.deliveries import DeliveryRecord
from connector.rules.timing.caps import PastSend
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, load_past_sends
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.follow_ups.receipts import load_receipts
from connector.store.tables import decisions, follow_ups, interactions
from connector.store.users.log import entry_from_row

MAX_DECISIONS = 1000
"""How many decisions are loaded, the newest ones."""
MAX_RECENT_ITEMS = 1000
"""How many of the user's newest interactions are loaded, to find the one that came nearest to a trigger."""

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DecisionRow:
    """A trigger that was refused, or an exception that was noted as too late. `t` is its event time, all UTC."""

    seq: int
    campaign: str
    key: str
    interaction_id: str
    t: datetime
    state: str
    reason: Reason
    decided_at: datetime


@dataclass(frozen=True)
class UserRecord:
    """What the store has about one user.

    `follow_ups` and `decided` are the newest decisions, oldest first; `is_cut` is true if there are older ones.
    `messages` are by follow-up, `receipts` by (campaign, key). `items` are by id: those that the decisions are about,
    if they are still logged, and the newest of all. `campaigns` are all for which anything was ever decided, those of
    decisions that were cut included.
    """

    follow_ups: Sequence[FollowUp]
    decided: Sequence[DecisionRow]
    is_cut: bool
    messages: Mapping[str, Sequence[DeliveryRecord]]
    receipts: Mapping[tuple[str, str], datetime]
    sends: Sequence[PastSend]
    items: Mapping[str, LogEntry]
    campaigns: frozenset[str]


async def load_user_record(
    tx: Transaction, user_key: str, *, campaign: str | None = None, limit: int = MAX_DECISIONS
) -> UserRecord:
    """Load the record of one user, for all campaigns or for one.

    Args:
        limit: how many decisions at most, the newest by event time.
    """
    follow_ups = await _load_follow_ups(tx, user_key, campaign, limit + 1)
    decisions = await _load_decisions(tx, user_key, campaign, limit + 1)
    recent, decided = _newest(follow_ups, decisions, limit)
    ids = {p.trigger.id for p in recent} | {p.exception_id for p in recent if p.exception_id is not None}
    ids |= {d.interaction_id for d in decided}
    messages = await load_deliveries_by_follow_up(tx, [p.id for p in recent])
    receipts = await load_receipts(tx, [user_key])
    return UserRecord(
        follow_ups=recent,
        decided=decided,
        is_cut=len(follow_ups) + len(decisions) > limit,
        messages=messages,
        receipts={(campaign, key): at for (campaign, _, key), at in receipts.items()},
        sends=(await load_past_sends(tx, [user_key], _earliest_cap(messages)))[user_key],
        items=await _load_items(tx, user_key, ids),
        campaigns=await _load_campaigns(tx, user_key),
    )


async def _load_follow_ups(tx: Transaction, user_key: str, campaign: str | None, limit: int) -> list[FollowUp]:
    table = follow_ups.c
    statement = _rows_of(tx, follow_ups, user_key, campaign).order_by(table.triggered_at.desc(), table.id)
    return [follow_up_from_row(row) for row in (await tx.execute(statement.limit(limit))).mappings()]


async def _load_decisions(tx: Transaction, user_key: str, campaign: str | None, limit: int) -> list[DecisionRow]:
    table = decisions.c
    statement = _rows_of(tx, decisions, user_key, campaign).order_by(table.t.desc(), table.seq.desc())
    return [_decision(row) for row in (await tx.execute(statement.limit(limit))).mappings()]


def _decision(row: RowMapping) -> DecisionRow:
    return DecisionRow(
        seq=row["seq"],
        campaign=row["campaign"],
        key=row["key"],
        interaction_id=row["interaction_id"],
        t=row["t"],
        state=row["state"],
        reason=Reason(row["reason"]),
        decided_at=row["decided_at"],
    )


def _newest(
    follow_ups: list[FollowUp], decided: list[DecisionRow], limit: int
) -> tuple[list[FollowUp], list[DecisionRow]]:
    """Return the newest of both together, each oldest first."""
    times = sorted([p.trigger.t for p in follow_ups] + [d.t for d in decided], reverse=True)
    since = times[limit - 1] if len(times) > limit else EARLIEST
    return [p for p in follow_ups if p.trigger.t >= since][::-1], [d for d in decided if d.t >= since][::-1]


def _earliest_cap(messages: Mapping[str, Sequence[DeliveryRecord]]) -> datetime:
    """Return when the first of these messages was dropped by a frequency cap; far in the future if none was."""
    decided = [
        record.decided_at
        for records in messages.values()
        for record in records
        if record.reason is Reason.FREQUENCY_CAPPED and record.decided_at is not None
    ]
    return min(decided, default=_NEVER)


async def _load_items(tx: Transaction, user_key: str, ids: Collection[str]) -> dict[str, LogEntry]:
    """Load the user's log entries of these ids, and the newest of all; by id, in event order."""
    table = interactions.c
    of_user = select(interactions).where(tx.in_workspace(interactions), table.user_key == user_key)
    entries: dict[str, LogEntry] = {}
    for statement in (
        of_user.where(in_set(tx, table.id, ids)),
        of_user.order_by(table.t.desc(), table.seq.desc()).limit(MAX_RECENT_ITEMS),
    ):
        entries |= {row["id"]: entry_from_row(row) for row in (await tx.execute(statement)).mappings()}
    return dict(sorted(entries.items(), key=lambda item: (item[1].t, item[1].seq)))


async def _load_campaigns(tx: Transaction, user_key: str) -> frozenset[str]:
    parts = [
        select(table.c.campaign).where(tx.in_workspace(table), table.c.user_key == user_key)
        for table in (follow_ups, decisions)
    ]
    return frozenset((await tx.execute(union(*parts))).scalars())


def _rows_of(tx: Transaction, table: Table, user_key: str, campaign: str | None) -> Select[*tuple[Any, ...]]:
    statement = select(table).where(tx.in_workspace(table), table.c.user_key == user_key)
    return statement if campaign is None else statement.where(table.c.campaign == campaign)
