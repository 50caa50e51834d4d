"""Follow-ups and refusals: loaded, locked and written in a fixed number of statements per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, func, or_, select, update

from connector.metrics import LOCK_WAITS
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import NOTED, OPEN_STATES, Reason, State
from connector.rules.sending import launching
from connector.rules.triggering.changes import LateException, Refusal
from connector.store.engine.bulk import as_table, in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_begun, count_ended, count_refused
from connector.store.tables import decisions, follow_ups, users
from connector.store.users.log import item_columns, item_from_columns

_END = ("id", "state", "reason", "exception_id", "exception_at", "decided_at")
"""The columns that the end of a follow-up changes; its attributes have the same names."""

_CHANGED = ("id", "state", "reason", "next_at", "dispatched_at", "decided_at", "channels")
"""The columns that sending and operators change; the attributes have the same names."""

_KEPT_BY_EVALUATION = (State.SENDING, State.SENT, State.CONTROL, State.FAILED)


async def load_follow_ups(tx: Transaction, user_keys: Collection[str], since: datetime) -> dict[str, list[FollowUp]]:
    """Load users' follow-ups that are open or were decided since an instant, by user key, oldest trigger first."""
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
    by_user: dict[str, list[FollowUp]] = {user_key: [] for user_key in user_keys}
    rows = await tx.execute(statement)
    names = list(rows.keys())
    for row in rows:
        # There is a batch of rows, and a dict is quicker than SQLAlchemy's mapping.
        follow_up = follow_up_from_row(dict(zip(names, row, strict=True)))
        by_user[follow_up.user_key].append(follow_up)
    return by_user


async def load_follow_up(tx: Transaction, follow_up_id: str) -> FollowUp | None:
    """Load one follow-up by its id."""
    return (await load_follow_ups_by_id(tx, [follow_up_id])).get(follow_up_id)


async def load_follow_ups_by_id(tx: Transaction, ids: Collection[str]) -> dict[str, FollowUp]:
    """Load the follow-ups with these ids, by id; missing ones are left out."""
    statement = select(follow_ups).where(tx.in_workspace(follow_ups), in_set(tx, follow_ups.c.id, ids))
    return {row["id"]: follow_up_from_row(row) for row in (await tx.execute(statement)).mappings()}


async def load_locked(tx: Transaction, ids: Collection[str]) -> dict[str, FollowUp]:
    """Lock the users of follow-ups until the transaction ends, then load the follow-ups that exist (guarantee 3).

    The rows are locked in sorted order, so that no two transactions wait for each other. While a lock was awaited, the
    user may have become part of another (`link_ids`); that user is locked then.
    """
    if tx.dialect != "postgresql":  # on SQLite the transaction excludes every other writer
        return await load_follow_ups_by_id(tx, ids)
    table = follow_ups.c
    owners = select(table.user_key).where(tx.in_workspace(follow_ups), in_set(tx, table.id, ids))
    where = (tx.in_workspace(users), users.c.user_key.in_(owners))
    lock = select(users.c.user_key).where(*where).order_by(users.c.user_key).with_for_update()
    while True:
        with LOCK_WAITS.labels("users").time():
            locked = set((await tx.execute(lock)).scalars())
        loaded = await load_follow_ups_by_id(tx, ids)
        if locked.issuperset(follow_up.user_key for follow_up in loaded.values()):
            return loaded


async def count_generations(
    tx: Transaction, user_keys: Collection[str], trigger_ids: Collection[str]
) -> dict[tuple[str, str, str, str], int]:
    """Count how many follow-ups each trigger has begun already, by (campaign, user key, key, trigger id)."""
    table = follow_ups.c
    statement = select(table.campaign, table.user_key, table.key, table.trigger_id).where(
        tx.in_workspace(follow_ups), in_set(tx, table.user_key, user_keys), in_set(tx, table.trigger_id, trigger_ids)
    )
    return dict(Counter((row.campaign, row.user_key, row.key, row.trigger_id) for row in await tx.execute(statement)))


async def insert_follow_ups(
    tx: Transaction, begun: Sequence[FollowUp], now: datetime, *, by_launch: bool = False
) -> None:
    """Insert new follow-ups; those that have ended already need neither a workflow nor a signal.

    Args:
        by_launch: they belong to a launch, whose workflow sends them, so that the outbox has nothing to do for them.
    """
    shared = {"workspace": tx.workspace, "created_at": now}
    if by_launch:
        shared |= {"started_at": now, "signalled_at": now}
    if all(follow_up.state is State.WAITING for follow_up in begun):
        shared |= {"state": State.WAITING.value, "ended_outside": False}
        rows = [_row(follow_up) for follow_up in begun]
    else:
        rows = [_row(follow_up) | _end_columns(follow_up) for follow_up in begun]
    if rows:
        await tx.execute(insert_rows(tx, follow_ups, rows, shared=shared))
        count_begun(tx, (follow_up.campaign for follow_up in begun))
        count_ended(tx, begun)


