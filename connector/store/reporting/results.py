"""What came of a campaign: of how many users each step is known, by control group and variant, in one statement.

Every user counts once a step. What is asked of the log goes by its index over target and topic, what is asked of the
follow-ups by theirs over campaign and state; users' groups are looked up by the key of their kept assignments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
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
from connector.store.engine.transaction import Transaction
from connector.store.tables import assignments, follow_ups, interactions

T = InteractionType
RECEIVES = LAUNCH_TIME - {T.ENROLL_IN_CONTROL_GROUP}
OPENS = VIEWS | {T.OPEN_EMAIL, T.OPEN_PUSH}


@dataclass(frozen=True)
class ResultCounts:
    """Of how many users of one group each step is known; each user counts once a step.

    Attributes:
        control: the control group; its users are `enrolled`, all others' messages are `sent`.
        variant: as kept at the user's first assignment (T4); None where there was none.
        sent: the message was handed over, reported as received, or seen (a receipt by C1; a view, for what is viewed).
        opened: mails and pushes opened, cards and in-app messages viewed, by whomever.
        opened_by_people: without the mails whose open was not classified as a human's (M2).
        clicked: anything, in whatever channel; robots' clicks as the workspace says (M2).
        converted: by the conversion's letter, of those who are enrolled or sent.
    """

    control: bool
    variant: str | None
    enrolled: int
    sent: int
    opened: int
    opened_by_people: int
    clicked: int
    converted: dict[str, int] = field(default_factory=dict)


async def count_results(tx: Transaction, campaign: str, robots: Robots) -> list[ResultCounts]:
    """What came of a campaign or card, the control group first, then by variant; groups of nobody are left out."""
    users = _users(tx, campaign, robots).subquery()
    kept = assignments.c
    # Whoever has no kept assignment was enrolled, or not, by another system.
    control = func.coalesce(kept.control, users.c.enrolled > 0)
    variant = case((control, null()), else_=kept.variant)
    is_in = or_(and_(control, users.c.enrolled > 0), and_(~control, users.c.sent > 0))
    statement = (
        select(
            control.label("control"),
            variant.label("variant"),
            func.sum(case((control, users.c.enrolled), else_=0)).label("enrolled"),
            func.sum(case((control, 0), else_=users.c.sent)).label("sent"),
            *(func.sum(users.c[name]).label(name) for name in _STEPS),
            *(func.sum(case((is_in, users.c[letter]), else_=0)).label(letter) for letter in CONVERSION_LETTERS),
        )
        .select_from(users)
        .outerjoin(
            assignments,
            and_(tx.in_workspace(assignments), kept.campaign == campaign, kept.user_key == users.c.user_key),
        )
        .group_by(control, variant)
    )
    found = [_counted(row) for row in await tx.execute(statement)]
    return sorted(found, key=lambda one: (not one.control, one.variant or ""))


def _users(tx: Transaction, campaign: str, robots: Robots) -> Select[Any]:
    """One row a user who has anything to do with it: 1 or 0 for each step."""
    facts = union_all(_of_the_log(tx, campaign, robots), _of_follow_ups(tx.workspace, campaign)).subquery()
    columns = ("enrolled", "sent", *_STEPS, *CONVERSION_LETTERS)
    return select(facts.c.user_key, *(func.max(facts.c[name]).label(name) for name in columns)).group_by(
        facts.c.user_key
    )


def _of_the_log(tx: Transaction, campaign: str, robots: Robots) -> Select[Any]:
    log = interactions.c
    letter = func.coalesce(log.properties["conversion"].as_string(), PRIMARY_CONVERSION)
    by_people = or_(log.topic != T.OPEN_EMAIL, log.properties["opens"].as_string() == "human")
    counts = true() if robots == "count" else ~_flagged(tx, log.properties)
    return select(
        log.user_key,
        _one(log.topic == T.ENROLL_IN_CONTROL_GROUP, "enrolled"),
        _one(log.topic.in_(RECEIVES | VIEWS), "sent"),
        _one(log.topic.in_(OPENS), "opened"),
        _one(and_(log.topic.in_(OPENS), by_people), "opened_by_people"),
        _one(and_(log.topic.in_(CLICKS), counts), "clicked"),
        *(_one(and_(log.topic == T.PERFORM_CONVERSION_EVENT, letter == name), name) for name in CONVERSION_LETTERS),
    ).where(tx.in_workspace(interactions), log.target == campaign, log.topic.in_(_ASKED))


def _of_follow_ups(workspace: str, campaign: str) -> Select[Any]:
    """What this system sent, also where handing it over makes no interaction, and beyond the log's retention."""
    table = follow_ups.c
    return select(
        table.user_key,
        _one(table.state == State.CONTROL, "enrolled"),
        _one(table.state == State.SENT, "sent"),
        *(_one(false(), name) for name in (*_STEPS, *CONVERSION_LETTERS)),
    ).where(
        table.workspace == workspace,
        table.campaign == campaign,
        table.state.in_((State.CONTROL.value, State.SENT.value)),
    )


def _flagged(tx: Transaction, properties: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether `robot` is true, and not merely something that reads so."""
    if tx.dialect == "postgresql":
        return type_coerce(properties, JSONB).contains({"robot": True})
    return func.coalesce(func.json_type(properties, literal("$.robot"), type_=String) == "true", false())


def _one(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
    return case((condition, 1), else_=0).label(name)


def _counted(row: Any) -> ResultCounts:
    return ResultCounts(
        control=bool(row.control),
        variant=row.variant,
        enrolled=int(row.enrolled),
        sent=int(row.sent),
        opened=int(row.opened),
        opened_by_people=int(row.opened_by_people),
        clicked=int(row.clicked),
        converted={letter: int(count) for letter in CONVERSION_LETTERS if (count := getattr(row, letter))},
    )


_STEPS = ("opened", "opened_by_people", "clicked")
_ASKED = sorted({T.ENROLL_IN_CONTROL_GROUP, T.PERFORM_CONVERSION_EVENT} | RECEIVES | OPENS | CLICKS)
