"""The log of interactions: written once, read for replays, conversions and audiences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, RowMapping, Select, and_, func, literal, or_, select, true
from sqlalchemy.dialects import sqlite

from connector.rules.model.interactions import Event, Interaction, InteractionType, Item, LogEntry
from connector.rules.targeting.deduplication import (
    DELIVERY_PROPERTY,
    ENGAGEMENT_KINDS,
    MESSAGE_PROPERTY,
    Engagement,
    reported_engagement,
)
from connector.rules.targeting.matching import LoggedType, logged_type_of
from connector.rules.triggering.user_log import Span, UserLog
from connector.store.engine.bulk import Row, as_table, in_set, insert_rows, unindexed
from connector.store.engine.transaction import Transaction, clock
from connector.store.tables import arrivals, interactions, sequences

_BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Before everything, with a day to spare for time zones."""
_END = datetime(9999, 12, 30, tzinfo=UTC)
"""After everything, likewise."""

WantedTypes = Mapping[LoggedType, datetime | None]
"""Types of items, each from when on (UTC); None: from the beginning."""


async def insert_new_entries(
    tx: Transaction, entries: Sequence[LogEntry], user_keys: Mapping[str, str], horizon: datetime
) -> set[tuple[str, str]]:
    """Insert the entries that are not logged yet, in one statement, and return the (user key, id) that were new (M6).

    An id that the user's log has already is not new, whatever day it names; other users' logs do not count.

    Args:
        entries: those of one batch, which were received at the same moment; of users whose rows are locked, no two of
            one user with the same id.
        user_keys: the surrogate keys by the external ids that the items carry.
        horizon: what was received before that (UTC) does not count, even if it has not been deleted yet.
    """
    if not entries:
        return set()
    rows = [_row(entry, user_keys[entry.item.user]) for entry in entries]
    shared = {"workspace": tx.workspace, "received_at": entries[0].received_at}
    known_since = "received_at", horizon
    insert = insert_rows(tx, interactions, rows, shared=shared, known_by=["user_key", "id"], known_since=known_since)
    statement = insert.on_conflict_do_nothing().returning(interactions.c.user_key, interactions.c.id)
    return {(user_key, id) for user_key, id in await tx.execute(statement)}


async def draw_arrival_numbers(tx: Transaction, count: int) -> tuple[list[int], datetime]:
    """Draw new arrival numbers, in ascending order; there may be gaps. Return also the database's clock then (UTC).

    Where other writers may have been awaited since the head was read, only this clock dates an arrival: a message that
    was claimed before the users were locked was claimed before the items arrived (guarantee 3).
    """
    if tx.dialect == "postgresql":
        drawn = select(arrivals.next_value(), clock(tx)).select_from(func.generate_series(1, count).alias())
        rows = (await tx.execute(drawn)).all()
        return sorted(number for number, _ in rows), max(at for _, at in rows)
    insert = sqlite.insert(sequences).values(workspace=tx.workspace, last=count)
    raised = insert.on_conflict_do_update(index_elements=["workspace"], set_={"last": sequences.c.last + count})
    last, at = (await tx.execute(raised.returning(sequences.c.last, clock(tx)))).one()
    return list(range(last - count + 1, last + 1)), at


async def load_items(
    tx: Transaction,
    since: Mapping[str, datetime | None],
    *,
    topics: Collection[str] | None = None,
    horizon: datetime = _BEGINNING,
) -> dict[str, list[LogEntry]]:
    """Load users' log entries from an instant on (UTC; None: all that are kept), by user key, in event order.

    Args:
        topics: the types and event names to load; None: all.
        horizon: items that were received before that (UTC) are left out.
    """
    by_user: dict[str, list[LogEntry]] = {user_key: [] for user_key in since}
    if not since:
        return by_user
    table = interactions.c
    rows = [{"user_key": user_key, "since": t or _BEGINNING} for user_key, t in since.items()]
    users = as_table(tx, {"user_key": table.user_key.type, "since": table.t.type}, rows)
    statement = (
        select(interactions)
        .join(users, and_(table.user_key == users.c.user_key, table.t >= users.c.since))
        .where(tx.in_workspace(interactions), unindexed(tx, table.received_at) >= horizon)
        .where(true() if topics is None else in_set(tx, table.topic, topics))
        .order_by(table.t, table.seq)
    )
    for row in (await tx.execute(statement)).mappings():
        by_user[row["user_key"]].append(entry_from_row(row))
    return by_user


