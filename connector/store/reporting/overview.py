"""Lists of follow-ups and refusals for operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Select,
    String,
    Table,
    and_,
    case,
    false,
    func,
    literal,
    null,
    select,
    type_coerce,
)

from connector.rules.model.reasons import NOTED, OPEN_STATES, State
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import find_deliveries
from connector.store.follow_ups.follow_ups import is_launched
from connector.store.follow_ups.selection import FollowUpFilter, Position, is_after, select_page
from connector.store.tables import Instant, decisions, deliveries, follow_ups, user_aliases

_ALL = FollowUpFilter()


@dataclass(frozen=True)
class FollowUpListing:
    """One follow-up, or one refused trigger, in its present state. Times are UTC; `key` is '' if it is not set.

    `channels` are those on which a message went out, and `tried` the messages that are tried again (W6). If the user
    was erased, `user` is None, `trigger` is `erased`, and `key` is the row's own id, or '' of a refusal.
    `is_launched` is true for a follow-up of a launch, which has no workflow of its own, and
    `resends` is how often one was sent again. A refusal has neither `id`,
    `due_at`, `next_at` nor `exception`. A late exception is its own `exception`, and has the `trigger` and
    `due_at` of the follow-up that had been sent.
    """

    user_key: str
    is_launched: bool
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
    resends: int
    channels: tuple[str, ...] = ()
    tried: tuple[DeliveryRecord, ...] = ()


@dataclass(frozen=True)
class FollowUpPage:
    """One page of a list, and the position after which the next one begins; None: there is no other."""

    listings: list[FollowUpListing]
    next: Position | None


async def list_follow_ups(
    tx: Transaction, wanted: FollowUpFilter = _ALL, *, limit: int = 100, after: Position | None = None
) -> FollowUpPage:
    """Load a page of the follow-ups that match all criteria, as `select_page` selects them.

    Args:
        wanted: with the state `refused`, the triggers that the rules refused, and with `noted`, the late exceptions,
            newest first; no other value lists these, for they began no follow-up. `since` and `until` are then about
            the decision.
        limit: the largest number of rows.
        after: the position at which the previous page ended.
    """
    if wanted.state in (State.REFUSED, NOTED):
        return await _list_decisions(tx, wanted, limit, after)
    selected = await select_page(tx, wanted, limit, after=after)
    listings = await _load_listings(tx, [position.id for position in selected.positions])
    return FollowUpPage(listings, selected.next)


async def find_listing(tx: Transaction, follow_up_id: str) -> FollowUpListing | None:
    """Load one follow-up as it is listed; None if there is none with this id."""
    return next(iter(await _load_listings(tx, [follow_up_id])), None)


async def _load_listings(tx: Transaction, ids: Sequence[str]) -> list[FollowUpListing]:
    """Load follow-ups in the order of these ids."""
    if not ids:
        return []
    table = follow_ups.c
    statement = _columns_of(follow_ups).where(tx.in_workspace(follow_ups), in_set(tx, table.id, ids))
    listings = {listing.id: listing for listing in (FollowUpListing(*row) for row in await tx.execute(statement))}
    messages = await _load_messages(tx, ids)
    return [_with_messages(listings[id], messages.get(id, ())) for id in ids if id in listings]


async def _list_decisions(tx: Transaction, wanted: FollowUpFilter, limit: int, after: Position | None) -> FollowUpPage:
    table = decisions.c
    criteria = [
        table.state == wanted.state,
        None if wanted.campaign is None else table.campaign == wanted.campaign,
        None if wanted.user_key is None else table.user_key == wanted.user_key,
        None if wanted.reason is None else table.reason == wanted.reason.value,
        None if wanted.since is None else table.decided_at >= literal(wanted.since, Instant()),
        None if wanted.until is None else table.decided_at < literal(wanted.until, Instant()),
        # No item is decided before it happened: so the order of the list shows where to begin.
        None if wanted.until is None else table.t < literal(wanted.until, Instant()),
        None if after is None else is_after(table.t, table.seq, after, ascending=False),
    ]
    statement = (
        _columns_of(decisions)
        .add_columns(table.t, table.seq)
        .where(tx.in_workspace(decisions), *(one for one in criteria if one is not None))
        .order_by(table.t.desc(), table.seq.desc())
        .limit(limit + 1)
    )
    rows = (await tx.execute(statement)).all()
    listings = [FollowUpListing(*row[:-2]) for row in rows[:limit]]
    return FollowUpPage(
        listings, Position(rows[limit - 1][-2], str(rows[limit - 1][-1])) if len(rows) > limit else None
    )


def _columns_of(table: Table) -> Select[Any]:
    """Return the query for the fields of `FollowUpListing` up to `resends`."""
    is_decisions = table is decisions
    t = table.c.t if is_decisions else table.c.triggered_at
    user = (
        select(user_aliases.c.external_id)
        .where(user_aliases.c.workspace == table.c.workspace, user_aliases.c.user_key == table.c.user_key)
        .order_by(user_aliases.c.rank, user_aliases.c.external_id)
        .limit(1)
        .scalar_subquery()
    )
    return select(
        table.c.user_key,
        false() if is_decisions else is_launched(),
        _or_null(table, "id", String),
        table.c.campaign,
        user,
        func.coalesce(_of_sent("trigger_id"), table.c.interaction_id) if is_decisions else table.c.trigger_id,
        table.c.key,
        func.coalesce(_of_sent("triggered_at"), t) if is_decisions else t,
        _of_sent("due_at") if is_decisions else table.c.due_at,
        _or_null(table, "next_at", Instant),
        table.c.state,
        table.c.reason,
        case((table.c.state == NOTED, table.c.interaction_id)) if is_decisions else table.c.exception_id,
        table.c.decided_at,
        literal(0) if is_decisions else table.c.resends,
    )


def _of_sent(name: str) -> Any:
    """Return a column of the follow-up for which an exception was too late: of its key, the first sent after it."""
    sent, late = follow_ups.c, decisions.c
    is_of_key = and_(*(sent[one] == late[one] for one in ("workspace", "campaign", "user_key", "key")))
    of_key = select(sent[name]).where(late.state == NOTED, is_of_key, sent.dispatched_at > late.t)
    return of_key.order_by(sent.dispatched_at).limit(1).correlate(decisions).scalar_subquery()


def _or_null(table: Table, name: str, kind: Any) -> Column[Any] | Any:
    return table.c[name] if name in table.c else type_coerce(null(), kind).label(name)


async def _load_messages(tx: Transaction, follow_up_ids: Sequence[str]) -> dict[str, list[DeliveryRecord]]:
    """Load the messages of follow-ups that went out, or are tried again, by follow-up."""
    messages: dict[str, list[DeliveryRecord]] = {}
    if follow_up_ids:
        table = deliveries.c
        is_shown = table.state.in_((DeliveryState.SENT.value, DeliveryState.OPEN.value))
        for record in await find_deliveries(tx, in_set(tx, table.follow_up_id, follow_up_ids), is_shown):
            messages.setdefault(record.follow_up_id, []).append(record)
    return messages


def _with_messages(listing: FollowUpListing, messages: Sequence[DeliveryRecord]) -> FollowUpListing:
    sent = tuple(message.channel for message in messages if message.state is DeliveryState.SENT)
    tried = tuple(message for message in messages if message.state is DeliveryState.OPEN)
    return replace(listing, channels=sent, tried=tried if listing.state in OPEN_STATES else ())