async def update_follow_ups(tx: Transaction, changed: Collection[FollowUp]) -> None:
    """Give follow-ups that were loaded under their users' locks their new state, times and channels."""
    if not changed:
        return
    rows = [{name: getattr(follow_up, name) for name in _CHANGED} for follow_up in changed]
    new, table = as_table(tx, {name: follow_ups.c[name].type for name in _CHANGED}, rows).c, follow_ups.c
    values = {name: new[name] for name in _CHANGED if name != "id"}
    await tx.execute(update(follow_ups).where(tx.in_workspace(follow_ups), table.id == new.id).values(values))


async def move_follow_ups(tx: Transaction, moved: Collection[FollowUp], now: datetime) -> None:
    """Move the waits of follow-ups whose users are locked; the outbox signals their workflows."""
    if not moved:
        return
    rows = [{"id": one.id, "state": one.state.value, "next_at": one.next_at} for one in moved]
    new, table = as_table(tx, {name: follow_ups.c[name].type for name in rows[0]}, rows).c, follow_ups.c
    values = {"state": new.state, "next_at": new.next_at, "moved_to": new.next_at, "moved_at": now}
    await tx.execute(update(follow_ups).where(tx.in_workspace(follow_ups), table.id == new.id).values(values))


async def end_follow_ups(tx: Transaction, ended: Sequence[FollowUp], *, workflow_closed: bool = False) -> None:
    """Give stored follow-ups their new end, from outside their workflows, which the outbox then signals.

    Those that are going out, or went out, stay as they are; of one that was partly sent the channels end that are still
    to come (X1).

    Args:
        workflow_closed: their workflows are closed: there is nothing to signal, and what was going out ends too. They
            are open and locked, and are counted here; the callers count all others, of which some had ended before.
    """
    if not ended:
        return
    table = follow_ups.c
    ends = [{name: getattr(follow_up, name) for name in _END} for follow_up in ended]
    end = as_table(tx, {name: table[name].type for name in _END}, ends).c
    values: dict[str, Any] = {name: end[name] for name in _END if name != "id"}
    statement = update(follow_ups).where(tx.in_workspace(follow_ups), table.id == end.id)
    if workflow_closed:
        statement = statement.where(table.state.in_(OPEN_STATES)).values(values)
        count_ended(tx, ended)
    else:
        partly = [follow_up.id for follow_up in ended if follow_up.rest is not None]
        is_changeable = and_(*(table.state != state.value for state in _KEPT_BY_EVALUATION))
        if partly:
            is_changeable = or_(is_changeable, and_(in_set(tx, table.id, partly), table.state.in_(OPEN_STATES)))
        statement = statement.where(is_changeable).values(values | {"ended_outside": True})
    await tx.execute(statement)


async def insert_decisions(
    tx: Transaction, decided: Sequence[tuple[str, Refusal | LateException]], now: datetime
) -> None:
    """Record refusals and late exceptions, each with the key of its user (guarantee 7)."""
    rows = [_decision(user_key, change) for user_key, change in decided]
    if rows:
        shared = {"workspace": tx.workspace, "decided_at": now}
        await tx.execute(insert_rows(tx, decisions, rows, shared=shared))
        count_refused(tx, (Reason(row["reason"]) for row in rows))


def is_launched() -> ColumnElement[bool]:
    """Return the condition that a launch began the follow-up, as `launching.is_launched` decides it."""
    trigger = follow_ups.c.trigger
    return and_(trigger["topic"].as_string() == launching.NAME, func.coalesce(trigger["seq"].as_integer(), 0) == 0)


def follow_up_from_row(row: RowMapping | Mapping[str, Any]) -> FollowUp:
    """Return a stored row as the rules see it."""
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
            item=item_from_columns(row["trigger"], row["triggered_at"]),
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
        moved_to=row["moved_to"],
        resends=row["resends"],
    )


def _row(follow_up: FollowUp) -> dict[str, Any]:
    return {
        "id": follow_up.id,
        "campaign": follow_up.campaign,
        "revision": follow_up.revision,
        "window_id": follow_up.window_id,
        "user_key": follow_up.user_key,
        "key": follow_up.key,
        "trigger_id": follow_up.trigger.id,
        "trigger": {**item_columns(follow_up.trigger.item), "seq": follow_up.trigger.seq},
        "triggered_at": follow_up.trigger.t,
        "due_at": follow_up.due_at,
        "next_at": follow_up.next_at,
        "channels": list(follow_up.channels),
    }


def _end_columns(follow_up: FollowUp) -> dict[str, Any]:
    """Return the columns that a follow-up's end sets; if it still waits, only the state is set."""
    return {
        "state": follow_up.state.value,
        "reason": follow_up.reason,
        "exception_id": follow_up.exception_id,
        "exception_at": follow_up.exception_at,
        "decided_at": follow_up.decided_at,
        "ended_outside": not follow_up.is_open,
    }


def _decision(user_key: str, change: Refusal | LateException) -> dict[str, Any]:
    is_refusal = isinstance(change, Refusal)
    subject = change if isinstance(change, Refusal) else change.follow_up
    return {
        "campaign": subject.campaign,
        "user_key": user_key,
        "key": subject.key,
        "interaction_id": change.logged.id,
        "t": change.logged.t,
        "state": State.REFUSED.value if is_refusal else NOTED,
        "reason": change.reason.value if isinstance(change, Refusal) else Reason.LATE_EXCEPTION.value,
    }
