"""The selection of follow-ups: one filter for lists and for bulk operations, read page by page by index.

Pages are cut by a position, not by a number of rows, so that follow-ups that begin or end meanwhile neither shift a
page nor repeat a row: newest trigger first, and those of one instant by id. Overdue ones are listed by the time that
they waited for, the oldest first. The states are read one after the other, each along its index, and then merged.
No index has the channels, so a page of one channel examines a bounded number of rows, and may be short, or empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    String,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.model.values import ChannelName
from connector.store.engine.transaction import Transaction, clock
from connector.store.tables import Instant, follow_ups

OVERDUE = "overdue"
"""The pseudo-state of open follow-ups whose time has passed. Those of a launch take turns, and are never overdue."""

OPEN = "open"
"""The pseudo-state of follow-ups that have not ended."""

MAX_EXAMINED = 5_000
"""How many rows a page examines at most to find those of a channel."""

_STORED = tuple(state for state in State if state is not State.REFUSED)
_WITHOUT_REASON = (*OPEN_STATES, State.SENT, OPEN, OVERDUE)
_WITH_REASON = tuple(state for state in _STORED if state not in (*OPEN_STATES, State.SENT))


@dataclass(frozen=True)
class FollowUpFilter:
    """Which follow-ups to select; None leaves a criterion out.

    Args:
        state: a `State`; `open`: waiting, held or sending; `overdue`: open, not of a launch, and the time that it waits
            for has passed.
        channel: one of the channels that the follow-up sends on, or sent on.
        since: ended at this instant or later; if open, waiting until then or later. UTC.
        until: ended, or waiting, until before this instant. UTC.
    """

    state: str | None = None
    campaign: str | None = None
    user_key: str | None = None
    reason: Reason | None = None
    channel: ChannelName | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Position:
    """The place of a row in its list: the instant that the list is ordered by (UTC), and the row's id."""

    at: datetime
    id: str


@dataclass(frozen=True)
class Selected:
    """One page of positions, and the position after which the next one begins; None: there is no other."""

    positions: list[Position]
    next: Position | None


async def select_page(
    tx: Transaction, wanted: FollowUpFilter, limit: int, *, after: Position | None = None
) -> Selected:
    """Return the next page of at most `limit` follow-ups that match all criteria, in order.

    With a channel, and no user, at most `MAX_EXAMINED` rows that match the other criteria are examined: then a page
    may have fewer positions than `limit`, even none, though others follow.

    Args:
        after: `next` of the previous page.
    """
    if wanted.channel is not None and wanted.user_key is None and not _is_impossible(wanted):
        return await _select_of_channel(tx, replace(wanted, channel=None), wanted.channel, limit, after)
    found = await select_follow_ups(tx, wanted, limit + 1, after=after)
    return Selected(found[:limit], found[limit - 1] if len(found) > limit else None)


async def select_follow_ups(
    tx: Transaction, wanted: FollowUpFilter, limit: int, *, after: Position | None = None
) -> list[Position]:
    """Return the positions of at most `limit` follow-ups that match all criteria, in order.

    Args:
        after: the position that the previous page ended with.
    """
    if _is_impossible(wanted):
        return []  # else all of them would be read in vain
    return [Position(at, id) for at, id in await tx.execute(_first(tx, wanted, limit, after))]


async def _select_of_channel(
    tx: Transaction, wanted: FollowUpFilter, channel: ChannelName, limit: int, after: Position | None
) -> Selected:
    """Return the page of the rows with a channel, among the first `MAX_EXAMINED` that `wanted` selects."""
    first, row = _first(tx, wanted, MAX_EXAMINED, after).subquery(), follow_ups.c
    number = func.row_number().over(order_by=_order(wanted, first.c.at, first.c.id)).label("number")
    examined = select(first.c.at, first.c.id, number).subquery()
    is_examined = (tx.in_workspace(follow_ups), row.id == examined.c.id)
    has_channel = exists(select(row.id).where(*is_examined, _has_channel(tx, channel)).correlate(examined))
    statement = (
        select(examined.c.at, examined.c.id, has_channel, examined.c.number)
        .where(or_(examined.c.number == MAX_EXAMINED, has_channel))
        .order_by(examined.c.number)
        .limit(limit + 1)
    )
    rows = (await tx.execute(statement)).all()
    found = [Position(at, id) for at, id, is_wanted, _ in rows if is_wanted]
    if len(found) > limit:
        return Selected(found[:limit], found[limit - 1])
    is_cut = bool(rows) and rows[-1].number == MAX_EXAMINED
    return Selected(found, Position(rows[-1].at, rows[-1].id) if is_cut else None)


def _is_impossible(wanted: FollowUpFilter) -> bool:
    return wanted.reason is not None and wanted.state in _WITHOUT_REASON


