"""End follow-ups from outside their workflows: their campaign was stopped, or their workflow was closed by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, exists, select, update

from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState, newest_by_channel
from connector.rules.sending.effects import end_rest
from connector.rules.sending.operating import cut_short
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended, count_ends
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, load_rests, write_deliveries
from connector.store.follow_ups.follow_ups import end_follow_ups, follow_up_from_row
from connector.store.follow_ups.receipts import ReceiptKey, receipt_key, save_receipts
from connector.store.tables import deliveries, entries, follow_ups, launches, publications
from connector.store.users.users import lock_users

_CANCELLABLE = (State.WAITING.value, State.HELD.value)


async def find_stopped(
    tx: Transaction, campaigns: Collection[str], limit: int, *, partly_sent_after: str | None = None
) -> dict[str, str]:
    """Return at most `limit` follow-ups that wait in closed windows, with the keys of their users (P9).

    Follow-ups of a launch are included only if its campaign is archived: a stop pauses the launch.

    Args:
        campaigns: the campaigns whose windows; empty: all of the workspace, which reads every follow-up that waits.
        partly_sent_after: return the open ones of which a message was claimed instead, by their ids, from the one after
            this id on; messages that are being sent stay.
    """
    is_paused = exists().where(
        launches.c.workspace == follow_ups.c.workspace,
        launches.c.launch_id == follow_ups.c.trigger_id,
        entries.c.workspace == launches.c.workspace,
        entries.c.id == launches.c.campaign,
        entries.c.state != "archived",
    )
    statement = (
        select(follow_ups.c.id, follow_ups.c.user_key)
        .join(publications, publications.c.window_id == follow_ups.c.window_id)
        .where(tx.in_workspace(follow_ups), publications.c.closed_at.is_not(None), ~is_paused)
        .limit(limit)
    )
    if partly_sent_after is None:
        statement = statement.where(*_is_waiting())
    else:
        statement = statement.where(*_is_partly_sent(), follow_ups.c.id > partly_sent_after).order_by(follow_ups.c.id)
    if campaigns:
        statement = statement.where(in_set(tx, follow_ups.c.campaign, campaigns))
    return {row.id: row.user_key for row in await tx.execute(statement)}


async def end_stopped(tx: Transaction, stopped: Mapping[str, str]) -> int:
    """End those of these follow-ups that still wait, as of the instant at which their window closed; return how many.

    The users are locked first, in sorted order, as ingesting and sending lock them (guarantee 3).

    Args:
        stopped: found by `find_stopped` before this transaction. A closed window is never opened again.
    """
    await lock_users(tx, set(stopped.values()))
    ended = await tx.execute(
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), in_set(tx, follow_ups.c.id, stopped), *_is_waiting())
        .values(
            state=State.DROPPED.value,
            reason=Reason.STOPPED.value,
            decided_at=_closed_at(),
            ended_outside=True,
        )
        .returning(follow_ups.c.campaign)
    )
    campaigns = ended.scalars().all()
    count_ends(tx, ((campaign, State.DROPPED, Reason.STOPPED) for campaign in campaigns))
    return len(campaigns)


async def end_partly_sent(tx: Transaction, stopped: Mapping[str, str]) -> int:
    """End the remaining channels of those of these follow-ups that were partly sent, as `end_stopped` does (X1, P9)."""
    await lock_users(tx, set(stopped.values()))
    table = follow_ups.c
    statement = select(follow_ups, _closed_at().label("closed_at"))
    where = (tx.in_workspace(follow_ups), in_set(tx, table.id, stopped), *_is_partly_sent())
    rows = {row["id"]: row for row in (await tx.execute(statement.where(*where))).mappings()}
    loaded = await load_rests(tx, [follow_up_from_row(row) for row in rows.values()])
    ended = [
        drop(follow_up, Reason.STOPPED, closed_at, closed_at)
        for follow_up in loaded
        if follow_up.can_be_ended and (closed_at := rows[follow_up.id]["closed_at"]) is not None
    ]
    await write_deliveries(tx, [write for one in ended for write in end_rest(one, one.exception_at or tx.now)])
    await end_follow_ups(tx, ended)
    count_ended(tx, ended)
    return len(ended)


async def end_partly_sent_of(tx: Transaction, user_key: str, reason: Reason, now: datetime) -> None:
    """End the remaining channels of a locked user's follow-ups that were partly sent (X1)."""
    where = (tx.in_workspace(follow_ups), follow_ups.c.user_key == user_key, *_is_partly_sent())
    rows = (await tx.execute(select(follow_ups).where(*where))).mappings()
    loaded = await load_rests(tx, [follow_up_from_row(row) for row in rows])
    ended = [drop(follow_up, reason, now, now) for follow_up in loaded if follow_up.can_be_ended]
    await write_deliveries(tx, [write for one in ended for write in end_rest(one, now)])
    await end_follow_ups(tx, ended)
    count_ended(tx, ended)


