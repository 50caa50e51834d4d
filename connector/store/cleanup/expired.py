"""The conditions that rows are past, table by table; `connector.store.retention` describes them in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, literal, not_, or_, select

from connector.rules.model.reasons import State
from connector.rules.provider_events.events import UNTIMED
from connector.store.cleanup.horizons import Horizons
from connector.store.engine.bulk import as_table
from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant, entries, launches, publications
from connector.store.tables import interactions as log

WENT_OUT = (State.SENT.value, State.CONTROL.value, State.FAILED.value)
"""The states of follow-ups that sent something, may have sent something, or would have."""
SENT_NOTHING = (State.EXCEPTED.value, State.DROPPED.value)
_EVER = datetime(1, 1, 2, tzinfo=UTC)


def past_items(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that an item of the log is needed by no rule, the negation of `look_backs.is_kept`."""
    is_past = and_(tx.in_workspace(table), table.c.received_at < horizons.log)
    return and_(is_past, ~_is_looked_back_to(tx, table, horizons)) if horizons.looked_back else is_past


def needed_items(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that an item is another workspace's, or not past; an index finds the few in a past day."""
    own = and_(tx.in_workspace(table), table.c.received_at >= horizons.log)
    looked_back = [_is_looked_back_to(tx, table, horizons)] if horizons.looked_back else []
    return or_(*_of_others(tx, table), own, *looked_back)


def past_decisions(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that a refusal, or a late exception, was decided before the horizon."""
    return and_(tx.in_workspace(table), table.c.decided_at < horizons.log)


def needed_decisions(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that a decision is another workspace's, or not past."""
    return or_(*_of_others(tx, table), and_(tx.in_workspace(table), table.c.decided_at >= horizons.log))


def _of_others(tx: Transaction, table: FromClause) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.workspace < tx.workspace, table.c.workspace > tx.workspace  # two ranges of an index


def past_follow_ups(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that a follow-up has ended, its workflow knows, and nothing leads to it any more.

    Those of a launch that still goes on are kept.
    """
    column = table.c
    to_signal = and_(column.ended_outside, column.started_at.is_not(None), column.signalled_at.is_(None))
    launching = select(launches.c.campaign).where(tx.in_workspace(launches), launches.c.ended_at.is_(None))
    horizon = case((column.state.in_(WENT_OUT), _instant(horizons.sent)), else_=_instant(horizons.log))
    return and_(
        tx.in_workspace(table),
        column.state.in_((*WENT_OUT, *SENT_NOTHING)),
        column.decided_at < horizon,
        not_(to_signal),
        column.campaign.not_in(launching),
    )


def past_inbox(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that a message of the inbox has expired so long ago that no report of it is accepted."""
    return and_(tx.in_workspace(table), table.c.expires_at < horizons.log)


def past_texts(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that the text of a message has expired."""
    return and_(tx.in_workspace(table), table.c.expires_at <= _instant(horizons.now))


def past_unmatched(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that an unmatched event of a provider is too old to be retried."""
    return and_(tx.in_workspace(table), table.c.received_at < horizons.log)


def past_applied(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that an applied event of a provider would be refused as stale if it came again.

    Those of providers that sign no time stay: an old call of theirs, replayed, cannot be recognised as old.
    """
    return and_(tx.in_workspace(table), table.c.received_at < horizons.log, table.c.provider.not_in(UNTIMED))


def of_archived(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    """Return the condition that a row's campaign was archived before the horizon of what was sent, for good."""
    column = publications.c
    window = and_(tx.in_workspace(publications), column.id == entries.c.id)
    last_closed = select(func.max(func.coalesce(column.closed_at, _instant(horizons.sent)))).where(window)
    archived = select(entries.c.id).where(
        tx.in_workspace(entries),
        entries.c.state == "archived",
        last_closed.scalar_subquery() < horizons.sent,
    )
    return and_(tx.in_workspace(table), table.c.campaign.in_(archived))


def _instant(value: datetime) -> ColumnElement[datetime]:
    return literal(value, Instant)


def _is_looked_back_to(tx: Transaction, table: FromClause, horizons: Horizons) -> ColumnElement[bool]:
    rows: list[dict[str, Any]] = [
        {"topic": topic, "target": target, "since": _EVER if within is None else horizons.log - within}
        for (topic, target), within in horizons.looked_back.items()
    ]
    types = {"topic": log.c.topic.type, "target": log.c.target.type, "since": log.c.t.type}
    wanted = as_table(tx, types, rows)
    return exists().where(
        wanted.c.topic == table.c.topic,
        wanted.c.target.is_not_distinct_from(table.c.target),
        table.c.t >= wanted.c.since,
    )