async def load_newest_items(tx: Transaction, user_key: str, limit: int) -> list[LogEntry]:
    """Load a user's newest log entries by event time, at most `limit`, in the order of their arrival."""
    table = interactions.c
    newest = (
        select(interactions)
        .where(tx.in_workspace(interactions), table.user_key == user_key)
        .order_by(table.t.desc(), table.seq.desc())
        .limit(limit)
    )
    entries = [entry_from_row(row) for row in (await tx.execute(newest)).mappings()]
    return sorted(entries, key=lambda entry: entry.seq)


async def load_types(
    tx: Transaction, wanted: Mapping[str, WantedTypes], *, limit: int | None = None
) -> dict[str, UserLog]:
    """Load the items of some types from users' logs, by user key and in event order, in one statement.

    What else the logs have costs nothing.

    Args:
        limit: how many items of each type at most; more only if several have the time of the last one.
    """
    rows = [
        {"user_key": user_key, "topic": topic, "target": target, "since": since or _BEGINNING}
        for user_key, types in wanted.items()
        for (topic, target), since in types.items()
    ]
    entries: dict[str, list[LogEntry]] = {user_key: [] for user_key in wanted}
    if rows:
        for row in (await tx.execute(_items_of_types(tx, rows, limit))).mappings():
            entries[row["user_key"]].append(entry_from_row(row))
    return {key: UserLog(entries[key], _spans(wanted[key], entries[key], limit)) for key in wanted}


def _items_of_types(tx: Transaction, rows: Sequence[Row], limit: int | None) -> Select[Any]:
    """Return the query for the log's items of these users and types, each from its `since` on, at most `limit`."""
    log, ahead = interactions, interactions.alias()
    types = {name: log.c[name].type for name in ("user_key", "topic", "target")} | {"since": log.c.t.type}
    wanted = as_table(tx, types, rows)

    def is_wanted(table: FromClause) -> ColumnElement[bool]:
        is_of_type = and_(table.c.topic == wanted.c.topic, table.c.target.is_not_distinct_from(wanted.c.target))
        return and_(
            tx.in_workspace(table), table.c.user_key == wanted.c.user_key, is_of_type, table.c.t >= wanted.c.since
        )

    statement = select(log).join(wanted, is_wanted(log)).order_by(log.c.t, log.c.seq)
    if limit is None:
        return statement
    last = select(ahead.c.t).where(is_wanted(ahead)).order_by(ahead.c.t).offset(limit - 1).limit(1)
    until = func.coalesce(last.correlate(wanted).scalar_subquery(), literal(_END, log.c.t.type))
    return statement.where(log.c.t <= until)


def _spans(wanted: WantedTypes, entries: Sequence[LogEntry], limit: int | None) -> dict[LoggedType, list[Span]]:
    """Return in which times these are all items of the wanted types."""
    times: dict[LoggedType, list[datetime]] = {type: [] for type in wanted}
    for entry in entries:
        times[logged_type_of(entry.item)].append(entry.t)
    return {
        type: [Span(since or _BEGINNING, None if limit is None or len(times[type]) < limit else max(times[type]))]
        for type, since in wanted.items()
    }


async def load_seen_dispatches(
    tx: Transaction, user_keys: Collection[str], dispatches: Collection[str], horizon: datetime
) -> set[tuple[str, str, str]]:
    """Return which of these dispatches users' devices reported, as (user key, campaign, dispatch) (M3).

    Args:
        horizon: reports that were received before that (UTC) do not count.
    """
    table = interactions.c
    dispatch = table.properties["dispatch"].as_string()
    statement = select(table.user_key, table.target, dispatch).where(
        tx.in_workspace(interactions),
        in_set(tx, table.user_key, user_keys),
        table.topic == InteractionType.RECEIVE_PUSH.value,
        in_set(tx, dispatch, dispatches),
        unindexed(tx, table.received_at) >= horizon,
    )
    return {(user_key, target, name) for user_key, target, name in await tx.execute(statement)}


