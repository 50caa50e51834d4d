"""Results of a campaign: how many users reached each step, by control group and variant, in one statement.

Every user counts once per step, and belongs to the time at which they were first reached: at their first receipt or
enrolment, or if none is known at the first thing that they did. So the numbers of several days add up to those of all,
and a rate compares what became of the same users. The log is read by its index over target and topic, the follow-ups by
theirs of who received, users' groups by the primary key of their assignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from connector.rules.model.interactions import CLICKS, LAUNCH_TIME, VIEWS, InteractionType
from connector.rules.model.reasons import State
from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.targeting.matching import PRIMARY_CONVERSION, Robots
from connector.rules.timing.days import Offset
from connector.store.engine.transaction import Transaction
from connector.store.reporting.reached import has_reached
from connector.store.reporting.triggered import in_range
from connector.store.tables import Instant, assignments, follow_ups, interactions

T = InteractionType
RECEIVES = LAUNCH_TIME - {T.ENROLL_IN_CONTROL_GROUP}
OPENS = VIEWS | {T.OPEN_EMAIL, T.OPEN_PUSH}
_EPOCH = date(1970, 1, 1)
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class ResultCounts:
    """How many users of one group reached each step; each user counts once per step.

    Attributes:
        control: whether it is the control group; its users are `enrolled`, all others' messages are `sent`.
        variant: the one of the user's first assignment (T4); None if there was none.
        sent: the message was sent, reported as received, or seen (a receipt by C1; a view of what is viewed).
        opened: emails and pushes opened, cards and in-app messages viewed, robots' opens included.
        opened_by_people: the same, but emails only if the open was classified as a human's (M2).
        clicked: anything, on any channel; robots' clicks count if the workspace's settings say so (M2).
        converted: by the conversion's letter, of those who are enrolled or sent.
        day: on which these users were first reached; None: any.
    """

    control: bool
    variant: str | None
    enrolled: int
    sent: int
    opened: int
    opened_by_people: int
    clicked: int
    converted: dict[str, int] = field(default_factory=dict)
    day: date | None = None


async def count_results(
    tx: Transaction,
    campaign: str,
    robots: Robots,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    by_day: Sequence[Offset] = (),
) -> list[ResultCounts]:
    """Count the results of a campaign or card, the control group first, then by variant; empty groups are left out.

    Args:
        since, until: of the users who were first reached in [since, until), UTC; None: without a bound.
        by_day: also by the day on which they were first reached, the earliest first, in the zone with these offsets;
            before the first of them, its offset holds.
    """
    users = _users(tx, campaign, robots).subquery()
    assignment = assignments.c
    # A user without an assignment was enrolled, or not, by another system.
    control = func.coalesce(assignment.control, users.c.enrolled > 0)
    variant = case((control, null()), else_=assignment.variant)
    is_in = or_(and_(control, users.c.enrolled > 0), and_(~control, users.c.sent > 0))
    day = (_day_of(tx, users.c.at, by_day) if by_day else null()).label("day")
    statement = (
        select(
            control.label("control"),
            variant.label("variant"),
            day,
            func.sum(case((control, users.c.enrolled), else_=0)).label("enrolled"),
            func.sum(case((control, 0), else_=users.c.sent)).label("sent"),
            *(func.sum(users.c[name]).label(name) for name in _STEPS),
            *(func.sum(case((is_in, users.c[letter]), else_=0)).label(letter) for letter in CONVERSION_LETTERS),
        )
        .select_from(users)
        .outerjoin(
            assignments,
            and_(
                tx.in_workspace(assignments), assignment.campaign == campaign, assignment.user_key == users.c.user_key
            ),
        )
        .where(*in_range(users.c.at, since, until))
        .group_by(control, variant, *([day] if by_day else []))
    )
    groups = [_counts(row) for row in await tx.execute(statement)]
    return sorted(groups, key=lambda group: (group.day or _EPOCH, not group.control, group.variant or ""))


def _users(tx: Transaction, campaign: str, robots: Robots) -> Select[Any]:
    """Return the query for one row per user who reached any step: when first, and 1 or 0 for each step."""
    steps = union_all(
        _receipts_in_log(tx, campaign), _steps_in_log(tx, campaign, robots), _steps_in_follow_ups(tx, campaign)
    ).subquery()
    columns = ("enrolled", "sent", *_STEPS, *CONVERSION_LETTERS)
    reached = (func.max(steps.c[name]).label(name) for name in columns)
    return select(steps.c.user_key, func.min(steps.c.at).label("at"), *reached).group_by(steps.c.user_key)


def _receipts_in_log(tx: Transaction, campaign: str) -> Select[Any]:
    """Return what has no property that matters: most rows, which the index has whole."""
    log = interactions.c
    return select(
        log.user_key,
        log.t.label("at"),
        _flag(log.topic == T.ENROLL_IN_CONTROL_GROUP, "enrolled"),
        _flag(log.topic.in_(RECEIVES), "sent"),
        *(_flag(false(), name) for name in (*_STEPS, *CONVERSION_LETTERS)),
    ).where(tx.in_workspace(interactions), log.target == campaign, log.topic.in_(_RECEIPTS))


def _steps_in_log(tx: Transaction, campaign: str, robots: Robots) -> Select[Any]:
    log = interactions.c
    letter = func.coalesce(log.properties["conversion"].as_string(), PRIMARY_CONVERSION)
    is_robot = _is_robot(tx, log.properties)
    is_human = and_(log.properties["opens"].as_string() == "human", ~is_robot)  # as in `matching.opens_of`
    is_by_people = or_(log.topic != T.OPEN_EMAIL, is_human)
    is_counted = true() if robots == "count" else ~is_robot
    return select(
        log.user_key,
        log.t.label("at"),
        _flag(false(), "enrolled"),
        _flag(log.topic.in_(VIEWS), "sent"),
        _flag(log.topic.in_(OPENS), "opened"),
        _flag(and_(log.topic.in_(OPENS), is_by_people), "opened_by_people"),
        _flag(and_(log.topic.in_(CLICKS), is_counted), "clicked"),
        *(_flag(and_(log.topic == T.PERFORM_CONVERSION_EVENT, letter == name), name) for name in CONVERSION_LETTERS),
    ).where(tx.in_workspace(interactions), log.target == campaign, log.topic.in_(_ACTS))


def _steps_in_follow_ups(tx: Transaction, campaign: str) -> Select[Any]:
    """Return what this system sent, also on channels without an interaction, and beyond the log's retention."""
    table = follow_ups.c
    return select(
        table.user_key,
        table.decided_at.label("at"),
        _flag(table.state == State.CONTROL, "enrolled"),
        _flag(table.state == State.SENT, "sent"),
        *(_flag(false(), name) for name in (*_STEPS, *CONVERSION_LETTERS)),
    ).where(tx.in_workspace(follow_ups), table.campaign == campaign, has_reached())


