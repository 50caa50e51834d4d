"""Everything that was decided about one user, and what they did: for `explain`, in a constant number of statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, Table, select, union

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import OUT, DeliveryState
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.tables import decisions, deliveries, follow_ups, interactions, receipts, user_aliases
from connector.store.users.log import logged_from
from connector.store.users.users import mark_of_erased

MOST_DECISIONS = 1000
"""How many decisions are told of, the newest ones."""
MOST_ITEMS = 1000
"""How many of the user's interactions are looked through for the one that came nearest, the newest ones."""

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
class DeliveryRow:
    """One message of a follow-up as it stands. `fault` is a code of ours; `claimed_at` is its dispatch, UTC."""

    channel: str
    state: DeliveryState
    reason: Reason | None
    fault: str | None
    claimed_at: datetime | None
    decided_at: datetime | None


@dataclass(frozen=True)
class Record:
    """What the store knows about one user.

    `follow_ups` and `decided` are the newest decisions, oldest first; `is_cut` says that there are older ones.
    `messages` are by follow-up; `receipts` by (campaign, key). `items` are by id: what the decisions are
    about, as far as it is still logged, and the newest of all. `campaigns` are all for which anything was ever
    decided, also where it was cut.
    """

    follow_ups: Sequence[FollowUp]
    decided: Sequence[DecisionRow]
    is_cut: bool
    messages: Mapping[str, Sequence[DeliveryRow]]
    receipts: Mapping[tuple[str, str], datetime]
    sends: Sequence[PastSend]
    items: Mapping[str, LogEntry]
    campaigns: frozenset[str]


async def was_erased(tx: Transaction, external_id: str) -> bool:
    """Whether the user with that id was erased (guarantee 8)."""
    table, mark = user_aliases.c, mark_of_erased(external_id)
    statement = select(table.user_key).where(tx.in_workspace(user_aliases), table.external_id == mark)
    return (await tx.execute(statement)).first() is not None


async def load_record(
    tx: Transaction,
    user_key: str,
    *,
    campaign: str | None = None,
    most: int = MOST_DECISIONS,
) -> Record:
    """The record of one user, of all campaigns or of one.

    Args:
        most: how many decisions at most, the newest by event time.
    """
    found = await _follow_ups(tx, user_key, campaign, most + 1)
    told = await _decided(tx, user_key, campaign, most + 1)
    recent, decided = _newest(found, told, most)
    wanted = {p.trigger.id for p in recent} | {p.exception_id for p in recent if p.exception_id is not None}
    wanted |= {d.interaction_id for d in decided}
    messages = await _messages(tx, [p.id for p in recent])
    return Record(
        follow_ups=recent,
        decided=decided,
        is_cut=len(found) + len(told) > most,
        messages=messages,
        receipts=await _receipts(tx, user_key),
        sends=await _sends(tx, user_key, messages),
        items=await _items(tx, user_key, wanted),
        campaigns=await _campaigns(tx, user_key),
    )


async def _follow_ups(tx: Transaction, user_key: str, campaign: str | None, most: int) -> list[FollowUp]:
    table = follow_ups.c
    statement = (
        _of(follow_ups, tx.workspace, user_key, campaign).order_by(table.triggered_at.desc(), table.id).limit(most)
    )
    return [follow_up_from_row(row) for row in (await tx.execute(statement)).mappings()]


async def _decided(tx: Transaction, user_key: str, campaign: str | None, most: int) -> list[DecisionRow]:
    table = decisions.c
    statement = _of(decisions, tx.workspace, user_key, campaign).order_by(table.t.desc(), table.seq.desc()).limit(most)
    return [_decision(row) for row in (await tx.execute(statement)).mappings()]


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


def _newest(recent: list[FollowUp], decided: list[DecisionRow], most: int) -> tuple[list[FollowUp], list[DecisionRow]]:
    """The newest of both together, each oldest first."""
    times = sorted([p.trigger.t for p in recent] + [d.t for d in decided], reverse=True)
    since = times[most - 1] if len(times) > most else datetime.min.replace(tzinfo=UTC)
    older = [p for p in recent if p.trigger.t >= since], [d for d in decided if d.t >= since]
    return older[0][::-1], older[1][::-1]


async def _messages(tx: Transaction, follow_up_ids: Collection[str]) -> dict[str, list[DeliveryRow]]:
    found: dict[str, list[DeliveryRow]] = {}
    table = deliveries.c
    where = (tx.in_workspace(deliveries), in_set(tx, table.follow_up_id, follow_up_ids))
    for row in await tx.execute(select(deliveries).where(*where).order_by(table.follow_up_id, table.channel)):
        reason = None if row.reason is None else Reason(row.reason)
        message = DeliveryRow(row.channel, DeliveryState(row.state), reason, row.fault, row.claimed_at, row.decided_at)
        found.setdefault(row.follow_up_id, []).append(message)
    return found


async def _receipts(tx: Transaction, user_key: str) -> dict[tuple[str, str], datetime]:
    table = receipts.c
    statement = select(receipts).where(tx.in_workspace(receipts), table.user_key == user_key)
    return {(row.campaign, row.key): row.received_at for row in await tx.execute(statement)}


async def _sends(tx: Transaction, user_key: str, messages: Mapping[str, Sequence[DeliveryRow]]) -> list[PastSend]:
    """What went out as far back as a cap could look, before the earliest of these messages that was capped."""
    capped = [
        message.decided_at
        for of_one in messages.values()
        for message in of_one
        if message.reason is Reason.FREQUENCY_CAPPED and message.decided_at is not None
    ]
    table = deliveries.c
    statement = select(table.follow_up_id, table.channel, table.claimed_at).where(
        tx.in_workspace(deliveries),
        table.user_key == user_key,
        table.claimed_at > min(capped, default=_NEVER) - MAX_CAP_LOOKBACK,
        table.state.in_(OUT),
    )
    return [PastSend(*row) for row in await tx.execute(statement)]


async def _items(tx: Transaction, user_key: str, wanted: Collection[str]) -> dict[str, LogEntry]:
    """What these ids are about, and the newest of all."""
    table = interactions.c
    theirs = select(interactions).where(tx.in_workspace(interactions), table.user_key == user_key)
    found: dict[str, LogEntry] = {}
    for statement in (
        theirs.where(in_set(tx, table.id, wanted)),
        theirs.order_by(table.t.desc(), table.seq.desc()).limit(MOST_ITEMS),
    ):
        found |= {row["id"]: logged_from(row) for row in (await tx.execute(statement)).mappings()}
    return dict(sorted(found.items(), key=lambda one: (one[1].t, one[1].seq)))


async def _campaigns(tx: Transaction, user_key: str) -> frozenset[str]:
    parts = [
        select(table.c.campaign).where(tx.in_workspace(table), table.c.user_key == user_key)
        for table in (follow_ups, decisions)
    ]
    return frozenset((await tx.execute(union(*parts))).scalars())


def _of(table: Table, workspace: str, user_key: str, campaign: str | None) -> Select[Any]:
    statement = select(table).where(table.c.workspace == workspace, table.c.user_key == user_key)
    return statement if campaign is None else statement.where(table.c.campaign == campaign)
