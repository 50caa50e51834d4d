"""Launches: which there are, how far each has come, and the rows that it sends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, exists, func, literal, select, update

from connector.rules.model.reasons import OPEN_STATES, State
from connector.rules.sending.launching import RateWindow
from connector.store.engine.bulk import in_set
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant, deliveries, entries, follow_ups, launches, users

_FIELDS = ("launch_id", "campaign", "published_at", "kept_up_at", "begun_at", "cursor", "paged_at", "ended_at")


@dataclass(frozen=True)
class LaunchRow:
    """How far a launch has come. Instants are UTC.

    `begun_at` is when its audience began to be gathered, by the database's clock: users made since are none of it.
    `cursor` is the last user looked at; `paged_at` is when all had been. `kept_up_at` is when it was last at work, or
    was resumed: whoever waited for their turn until then did not wait too long (D4).
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


async def claim_to_signal_launches(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Launches that have no workflow yet, or one that has not been told of the newest order."""
    table = launches.c
    statement = (
        select(table.launch_id, table.campaign, table.changed_in, table.started_at)
        .where(tx.in_workspace(launches), table.ended_at.is_(None), table.told_in < table.changed_in)
        .order_by(table.published_at)
        .limit(limit)
    )
    return (await tx.execute(statement)).mappings().all()


async def mark_launches_signalled(tx: Transaction, told: Mapping[str, int]) -> None:
    """The workflows of these launches run, and know of the orders up to these versions of the catalogue."""
    now = await database_now(tx)
    for name, version in told.items():
        where = (tx.in_workspace(launches), launches.c.launch_id == name, launches.c.told_in < version)
        started = func.coalesce(launches.c.started_at, literal(now, Instant))
        await tx.execute(update(launches).where(*where).values(told_in=version, started_at=started))


async def load_launch(tx: Transaction, launch: str, *, for_update: bool = False) -> LaunchRow | None:
    """One launch; with `for_update` it is locked until the transaction ends, so that two attempts take turns."""
    statement = select(launches).where(tx.in_workspace(launches), launches.c.launch_id == launch)
    row = (await tx.execute(statement.with_for_update() if for_update else statement)).mappings().one_or_none()
    return None if row is None else launch_from(row)


def launch_from(row: RowMapping) -> LaunchRow:
    """A stored row of a launch."""
    return LaunchRow(**{name: row[name] for name in _FIELDS}, minute=RateWindow(row["minute_at"], row["minute_count"]))


async def change_launch(tx: Transaction, launch: str, **values: Any) -> None:
    """Give a launch's columns these values."""
    where = (tx.in_workspace(launches), launches.c.launch_id == launch)
    await tx.execute(update(launches).where(*where).values(**values))


async def next_users(tx: Transaction, launch: LaunchRow, limit: int) -> list[str]:
    """The surrogate keys of the next users whom the launch has not looked at."""
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
    where = (
        tx.in_workspace(follow_ups),
        table.campaign == campaign,
        still_open(),
        in_set(tx, table.user_key, user_keys),
    )
    return set((await tx.execute(select(table.user_key).where(*where))).scalars())


async def next_due(
    tx: Transaction, launch: LaunchRow, after: str, now: datetime | None, limit: int
) -> list[tuple[str, str, tuple[str, ...]]]:
    """(user key, id, channels) of those who wait and are due at `now` (None: whatever they wait for), by user key."""
    table = follow_ups.c
    statement = (
        select(table.user_key, table.id, table.channels)
        .where(*_of(tx.workspace, launch), table.user_key > after)
        .order_by(table.user_key)
        .limit(limit)
    )
    if now is not None:
        statement = statement.where(table.next_at <= now)
    return [(row.user_key, row.id, tuple(row.channels)) for row in await tx.execute(statement)]


async def postpone_rows(tx: Transaction, ids: Collection[str], kept_up_at: datetime) -> None:
    """Their turn is now: what they waited for it, while the launch was at work or paused, was not too long (D4).

    One that a provider has put off already has had its turn.
    """
    table = follow_ups.c
    tried = exists().where(tx.in_workspace(deliveries), deliveries.c.follow_up_id == table.id)
    await tx.execute(
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), in_set(tx, table.id, ids), still_open(), table.next_at < kept_up_at, ~tried)
        .values(next_at=kept_up_at)
    )


async def earliest(tx: Transaction, launch: LaunchRow) -> datetime | None:
    """What those who still wait wait for first (UTC); None where nobody does."""
    statement = select(func.min(follow_ups.c.next_at)).where(*_of(tx.workspace, launch))
    found: datetime | None = (await tx.execute(statement)).scalar_one()
    return found


async def count_states(tx: Transaction, campaign: str) -> dict[str, int]:
    """How many users of a launched campaign are in which state."""
    table = follow_ups.c
    where = (tx.in_workspace(follow_ups), table.campaign == campaign)
    rows = await tx.execute(select(table.state, func.count()).where(*where).group_by(table.state))
    return {state: count for state, count in sorted(tuple(row) for row in rows)}


def only_paused() -> ColumnElement[bool]:
    """Whether a follow-up's row belongs to a launch whose campaign is not archived: a stop only pauses it (P9)."""
    return exists().where(
        launches.c.workspace == follow_ups.c.workspace,
        launches.c.launch_id == follow_ups.c.trigger_id,
        entries.c.workspace == launches.c.workspace,
        entries.c.id == launches.c.campaign,
        entries.c.state != "archived",
    )


def still_open() -> ColumnElement[bool]:
    """The condition of the partial index `follow_ups_one_wait`, in constants, so that SQLite sees that it fits."""
    return follow_ups.c.state.in_([literal(s.value, literal_execute=True) for s in State if s in OPEN_STATES])


def _of(workspace: str, launch: LaunchRow) -> tuple[ColumnElement[bool], ...]:
    table = follow_ups.c
    return (
        table.workspace == workspace,
        table.campaign == launch.campaign,
        table.trigger_id == launch.launch_id,
        still_open(),
    )
