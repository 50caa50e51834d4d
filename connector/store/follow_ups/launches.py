"""Launches: how far each has come, and the follow-ups that it sends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, case, exists, func, literal, or_, select, update

from connector.rules.sending.rates import RateWindow
from connector.store.engine.bulk import in_set, unindexed
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.selection import is_open
from connector.store.tables import Instant, deliveries, follow_ups, launches, users

_FIELDS = ("launch_id", "campaign", "published_at", "kept_up_at", "begun_at", "cursor", "paged_at", "ended_at")


@dataclass(frozen=True)
class LaunchRow:
    """The progress of a launch. Instants are UTC.

    `begun_at` is when its audience began to be gathered, by the database's clock: users created since are not in it.
    `cursor` is the last user who was evaluated; `paged_at` is when all had been. `kept_up_at` is when the launch was
    last at work: until then, a wait for one's turn does not count as late (D4).
    """

    launch_id: str
    campaign: str
    published_at: datetime
    kept_up_at: datetime
    begun_at: datetime | None
    cursor: str | None
    paged_at: datetime | None
    ended_at: datetime | None
    minute: RateWindow


@dataclass(frozen=True)
class DueRow:
    """One user's follow-up of a launch that is due."""

    user_key: str
    id: str
    channels: tuple[str, ...]


async def load_launch(tx: Transaction, launch_id: str, *, for_update: bool = False) -> LaunchRow | None:
    """Load a launch; with `for_update` it is locked until the transaction ends, so that two attempts take turns."""
    statement = select(launches).where(tx.in_workspace(launches), launches.c.launch_id == launch_id)
    row = (await tx.execute(statement.with_for_update() if for_update else statement)).mappings().one_or_none()
    return None if row is None else _launch(row)


async def find_launches(tx: Transaction, campaigns: Collection[str]) -> dict[str, LaunchRow]:
    """Return the launches of these campaigns, by campaign."""
    statement = select(launches).where(tx.in_workspace(launches), in_set(tx, launches.c.campaign, campaigns))
    return {row["campaign"]: _launch(row) for row in (await tx.execute(statement)).mappings()}


async def update_launch(tx: Transaction, launch_id: str, **values: Any) -> None:
    """Give a launch's columns these values."""
    where = (tx.in_workspace(launches), launches.c.launch_id == launch_id)
    await tx.execute(update(launches).where(*where).values(**values))


async def end_launch(tx: Transaction, launch_id: str, at: datetime) -> None:
    """End a launch (at, UTC): no worker continues it, and no order resumes it."""
    where = (tx.in_workspace(launches), launches.c.launch_id == launch_id, launches.c.ended_at.is_(None))
    await tx.execute(update(launches).where(*where).values(ended_at=at))


async def find_unfinished(tx: Transaction) -> Sequence[LaunchRow]:
    """Return launches whose workflows were started and that have not ended, or ended with follow-ups left open."""
    has_open = exists().where(
        follow_ups.c.workspace == launches.c.workspace,
        follow_ups.c.campaign == launches.c.campaign,
        follow_ups.c.trigger_id == launches.c.launch_id,
        is_open(),
    )
    statement = (
        select(launches)
        .where(tx.in_workspace(launches), launches.c.started_at.is_not(None))
        .where(or_(launches.c.ended_at.is_(None), has_open))
        .order_by(launches.c.published_at)
    )
    return [_launch(row) for row in (await tx.execute(statement)).mappings()]


