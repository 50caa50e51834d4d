"""The log of interactions: written once, read for folding and for audiences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, and_, func, or_, select
from sqlalchemy.dialects import sqlite

from connector.rules.model.interactions import Event, Interaction, InteractionType, Item, LogEntry
from connector.rules.targeting.deduplication import (
    DELIVERY_PROPERTY,
    ENGAGEMENT_KINDS,
    MESSAGE_PROPERTY,
    Engagement,
    reported_engagement,
)
from connector.store.engine.bulk import as_table, in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import arrivals, interactions, sequences

_BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Before everything, with a day's room for zones."""


async def write_new(tx: Transaction, logged: Sequence[LogEntry], user_keys: Mapping[str, str]) -> set[str]:
    """Log what is not logged yet, in one statement, and return the ids that were new (M6).

    Args:
        user_keys: the surrogate key by the external id that the items carry.
    """
    if not logged:
        return set()
    rows = [_row(tx.workspace, entry, user_keys[entry.item.user]) for entry in logged]
    statement = insert_rows(tx, interactions, rows).on_conflict_do_nothing().returning(interactions.c.id)
    return set((await tx.execute(statement)).scalars())


async def take_numbers(tx: Transaction, count: int) -> list[int]:
    """So many new arrival numbers, growing; gaps do not matter."""
    if tx.dialect == "postgresql":
        drawn = select(arrivals.next_value()).select_from(func.generate_series(1, count).alias())
        return sorted((await tx.execute(drawn)).scalars())
    upsert = sqlite.insert(sequences).values(workspace=tx.workspace, last=count)
    raised = upsert.on_conflict_do_update(index_elements=["workspace"], set_={"last": sequences.c.last + count})
    last = (await tx.execute(raised.returning(sequences.c.last))).scalar_one()
    return list(range(last - count + 1, last + 1))


async def load_items(tx: Transaction, since: Mapping[str, datetime | None]) -> dict[str, list[LogEntry]]:
    """The logged items of these users from an instant on (None: all that is logged), by user key, in event order."""
    found: dict[str, list[LogEntry]] = {user_key: [] for user_key in since}
    if not since:
        return found
    table = interactions.c
    rows = [{"user_key": user_key, "since": t or _BEGINNING} for user_key, t in since.items()]
    users = as_table(tx, {"user_key": table.user_key.type, "since": table.t.type}, rows)
    statement = (
        select(interactions)
        .join(users, and_(table.user_key == users.c.user_key, table.t >= users.c.since))
        .where(tx.in_workspace(interactions))
        .order_by(table.t, table.seq)
    )
    for row in (await tx.execute(statement)).mappings():
        found[row["user_key"]].append(logged_from(row))
    return found


async def seen_dispatches(
    tx: Transaction, user_keys: Collection[str], dispatches: Collection[str]
) -> set[tuple[str, str, str]]:
    """Which of these dispatches these users' devices already reported: (user key, campaign, dispatch) (M3)."""
    table = interactions.c
    dispatch = table.properties["dispatch"].as_string()
    statement = select(table.user_key, table.target, dispatch).where(
        tx.in_workspace(interactions),
        in_set(tx, table.user_key, user_keys),
        table.topic == InteractionType.RECEIVE_PUSH.value,
        in_set(tx, dispatch, dispatches),
    )
    return {(user_key, target, name) for user_key, target, name in await tx.execute(statement)}


async def load_engagements(
    tx: Transaction, user_keys: Collection[str], acts: Collection[Engagement]
) -> list[tuple[str, Engagement]]:
    """What these users' logs have about the messages of these acts, each with its user key, as far around them as the
    same act may be told; in one statement."""
    table = interactions.c
    statement = select(table.user_key, table.topic, table.target, table.properties, table.t).where(
        tx.in_workspace(interactions),
        in_set(tx, table.user_key, user_keys),
        table.t >= min(act.t - act.tolerance for act in acts),
        table.t <= max(act.t + act.tolerance for act in acts),
        table.topic.in_([kind.value for kind in ENGAGEMENT_KINDS]),
        or_(
            *(
                in_set(tx, table.properties[name].as_string(), _named(acts, name))
                for name in (DELIVERY_PROPERTY, MESSAGE_PROPERTY)
            )
        ),
    )
    rows = await tx.execute(statement)
    told = ((key, reported_engagement(InteractionType(topic), *rest)) for key, topic, *rest in rows)
    return [(key, act) for key, act in told if act is not None]


async def count_on_targets(tx: Transaction, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many interactions are logged by (target, type), in one statement (P4)."""
    if not wanted:
        return {}
    table = interactions.c
    statement = (
        select(table.target, table.topic, func.count())
        .where(
            tx.in_workspace(interactions),
            table.target.in_({target for target, _ in wanted}),
            table.topic.in_({topic for _, topic in wanted}),
        )
        .group_by(table.target, table.topic)
    )
    counted = {(target, topic): count for target, topic, count in await tx.execute(statement)}
    return {pair: counted[pair] for pair in wanted if pair in counted}


def facts_of(item: Item) -> dict[str, Any]:
    """What a follow-up's row keeps of its trigger: everything but the user."""
    interaction = item if isinstance(item, Interaction) else None
    return {
        "kind": "interaction" if interaction else "event",
        "topic": item.name_or_type,
        "target": item.target,
        "target_kind": None if interaction is None else "card" if interaction.card is not None else "campaign",
        "properties": item.properties,
    }


def item_from(facts: Mapping[str, Any] | RowMapping, occurred_at: datetime) -> Item:
    """The item of stored facts, without its user; what was judged once is not judged for its form again."""
    if facts["kind"] == "event":
        return Event.model_construct(
            id=None,
            user="",
            occurred_at=occurred_at,
            properties=facts["properties"],
            type="event",
            name=facts["topic"],
        )
    card = facts["target_kind"] == "card"
    return Interaction.model_construct(
        id=None,
        user="",
        occurred_at=occurred_at,
        properties=facts["properties"],
        type=InteractionType(facts["topic"]),
        campaign=None if card else facts["target"],
        card=facts["target"] if card else None,
    )


def _named(acts: Collection[Engagement], name: str) -> set[str]:
    return {act.message[1] for act in acts if act.message[0] == name}


def _row(workspace: str, logged: LogEntry, user_key: str) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "day": logged.item.occurred_at.astimezone(UTC).date(),
        "id": logged.id,
        "seq": logged.seq,
        "user_key": user_key,
        "t": logged.t,
        "occurred_at": logged.item.occurred_at,
        "received_at": logged.received_at,
        **facts_of(logged.item),
    }


def logged_from(row: RowMapping) -> LogEntry:
    """A row of the log as the rules see it."""
    return LogEntry(
        id=row["id"],
        seq=row["seq"],
        t=row["t"],
        received_at=row["received_at"],
        item=item_from(row, row["occurred_at"]),
    )
