"""What came of things, for people: lists of follow-ups and refusals, and how many there are in which state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    case,
    false,
    func,
    null,
    select,
    type_coerce,
    union_all,
)

from connector import names
from connector.rules.model.reasons import State
from connector.rules.sending import launching
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant, decisions, deliveries, follow_ups, user_aliases
from connector.store.users.users import ERASED


@dataclass(frozen=True)
class FollowUpListing:
    """One follow-up, or one trigger that was refused, as it stands now. Times are UTC; `key` is '' when unset.

    `channels` are those on which a message went out; `user` is None where the user was erased, and the key is then the
    row's own id. `workflow_id` is Temporal's, of the workflow that waits for it; one of a launch has none of its own. A
    refusal has neither `id`, `workflow_id`, `due_at`, `next_at` nor `exception`.
    """

    id: str | None
    campaign: str
    user: str | None
    trigger: str
    key: str
    triggered_at: datetime
    due_at: datetime | None
    next_at: datetime | None
    state: str
    reason: str | None
    exception: str | None
    decided_at: datetime | None
    workflow_id: str | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """How many follow-ups or refusals of a campaign are in one state for one reason."""

    campaign: str
    state: str
    reason: str | None
    count: int


async def list_follow_ups(
    tx: Transaction,
    *,
    campaign: str | None = None,
    user_key: str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> list[FollowUpListing]:
    """The follow-ups that all of these fit, newest trigger first, at most `limit`.

    Args:
        state: `refused` lists the triggers that the rules refused; they became no follow-up, so nothing else does.
    """
    table = decisions if state == State.REFUSED else follow_ups
    statement = _columns_of(table).where(tx.in_workspace(table)).limit(limit)
    for column, value in ((table.c.campaign, campaign), (table.c.user_key, user_key), (table.c.state, state)):
        if value is not None:
            statement = statement.where(column == value)
    found = [_listed(tx.workspace, *row) for row in await tx.execute(statement)]
    sent = await _sent_channels(tx, [listed.id for listed in found if listed.id is not None])
    return [replace(listed, channels=tuple(sent.get(listed.id or "", ()))) for listed in found]


async def count_follow_ups(tx: Transaction, campaign: str | None = None) -> list[Count]:
    """How many there are by campaign, state and reason, refusals and noted late exceptions included."""
    parts = []
    for table in (follow_ups, decisions):
        group = (table.c.campaign, table.c.state, table.c.reason)
        part = select(*group, func.count().label("count")).where(tx.in_workspace(table)).group_by(*group)
        parts.append(part if campaign is None else part.where(table.c.campaign == campaign))
    rows = await tx.execute(union_all(*parts))
    return sorted((Count(*row) for row in rows), key=lambda count: (count.campaign, count.state, count.reason or ""))


@dataclass(frozen=True)
class WaitCounts:
    """What waits or is held of one campaign by the revision that it began with, and of how many users."""

    campaign: str
    revision: int
    users: int
    waiting: int
    held: int


async def count_waits(tx: Transaction, campaigns: Collection[str]) -> list[WaitCounts]:
    """Who stays on which revision of these campaigns when a newer one is published (P10), in one statement."""
    table = follow_ups.c
    waiting, held = (func.sum(case((table.state == s.value, 1), else_=0)) for s in (State.WAITING, State.HELD))
    statement = (
        select(table.campaign, table.revision, func.count(table.user_key.distinct()), waiting, held)
        .where(tx.in_workspace(follow_ups), in_set(tx, table.campaign, campaigns))
        .where(table.state.in_((State.WAITING.value, State.HELD.value)))
        .group_by(table.campaign, table.revision)
        .order_by(table.campaign, table.revision)
    )
    return [WaitCounts(*row) for row in await tx.execute(statement)]


def _listed(workspace: str, user_key: str, launched: bool | None, *fields: Any) -> FollowUpListing:
    listed = FollowUpListing(*fields)
    if listed.id is None or launched:
        return listed
    return replace(listed, workflow_id=names.follow_up_id(workspace, listed.campaign, user_key, listed.id))


def _columns_of(table: Table) -> Select[Any]:
    """The user, the launch mark and the fields of `FollowUpListing` up to `decided_at`, newest first."""
    refused = table is decisions
    t = table.c.t if refused else table.c.triggered_at
    user = (
        select(user_aliases.c.external_id)
        .where(user_aliases.c.workspace == table.c.workspace, user_aliases.c.user_key == table.c.user_key)
        .where(user_aliases.c.external_id.not_like(f"{ERASED}%"))
        .order_by(user_aliases.c.rank, user_aliases.c.external_id)
        .limit(1)
        .scalar_subquery()
    )
    return select(
        table.c.user_key,
        false() if refused else _is_launched(),
        _or_null(table, "id", String),
        table.c.campaign,
        user,
        table.c.interaction_id if refused else table.c.trigger_id,
        table.c.key,
        t,
        _or_null(table, "due_at", Instant),
        _or_null(table, "next_at", Instant),
        table.c.state,
        table.c.reason,
        _or_null(table, "exception_id", String),
        table.c.decided_at,
    ).order_by(t.desc())


def _is_launched() -> ColumnElement[bool]:
    """As `launching.is_launched` says it of a follow-up."""
    trigger = follow_ups.c.trigger
    return and_(trigger["topic"].as_string() == launching.NAME, func.coalesce(trigger["seq"].as_integer(), 0) == 0)


def _or_null(table: Table, name: str, kind: Any) -> Column[Any] | Any:
    return table.c[name] if name in table.c else type_coerce(null(), kind).label(name)


async def _sent_channels(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if ids:
        table = deliveries.c
        sent = (tx.in_workspace(deliveries), in_set(tx, table.follow_up_id, ids), table.state == "sent")
        for row in await tx.execute(select(table.follow_up_id, table.channel).where(*sent).order_by(table.channel)):
            found.setdefault(row.follow_up_id, []).append(row.channel)
    return found
