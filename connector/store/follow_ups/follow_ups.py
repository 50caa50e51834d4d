"""The rows of follow-ups, receipts and refusals: read and written in statements per batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.rules.triggering.changes import LateException, Refusal
from connector.store.engine.bulk import as_table, in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import assignments, decisions, follow_ups, receipts, users
from connector.store.users.log import facts_of, item_from

Receipts = dict[tuple[str, str, str], datetime]
"""The last receipt by (campaign, user key, key)."""

_END = ("id", "state", "reason", "exception_id", "exception_at", "decided_at")
"""What an end gives a row, by names that columns and follow-ups share."""


async def load_follow_ups(tx: Transaction, user_keys: Collection[str], since: datetime) -> dict[str, list[FollowUp]]:
    """These users' follow-ups that are open or were decided since an instant, by user key, oldest trigger first."""
    table = follow_ups.c
    statement = (
        select(follow_ups)
        .where(
            tx.in_workspace(follow_ups),
            in_set(tx, table.user_key, user_keys),
            or_(table.state.in_(OPEN_STATES), table.decided_at >= since),
        )
        .order_by(table.triggered_at, table.created_at)
    )
    found: dict[str, list[FollowUp]] = {user_key: [] for user_key in user_keys}
    rows = await tx.execute(statement)
    names = list(rows.keys())
    for row in rows:
        follow_up = follow_up_from_row(
            dict(zip(names, row, strict=True))
        )  # a batch's worth: a dict is quicker than a mapping
        found[follow_up.user_key].append(follow_up)
    return found


async def lock_user_of(tx: Transaction, follow_up_id: str) -> None:
    """Hold the row of a follow-up's user until the transaction ends (guarantee 3)."""
    if tx.dialect == "postgresql":  # on SQLite the transaction excludes every other writer
        table = follow_ups.c
        owner = select(table.user_key).where(tx.in_workspace(follow_ups), table.id == follow_up_id).scalar_subquery()
        where = (tx.in_workspace(users), users.c.user_key == owner)
        await tx.execute(select(users.c.user_key).where(*where).with_for_update())


async def load_follow_up(tx: Transaction, follow_up_id: str) -> FollowUp | None:
    """One follow-up by its id."""
    table = follow_ups.c
    statement = select(follow_ups).where(tx.in_workspace(follow_ups), table.id == follow_up_id)
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else follow_up_from_row(row)


async def count_generations(
    tx: Transaction, user_keys: Collection[str], trigger_ids: Collection[str]
) -> dict[tuple[str, str, str, str], int]:
    """How many follow-ups each trigger has begun already, by (campaign, user key, key, trigger id)."""
    table = follow_ups.c
    statement = select(table.campaign, table.user_key, table.key, table.trigger_id).where(
        tx.in_workspace(follow_ups), in_set(tx, table.user_key, user_keys), in_set(tx, table.trigger_id, trigger_ids)
    )
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in await tx.execute(statement):
        counts[tuple(row)] = counts.get(tuple(row), 0) + 1
    return counts


async def insert_follow_ups(
    tx: Transaction, begun: Sequence[FollowUp], now: datetime, *, by_launch: bool = False
) -> None:
    """Store new follow-ups; those that ended before they were stored need neither a workflow nor a signal.

    Args:
        by_launch: they belong to a launch, whose workflow sends them: the outbox has nothing to do for them.
    """
    handled = {"started_at": now, "signalled_at": now} if by_launch else {}
    if begun:
        await tx.execute(insert_rows(tx, follow_ups, [_row(tx.workspace, p, now) | handled for p in begun]))


async def end_follow_ups(tx: Transaction, ended: Sequence[FollowUp]) -> None:
    """Give stored follow-ups their new end, from outside their workflows; rows that are going out stay."""
    if not ended:
        return
    ends = [{name: getattr(follow_up, name) for name in _END} for follow_up in ended]
    told, table = as_table(tx, {name: follow_ups.c[name].type for name in _END}, ends).c, follow_ups.c
    await tx.execute(
        update(follow_ups)
        .where(
            tx.in_workspace(follow_ups),
            table.id == told.id,
            *(table.state != state.value for state in (State.SENDING, State.SENT, State.CONTROL, State.FAILED)),
        )
        .values({name: told[name] for name in _END if name != "id"} | {"ended_outside": True})
    )