async def load_next_users(tx: Transaction, launch: LaunchRow, limit: int) -> list[str]:
    """Return the surrogate keys of the next users whom the launch has not evaluated."""
    table = users.c
    statement = (
        select(table.user_key)
        .where(tx.in_workspace(users), table.user_key > (launch.cursor or ""))
        .where(table.created_at <= launch.begun_at)
        .order_by(table.user_key)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


async def find_waiting_users(tx: Transaction, campaign: str, user_keys: Collection[str]) -> set[str]:
    """Return those of the users who have an open follow-up of the campaign already."""
    table = follow_ups.c
    where = (tx.in_workspace(follow_ups), table.campaign == campaign, is_open(), in_set(tx, table.user_key, user_keys))
    return set((await tx.execute(select(table.user_key).where(*where))).scalars())


async def load_due_rows(
    tx: Transaction, launch: LaunchRow, after: str, now: datetime | None, limit: int
) -> list[DueRow]:
    """Return the launch's next follow-ups after a user key that are due at `now` (UTC; None: all that are open)."""
    table = follow_ups.c
    statement = (
        select(table.user_key, table.id, table.channels)
        .where(*is_open_row(tx, launch), table.user_key > after)
        .order_by(table.user_key)
        .limit(limit)
    )
    if now is not None:
        statement = statement.where(table.next_at <= now)
    return [DueRow(row.user_key, row.id, tuple(row.channels)) for row in await tx.execute(statement)]


async def load_overdue_rows(tx: Transaction, launch: LaunchRow, before: datetime, limit: int) -> list[DueRow]:
    """Return follow-ups of a launch that have waited since before an instant (UTC). The wait for their turn does not
    count, unless a provider deferred them."""
    table = follow_ups.c
    statement = (
        select(table.user_key, table.id, table.channels)
        .where(*is_open_row(tx, launch), waits_since(tx, launch) < before)
        .order_by(table.user_key)
        .limit(limit)
    )
    return [DueRow(row.user_key, row.id, tuple(row.channels)) for row in await tx.execute(statement)]


def waits_since(tx: Transaction, launch: LaunchRow) -> ColumnElement[datetime]:
    """Return the instant from which on the wait of a launch's follow-up counts (D4), as `restart_waits` makes it."""
    is_behind = and_(follow_ups.c.next_at < launch.kept_up_at, ~_was_tried(tx))
    return case((is_behind, literal(launch.kept_up_at, Instant)), else_=follow_ups.c.next_at)


async def restart_waits(tx: Transaction, ids: Collection[str], kept_up_at: datetime) -> None:
    """Let follow-ups wait from `kept_up_at` on, so that they do not become stale by waiting for their turn (D4).

    A follow-up that a provider deferred has had its turn.
    """
    table = follow_ups.c
    await tx.execute(
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), in_set(tx, table.id, ids), is_open())
        .where(unindexed(tx, table.next_at) < kept_up_at, ~_was_tried(tx))
        .values(next_at=kept_up_at)
    )


async def find_earliest_wait(tx: Transaction, launch: LaunchRow) -> datetime | None:
    """Return the first instant (UTC) that an open follow-up of the launch waits for; None if none is open."""
    statement = select(func.min(follow_ups.c.next_at)).where(*is_open_row(tx, launch))
    find_earliest_wait: datetime | None = (await tx.execute(statement)).scalar_one()
    return find_earliest_wait


async def count_states(tx: Transaction, campaign: str) -> dict[str, int]:
    """Count the users of a launched campaign by the state of their follow-up."""
    table = follow_ups.c
    where = (tx.in_workspace(follow_ups), table.campaign == campaign)
    rows = await tx.execute(select(table.state, func.count()).where(*where).group_by(table.state))
    return {state: count for state, count in sorted(tuple(row) for row in rows)}


def _launch(row: RowMapping) -> LaunchRow:
    return LaunchRow(**{name: row[name] for name in _FIELDS}, minute=RateWindow(row["minute_at"], row["minute_count"]))


def _was_tried(tx: Transaction) -> ColumnElement[bool]:
    return exists().where(tx.in_workspace(deliveries), deliveries.c.follow_up_id == follow_ups.c.id)


def is_open_row(tx: Transaction, launch: LaunchRow) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for the follow-ups of a launch that have not ended."""
    table = follow_ups.c
    return (
        tx.in_workspace(follow_ups),
        table.campaign == launch.campaign,
        table.trigger_id == launch.launch_id,
        is_open(),
    )