def _first(tx: Transaction, wanted: FollowUpFilter, limit: int, after: Position | None) -> Select[Any]:
    """Return the query for the positions of the first rows."""
    # A user has few follow-ups, and those that are overdue have an index of their own.
    at_once = wanted.state == OVERDUE or wanted.user_key is not None
    states = [None] if at_once else _states_of(wanted)
    pages = [_page_of(tx, wanted, state, limit, after).subquery() for state in states]
    page = pages[0] if len(pages) == 1 else union_all(*(select(one.c.at, one.c.id) for one in pages)).subquery()
    return select(page.c.at, page.c.id).order_by(*_order(wanted, page.c.at, page.c.id)).limit(limit)


def _order(wanted: FollowUpFilter, at: ColumnElement[Any], id: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    return (at, id) if wanted.state == OVERDUE else (at.desc(), id.desc())


def is_after(at: ColumnElement[Any], id: Column[Any], position: Position, *, ascending: bool) -> ColumnElement[bool]:
    """Return the condition that a row comes after a position, in the order of the two columns."""
    kind = String() if isinstance(id.type, String) else id.type
    value = position.id if isinstance(id.type, String) else int(position.id)
    row, reached = tuple_(at, id), tuple_(literal(position.at, Instant()), literal(value, kind))
    return row > reached if ascending else row < reached


def is_open() -> ColumnElement[bool]:
    """Return the condition that a follow-up is open, in constants, so that partial indexes are used (`engine.bulk`)."""
    return follow_ups.c.state.in_([literal(state.value, literal_execute=True) for state in OPEN_STATES])


def _states_of(wanted: FollowUpFilter) -> Sequence[State]:
    if wanted.state == OPEN:
        return OPEN_STATES
    if wanted.state is not None:
        return [State(wanted.state)]
    return _STORED if wanted.reason is None else _WITH_REASON


def _page_of(
    tx: Transaction, wanted: FollowUpFilter, state: State | None, limit: int, after: Position | None
) -> Select[Any]:
    """Return the query for the first rows of one state; None: of all states, or of those that are overdue."""
    table, is_overdue = follow_ups.c, wanted.state == OVERDUE
    at = table.next_at if is_overdue else table.triggered_at
    criteria = _criteria(tx, wanted, _time_of(state, is_overdue=is_overdue))
    statement = select(at.label("at"), table.id.label("id")).where(tx.in_workspace(follow_ups), *criteria)
    if is_overdue:
        # Those of a launch are marked as signalled when they are inserted.
        statement = statement.where(is_open(), table.next_at <= clock(tx), table.signalled_at.is_(None))
    elif state is not None:
        statement = statement.where(table.state == state.value)
    elif wanted.state is not None:
        # Not as a condition of an index: SQLite would read all of a state to find those of one user.
        statement = statement.where(func.coalesce(table.state, "").in_([one.value for one in _states_of(wanted)]))
    if wanted.until is not None and not is_overdue:
        # None ends, or waits until, before its trigger: so the order of the list shows where to begin.
        statement = statement.where(table.triggered_at < literal(wanted.until, Instant()))
    if after is not None:
        statement = statement.where(is_after(at, table.id, after, ascending=is_overdue))
    return statement.order_by(*_order(wanted, at, table.id)).limit(limit)


def _time_of(state: State | None, *, is_overdue: bool) -> ColumnElement[Any]:
    """Return the instant that `since` and `until` compare: when it ended, or until when it waits."""
    table = follow_ups.c
    if is_overdue or state in OPEN_STATES:
        return table.next_at
    if state is not None:
        return table.decided_at
    return case((table.state.in_(OPEN_STATES), table.next_at), else_=table.decided_at)


def _criteria(tx: Transaction, wanted: FollowUpFilter, its_time: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    table = follow_ups.c
    criteria = [
        None if wanted.campaign is None else table.campaign == wanted.campaign,
        None if wanted.user_key is None else table.user_key == wanted.user_key,
        None if wanted.reason is None else table.reason == wanted.reason.value,
        None if wanted.channel is None else _has_channel(tx, wanted.channel),
        None if wanted.since is None else its_time >= literal(wanted.since, Instant()),
        None if wanted.until is None else its_time < literal(wanted.until, Instant()),
    ]
    return [criterion for criterion in criteria if criterion is not None]


def _has_channel(tx: Transaction, channel: ChannelName) -> ColumnElement[bool]:
    channels = follow_ups.c.channels
    if tx.dialect == "postgresql":
        return type_coerce(channels, JSONB).contains([channel])
    one = func.json_each(channels).table_valued("value", name="one_channel")
    return exists(select(one.c.value).where(one.c.value == channel))
