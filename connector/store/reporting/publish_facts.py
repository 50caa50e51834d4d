"""Look up the facts of an order (P4, P8) in a number of statements and rows that no amount of data raises.

Exact: the names of events, by one step through an index for each name; the counts of missed interactions, up to
`MAX_COUNTED`. From a sample: properties (`SAMPLE_REPORTS` of each type), attributes and reach (`SAMPLE_USERS`, the
first by their random keys).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, String, func, literal, select, union_all

from connector.rules.model.campaigns import Campaign
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.interactions import CLICKS
from connector.rules.publishing.facts import MissedCount, Profiles, Properties, PublishFacts, PublishQuestions, Reach
from connector.rules.publishing.facts import past_conditions as past_conditions_of
from connector.rules.publishing.reach import KnownUser, measure_reach
from connector.rules.targeting.matching import (
    LoggedType,
    Robots,
    is_narrowed,
    logged_types,
    matches,
    passes_robot_filter,
)
from connector.rules.triggering.user_log import LoggedHistory, UserLog
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.tables import interactions, users
from connector.store.users.log import entry_from_row, load_types
from connector.store.users.users import load_users

MAX_EVENT_NAMES = 1_000
MAX_COUNTED = 1_000_000
MAX_MATCHED = 20_000
"""The reports that are compared with conditions in Python, of all conditions together."""
SAMPLE_REPORTS = 500
SAMPLE_USERS = 2_000
_MAX_TYPES = 50
_MAX_CONDITIONS = 100
_MAX_AUDIENCES = 50
_ITEMS_PER_TYPE = 100

_log = interactions.c


async def load_publish_facts(tx: Transaction, questions: PublishQuestions, robots: Robots) -> PublishFacts:
    """Return the facts that answer the questions, as of the transaction's snapshot."""
    if not questions.campaigns:
        return PublishFacts()
    now = await database_now(tx)
    known, profiles = await _load_sample(tx, questions.campaigns)
    return PublishFacts(
        missed=await _count_missed(tx, questions.missed, robots),
        events=await _load_event_names(tx),
        properties=await _load_properties(tx, list(islice(sorted(questions.types, key=str), _MAX_TYPES))),
        profiles=profiles,
        reach=_measure(questions.campaigns, known, now),
    )


async def load_reach(tx: Transaction, campaigns: Sequence[Campaign]) -> tuple[dict[str, Reach], Profiles]:
    """Return how many users are in the audience of campaigns now and can be reached, and how many were looked at.

    Of more than `SAMPLE_USERS` users, a sample is counted: the first by their random keys. At most `_MAX_AUDIENCES`
    campaigns are measured.
    """
    known, profiles = await _load_sample(tx, campaigns)
    return _measure(campaigns, known, await database_now(tx)), profiles


async def _load_event_names(tx: Transaction) -> frozenset[str] | None:
    """Return the names of the events in the log; None if there are too many to load.

    The query steps from name to name through the index, so that the number of reports of a name costs nothing.
    """

    def next_name(after: ColumnElement[str] | None) -> Any:
        # PostgreSQL knows the order of the index only if `target` is in the ORDER BY, though it is always NULL.
        ahead = interactions.alias()
        statement = select(ahead.c.topic).where(ahead.c.workspace == tx.workspace, ahead.c.target.is_(None))
        if after is not None:
            statement = statement.where(ahead.c.topic > after)
        return statement.order_by(ahead.c.target, ahead.c.topic).limit(1).scalar_subquery()

    first = select(next_name(None).label("name"), literal(1).label("number"))
    names = first.cte("names", recursive=True)
    following = select(next_name(names.c.name), names.c.number + 1).where(
        names.c.name.is_not(None), names.c.number <= MAX_EVENT_NAMES
    )
    found = [name for (name,) in await tx.execute(select(names.union_all(following).c.name)) if name is not None]
    return None if len(found) > MAX_EVENT_NAMES else frozenset(found)


async def _load_properties(tx: Transaction, types: Sequence[LoggedType]) -> dict[LoggedType, Properties]:
    if not types:
        return {}
    parts = []
    for number, type in enumerate(types):
        reports = select(_log.properties).where(_is_of_type(tx, [type])).limit(SAMPLE_REPORTS + 1).subquery()
        parts.append(select(literal(number).label("number"), reports.c.properties))
    names: list[set[str]] = [set() for _ in types]
    counts = [0] * len(types)
    for number, properties in await tx.execute(union_all(*parts)):
        counts[number] += 1
        names[number].update(name for name, value in properties.items() if value is not None)
    return {
        type: Properties(frozenset(names[number]), counts[number], is_all=counts[number] <= SAMPLE_REPORTS)
        for number, type in enumerate(types)
    }