def _day_of(tx: Transaction, at: ColumnElement[Any], offsets: Sequence[Offset]) -> ColumnElement[int]:
    """Return the number of the local day since 1970-01-01, by the offset that held at the instant."""
    later = [(at >= literal(one.since, Instant()), int(one.ahead.total_seconds())) for one in reversed(offsets[1:])]
    first = literal(int(offsets[0].ahead.total_seconds()), Integer)
    ahead = case(*later, else_=first) if later else first
    if tx.dialect == "postgresql":
        return cast(func.floor((func.extract("epoch", at) + ahead) / _DAY_SECONDS), BigInteger)
    return (cast(func.strftime("%s", at), Integer) + ahead) // _DAY_SECONDS


def _is_robot(tx: Transaction, properties: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that the property `robot` is the JSON value true, not a text or a number."""
    if tx.dialect == "postgresql":
        return type_coerce(properties, JSONB).contains({"robot": True})
    return func.coalesce(func.json_type(properties, literal("$.robot"), type_=String) == "true", false())


def _flag(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
    return case((condition, 1), else_=0).label(name)


def _counts(row: Any) -> ResultCounts:
    return ResultCounts(
        control=bool(row.control),
        variant=row.variant,
        enrolled=int(row.enrolled),
        sent=int(row.sent),
        opened=int(row.opened),
        opened_by_people=int(row.opened_by_people),
        clicked=int(row.clicked),
        converted={letter: int(count) for letter in CONVERSION_LETTERS if (count := getattr(row, letter))},
        day=None if row.day is None else _EPOCH + timedelta(days=row.day),
    )


_STEPS = ("opened", "opened_by_people", "clicked")
_RECEIPTS = sorted(LAUNCH_TIME)
_ACTS = sorted({T.PERFORM_CONVERSION_EVENT} | OPENS | CLICKS)
