"""What operators do to rows: their waits moved or ended, and those ended whose workflows were closed by hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState
from connector.rules.sending.operating import cut_short
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.tables import deliveries, follow_ups, receipts
from connector.store.users.users import lock_users

_CALLABLE_OFF = (State.WAITING.value, State.HELD.value)


async def find_open(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Those of these follow-ups that have not ended, with their users' keys."""
    table = follow_ups.c
    statement = select(table.id, table.user_key).where(*_open(tx, ids))
    return {row.id: row.user_key for row in await tx.execute(statement)}


async def end_closed(
    tx: Transaction, ids: Collection[str], *, claimed_before: datetime, now: datetime
) -> list[FollowUp]:
    """End those of these follow-ups that are still open, for their workflows are closed; returns how they ended.

    The users are locked first, in sorted order (guarantee 3). Statements do not grow with their number.

    Args:
        claimed_before: whoever claimed a message later than this (UTC) may still be sending it: that one is left as it
            is, for a later look.
    """
    await lock_users(tx, set((await find_open(tx, ids)).values()))
    rows = (await tx.execute(select(follow_ups).where(*_open(tx, ids)))).mappings()
    closed = [follow_up_from_row(row) for row in rows]
    messages = await _messages(tx, [follow_up.id for follow_up in closed])
    left = {name for name, found in messages.items() if any(_in_progress(message, claimed_before) for message in found)}
    ended = [cut_short(p, messages.get(p.id, ()), now) for p in closed if p.id not in left]
    lost = [(p, m) for p in ended for m in messages.get(p.id, ()) if m.state is DeliveryState.CLAIMED]
    await _give_up(tx, lost, now)
    await _end(tx, ended)
    return ended


def _in_progress(message: Delivery, claimed_before: datetime) -> bool:
    claimed_at = message.claimed_at if message.state is DeliveryState.CLAIMED else None
    return claimed_at is not None and claimed_at >= claimed_before


def _open(tx: Transaction, ids: Collection[str]) -> tuple[Any, ...]:
    table = follow_ups.c
    return tx.in_workspace(follow_ups), in_set(tx, table.id, ids), table.state.in_(OPEN_STATES)


async def _messages(tx: Transaction, ids: Collection[str]) -> dict[str, list[Delivery]]:
    table = deliveries.c
    found: dict[str, list[Delivery]] = {}
    statement = select(deliveries).where(tx.in_workspace(deliveries), in_set(tx, table.follow_up_id, ids))
    for row in await tx.execute(statement):
        reason = None if row.reason is None else Reason(row.reason)
        message = Delivery(row.id, row.channel, DeliveryState(row.state), reason, row.claimed_at)
        found.setdefault(row.follow_up_id, []).append(message)
    return found


async def _give_up(tx: Transaction, lost: Sequence[tuple[FollowUp, Delivery]], now: datetime) -> None:
    """Claims without an outcome: `send_unknown`, and they count as received (guarantee 4)."""
    if not lost:
        return
    unknown = {"state": DeliveryState.UNKNOWN.value, "reason": Reason.SEND_UNKNOWN.value}
    where = (tx.in_workspace(deliveries), in_set(tx, deliveries.c.id, [message.id for _, message in lost]))
    values = {**unknown, "decided_at": now, "fault": "workflow_closed"}
    await tx.execute(update(deliveries).where(*where).values(values))
    build = (postgresql if tx.dialect == "postgresql" else sqlite).insert(receipts)
    told = build.excluded.received_at
    newest = case((receipts.c.received_at > told, receipts.c.received_at), else_=told)
    key = ["workspace", "campaign", "user_key", "key"]
    rows = [
        {
            "workspace": tx.workspace,
            "campaign": follow_up.campaign,
            "user_key": follow_up.user_key,
            "key": follow_up.key,
            "received_at": message.claimed_at or now,
        }
        for follow_up, message in lost
    ]
    await tx.execute(build.on_conflict_do_update(index_elements=key, set_={"received_at": newest}), rows)


async def _end(tx: Transaction, ended: Sequence[FollowUp]) -> None:
    if not ended:
        return
    table = follow_ups.c
    still_open = or_(*(table.state == state.value for state in OPEN_STATES))  # an executemany expands no lists
    statement = (
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), table.id == bindparam("row_id"), still_open)
        .values(state=bindparam("to_state"), reason=bindparam("to_reason"), decided_at=bindparam("at"))
    )
    rows = [{"row_id": p.id, "to_state": p.state.value, "to_reason": p.reason, "at": p.decided_at} for p in ended]
    await tx.execute(statement, rows)