async def load_engagements(
    tx: Transaction, user_keys: Collection[str], engagements: Collection[Engagement], horizon: datetime
) -> list[tuple[str, Engagement]]:
    """Load engagements of the same messages from users' logs, each with its user key, in one statement.

    Those are loaded that are near enough in time to be duplicates of the given engagements, and were received since
    the horizon.
    """
    table = interactions.c
    statement = select(table.user_key, table.topic, table.target, table.properties, table.t).where(
        tx.in_workspace(interactions),
        in_set(tx, table.user_key, user_keys),
        unindexed(tx, table.received_at) >= horizon,
        table.t >= min(engagement.t - engagement.tolerance for engagement in engagements),
        table.t <= max(engagement.t + engagement.tolerance for engagement in engagements),
        table.topic.in_([kind.value for kind in ENGAGEMENT_KINDS]),
        or_(
            *(
                in_set(tx, table.properties[name].as_string(), _message_ids(engagements, name))
                for name in (DELIVERY_PROPERTY, MESSAGE_PROPERTY)
            )
        ),
    )
    rows = await tx.execute(statement)
    logged = ((key, reported_engagement(InteractionType(topic), *rest)) for key, topic, *rest in rows)
    return [(key, engagement) for key, engagement in logged if engagement is not None]


async def is_logged(tx: Transaction, user_key: str, item_id: str) -> bool:
    """Return whether the user's log has an item with this id, on any day (M6)."""
    table = interactions.c
    statement = select(table.id).where(tx.in_workspace(interactions), table.user_key == user_key, table.id == item_id)
    return (await tx.execute(statement.limit(1))).one_or_none() is not None


async def count_users(tx: Transaction, types: Collection[LoggedType], since: datetime) -> int:
    """Count the users who have an entry of one of these types in their log since an instant (UTC)."""
    statement = select(func.count(func.distinct(interactions.c.user_key))).where(_has_type(tx, types, since))
    return int((await tx.execute(statement)).scalar_one())


async def load_user_keys(
    tx: Transaction, types: Collection[LoggedType], since: datetime, *, after: str, limit: int
) -> list[str]:
    """Return the next of these users' keys in their order, after one of them ('' for the first page)."""
    statement = (
        select(interactions.c.user_key)
        .where(_has_type(tx, types, since), interactions.c.user_key > after)
        .group_by(interactions.c.user_key)
        .order_by(interactions.c.user_key)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


def item_columns(item: Item) -> dict[str, Any]:
    """Return an item as columns of the log, and as JSON in a follow-up's row: everything but the user."""
    interaction = item if isinstance(item, Interaction) else None
    return {
        "kind": "interaction" if interaction else "event",
        "topic": item.name_or_type,
        "target": item.target,
        "target_kind": None if interaction is None else "card" if interaction.card is not None else "campaign",
        "properties": item.properties,
    }


def item_from_columns(columns: Mapping[str, Any] | RowMapping, occurred_at: datetime) -> Item:
    """Return the item of such columns, without its user and without validating it again."""
    if columns["kind"] == "event":
        return Event.model_construct(
            id=None,
            user="",
            occurred_at=occurred_at,
            properties=columns["properties"],
            type="event",
            name=columns["topic"],
        )
    card = columns["target_kind"] == "card"
    return Interaction.model_construct(
        id=None,
        user="",
        occurred_at=occurred_at,
        properties=columns["properties"],
        type=InteractionType(columns["topic"]),
        campaign=None if card else columns["target"],
        card=columns["target"] if card else None,
    )


def _has_type(tx: Transaction, types: Collection[LoggedType], since: datetime) -> ColumnElement[bool]:
    table = interactions.c
    is_type = [and_(table.topic == topic, table.target == target) for topic, target in types if target is not None]
    events = [topic for topic, target in types if target is None]
    if events:
        is_type.append(and_(table.topic.in_(events), table.target.is_(None)))
    return and_(tx.in_workspace(interactions), table.t >= since, or_(*is_type))


def _message_ids(engagements: Collection[Engagement], name: str) -> set[str]:
    return {engagement.message[1] for engagement in engagements if engagement.message[0] == name}


def _row(entry: LogEntry, user_key: str) -> dict[str, Any]:
    return {
        "day": entry.t.astimezone(UTC).date(),
        "id": entry.id,
        "seq": entry.seq,
        "user_key": user_key,
        "t": entry.t,
        "occurred_at": entry.item.occurred_at,
        **item_columns(entry.item),
    }


def entry_from_row(row: RowMapping) -> LogEntry:
    """Return a row of the log as the rules see it."""
    return LogEntry(
        id=row["id"],
        seq=row["seq"],
        t=row["t"],
        received_at=row["received_at"],
        item=item_from_columns(row, row["occurred_at"]),
    )