async def load_receipts(tx: Transaction, user_keys: Collection[str], campaigns: Collection[str]) -> Receipts:
    """When these users last received these campaigns, by key (T1)."""
    if not campaigns:
        return {}
    table = receipts.c
    statement = select(table.campaign, table.user_key, table.key, table.received_at).where(
        tx.in_workspace(receipts), in_set(tx, table.user_key, user_keys), in_set(tx, table.campaign, campaigns)
    )
    return {(row.campaign, row.user_key, row.key): row.received_at for row in await tx.execute(statement)}


async def save_receipt(tx: Transaction, campaign: str, user_key: str, key: str, at: datetime) -> None:
    """Remember a receipt; the newest counts."""
    build = (postgresql if tx.dialect == "postgresql" else sqlite).insert(receipts)
    row = {"workspace": tx.workspace, "campaign": campaign, "user_key": user_key, "key": key, "received_at": at}
    newest = case((receipts.c.received_at > at, receipts.c.received_at), else_=at)
    await tx.execute(
        build.values(row).on_conflict_do_update(index_elements=list(row)[:4], set_={"received_at": newest})
    )


async def load_assignments(tx: Transaction, campaign: str, user_keys: Collection[str]) -> dict[str, Assignment]:
    """Load the assignments that are kept of users in a campaign, by user key (T4)."""
    table = assignments.c
    where = (tx.in_workspace(assignments), table.campaign == campaign, in_set(tx, table.user_key, user_keys))
    rows = await tx.execute(select(table.user_key, table.control, table.variant).where(*where))
    return {row.user_key: Assignment(row.control, row.variant) for row in rows}


async def insert_assignments(tx: Transaction, first: Sequence[KeepAssignment]) -> None:
    """Store the first assignments of users whose rows are locked."""
    rows = [
        {
            "workspace": tx.workspace,
            "campaign": kept.campaign,
            "user_key": kept.user_key,
            "control": kept.assignment.control,
            "variant": kept.assignment.variant,
        }
        for kept in first
    ]
    if rows:
        await tx.execute(insert_rows(tx, assignments, rows))


async def write_decisions(
    tx: Transaction,
    made: Sequence[tuple[str, Refusal | LateException]],
    now: datetime,
) -> None:
    """Record refusals and late exceptions, each with the user key it is about (guarantee 7)."""
    if made:
        await tx.execute(
            insert_rows(tx, decisions, [_decision(tx.workspace, key, change, now) for key, change in made])
        )


def follow_up_from_row(row: RowMapping | Mapping[str, Any]) -> FollowUp:
    """A stored row as the rules see it."""
    return FollowUp(
        id=row["id"],
        campaign=row["campaign"],
        revision=row["revision"],
        window_id=row["window_id"],
        user_key=row["user_key"],
        key=row["key"],
        trigger=LogEntry(
            id=row["trigger_id"],
            seq=row["trigger"].get("seq", 0),
            t=row["triggered_at"],
            received_at=row["created_at"],
            item=item_from(row["trigger"], row["triggered_at"]),
        ),
        due_at=row["due_at"],
        next_at=row["next_at"],
        state=State(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        channels=tuple(row["channels"]),
        exception_id=row["exception_id"],
        exception_at=row["exception_at"],
        dispatched_at=row["dispatched_at"],
        decided_at=row["decided_at"],
    )


def _row(workspace: str, follow_up: FollowUp, now: datetime) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "id": follow_up.id,
        "campaign": follow_up.campaign,
        "revision": follow_up.revision,
        "window_id": follow_up.window_id,
        "user_key": follow_up.user_key,
        "key": follow_up.key,
        "trigger_id": follow_up.trigger.id,
        "trigger": {**facts_of(follow_up.trigger.item), "seq": follow_up.trigger.seq},
        "triggered_at": follow_up.trigger.t,
        "due_at": follow_up.due_at,
        "next_at": follow_up.next_at,
        "channels": list(follow_up.channels),
        "state": follow_up.state.value,
        "reason": follow_up.reason,
        "exception_id": follow_up.exception_id,
        "exception_at": follow_up.exception_at,
        "decided_at": follow_up.decided_at,
        "created_at": now,
        "ended_outside": not follow_up.is_open,
    }


def _decision(workspace: str, user_key: str, change: Refusal | LateException, now: datetime) -> dict[str, Any]:
    refused = isinstance(change, Refusal)
    about = change if isinstance(change, Refusal) else change.follow_up
    return {
        "workspace": workspace,
        "campaign": about.campaign,
        "user_key": user_key,
        "key": about.key,
        "interaction_id": change.logged.id,
        "t": change.logged.t,
        "state": State.REFUSED.value if refused else "noted",
        "reason": change.reason.value if isinstance(change, Refusal) else Reason.LATE_EXCEPTION.value,
        "decided_at": now,
    }