async def _count_missed(
    tx: Transaction, conditions: Mapping[str, InteractionCondition], robots: Robots
) -> dict[str, MissedCount]:
    counted = dict(islice(conditions.items(), _MAX_CONDITIONS))
    compared = {
        key: one
        for key, one in counted.items()
        if is_narrowed(one) or (robots == "ignore" and one.interaction in CLICKS)
    }
    plain = {key: one for key, one in counted.items() if key not in compared}
    return {**await _count_plain(tx, plain), **await _count_matching(tx, compared, robots)}


async def _count_plain(tx: Transaction, conditions: Mapping[str, InteractionCondition]) -> dict[str, MissedCount]:
    if not conditions:
        return {}
    parts = []
    for key, condition in conditions.items():
        limited = select(literal(1).label("one")).where(_is_of_type(tx, logged_types(condition)))
        parts.append(select(literal(key, String), func.count()).select_from(limited.limit(MAX_COUNTED).subquery()))
    rows = await tx.execute(union_all(*parts))
    return {key: MissedCount(count, is_exact=count < MAX_COUNTED) for key, count in rows}


async def _count_matching(
    tx: Transaction, conditions: Mapping[str, InteractionCondition], robots: Robots
) -> dict[str, MissedCount]:
    if not conditions:
        return {}
    limit = MAX_MATCHED // len(conditions)
    parts = []
    for key, condition in conditions.items():
        rows = select(interactions).where(_is_of_type(tx, logged_types(condition))).limit(limit).subquery()
        parts.append(select(literal(key, String).label("condition"), *rows.c))
    seen, found = dict.fromkeys(conditions, 0), dict.fromkeys(conditions, 0)
    for row in (await tx.execute(union_all(*parts))).mappings():
        key, item = row["condition"], entry_from_row(row).item
        seen[key] += 1
        found[key] += passes_robot_filter(item, robots) and matches(item, conditions[key])
    return {key: MissedCount(found[key], is_exact=seen[key] < limit) for key in conditions}


def _is_of_type(tx: Transaction, types: Collection[LoggedType]) -> ColumnElement[bool]:
    """Return the condition that a report is of one of these types, which have one target. The index answers it."""
    target = next(iter(types))[1]
    topics = [topic for topic, _ in types]
    is_topic = _log.topic == topics[0] if len(topics) == 1 else _log.topic.in_(topics)
    is_target = _log.target.is_(None) if target is None else _log.target == target
    return tx.in_workspace(interactions) & is_target & is_topic


async def _load_sample(tx: Transaction, campaigns: Sequence[Campaign]) -> tuple[list[KnownUser], Profiles]:
    """Load users with what audiences need of them; all users if they are no more than the sample."""
    first = select(users.c.user_key).where(tx.in_workspace(users)).order_by(users.c.user_key).limit(SAMPLE_USERS)
    keys = list((await tx.execute(first)).scalars())
    stored = await load_users(tx, keys)
    limited = select(literal(1).label("one")).where(tx.in_workspace(users)).limit(MAX_COUNTED).subquery()
    total = len(keys)
    if total == SAMPLE_USERS:
        total = int((await tx.execute(select(func.count()).select_from(limited))).scalar_one())
    histories = await _load_histories(tx, stored, campaigns)
    known = [
        KnownUser(one.user, LoggedHistory(histories.get(key, UserLog()).entries), one.unreachable)
        for key, one in stored.items()
    ]
    attributes = frozenset(name for one in known for name, value in one.user.attributes.items() if value is not None)
    return known, Profiles(attributes, len(keys), total, is_exact=total < MAX_COUNTED)


async def _load_histories(
    tx: Transaction, stored: Collection[str], campaigns: Sequence[Campaign]
) -> Mapping[str, UserLog]:
    conditions = [one for campaign in campaigns[:_MAX_AUDIENCES] for _, one in past_conditions_of(campaign)]
    types = {type: None for condition in conditions for type in logged_types(condition)}
    if not types or not stored:
        return {}
    return await load_types(tx, dict.fromkeys(stored, types), limit=_ITEMS_PER_TYPE)


def _measure(campaigns: Sequence[Campaign], known: Sequence[KnownUser], now: datetime) -> dict[str, Reach]:
    own = (campaign for campaign in campaigns if campaign.contents and campaign.delivery.type != "external")
    return {campaign.id: measure_reach(campaign, known, now) for campaign in islice(own, _MAX_AUDIENCES)}