def _is_waiting() -> tuple[ColumnElement[bool], ...]:
    return follow_ups.c.state.in_(_CANCELLABLE), follow_ups.c.dispatched_at.is_(None)


def _is_partly_sent() -> tuple[ColumnElement[bool], ...]:
    return follow_ups.c.state.in_(OPEN_STATES), follow_ups.c.dispatched_at.is_not(None)


def _closed_at() -> ScalarSelect[datetime | None]:
    closed_at = select(publications.c.closed_at).where(publications.c.window_id == follow_ups.c.window_id)
    return closed_at.scalar_subquery()


async def find_open(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Return those of these follow-ups that have not ended, with the keys of their users."""
    statement = select(follow_ups.c.id, follow_ups.c.user_key).where(*_is_open(tx, ids))
    return {row.id: row.user_key for row in await tx.execute(statement)}


async def find_open_resends(tx: Transaction, ids: Collection[str]) -> dict[str, int]:
    """Return those of these follow-ups that have not ended, with the number of the resend that they wait for."""
    statement = select(follow_ups.c.id, follow_ups.c.resends).where(*_is_open(tx, ids))
    return {row.id: row.resends for row in await tx.execute(statement)}


async def end_closed(
    tx: Transaction, ids: Collection[str], *, claimed_before: datetime, now: datetime
) -> list[FollowUp]:
    """End those of these follow-ups that are still open, because their workflows are closed; return them as they ended.

    A claim without a result becomes `send_unknown` and counts as received (guarantee 4). The users are locked first, in
    sorted order (guarantee 3). The number of statements does not grow with the follow-ups.

    Args:
        claimed_before: a message claimed later than this (UTC) may still be being sent: its follow-up is left as it is,
            for a later call.
    """
    await lock_users(tx, set((await find_open(tx, ids)).values()))
    rows = (await tx.execute(select(follow_ups).where(*_is_open(tx, ids)))).mappings()
    still_open = [follow_up_from_row(row) for row in rows]
    by_follow_up = await load_deliveries_by_follow_up(tx, [follow_up.id for follow_up in still_open])
    ended: list[FollowUp] = []
    claims: list[DeliveryRecord] = []
    received: dict[ReceiptKey, datetime] = {}
    for follow_up in still_open:
        records = list(newest_by_channel(by_follow_up.get(follow_up.id, ())).values())
        claimed = [record for record in records if record.state is DeliveryState.CLAIMED]
        if any(record.claimed_at is not None and record.claimed_at >= claimed_before for record in claimed):
            continue
        ended.append(cut_short(follow_up, records, now))
        if claimed:
            claims += claimed
            received[receipt_key(follow_up)] = max(record.claimed_at or now for record in claimed)
    await _mark_unknown(tx, claims, now)
    await save_receipts(tx, received)
    await end_follow_ups(tx, ended, workflow_closed=True)
    return ended


def _is_open(tx: Transaction, ids: Collection[str]) -> tuple[Any, ...]:
    table = follow_ups.c
    return tx.in_workspace(follow_ups), in_set(tx, table.id, ids), table.state.in_(OPEN_STATES)


async def _mark_unknown(tx: Transaction, claims: Collection[DeliveryRecord], now: datetime) -> None:
    if not claims:
        return
    values = {
        "state": DeliveryState.UNKNOWN.value,
        "reason": Reason.SEND_UNKNOWN.value,
        "decided_at": now,
        "fault": "workflow_closed",
    }
    where = (tx.in_workspace(deliveries), in_set(tx, deliveries.c.id, [claim.id for claim in claims]))
    await tx.execute(update(deliveries).where(*where).values(values))
