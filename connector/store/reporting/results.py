"""Results of a campaign: how many users reached each step, by control group and variant, in one statement.

Every user counts once per step, and belongs to the time at which they were first reached: the earliest that is known of
a receipt, an enrolment or anything that they did. So the numbers of several days add up to those of all, and a rate
compares what became of the same users. Triggers of the database keep one row for each user whom a campaign reached
(migration 0023), whatever writes: no statement of ingest or of a send is about them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, case, cast, func, literal, null, select

from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.targeting.matching import Robots
from connector.rules.timing.days import Offset
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.reached import ENROLLED, SENT
from connector.store.reporting.triggered import in_range
from connector.store.tables import Instant, reached_users

_OPENED, _OPENED_BY_PEOPLE, _CLICKED, _CLICKED_BY_ROBOT = (1 << bit for bit in range(2, 6))
_CONVERTED = {letter: 1 << (6 + place) for place, letter in enumerate(CONVERSION_LETTERS)}
"""The bits of `steps`, which the triggers of migration 0023 set."""
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
    table = reached_users.c
    # A user without an assignment was enrolled, or not, by another system.
    control = func.coalesce(table.control, table.steps.bitwise_and(ENROLLED) > 0)
    variant = case((control, null()), else_=table.variant)
    day = _day_of(tx, table.at, by_day) if by_day else null()
    of_campaign = select(control.label("control"), variant.label("variant"), day.label("day"), table.steps).where(
        tx.in_workspace(reached_users),
        table.campaign == campaign,
        table.at.is_not(None),
        *in_range(table.at, since, until),
    )
    users = of_campaign.subquery().c
    group = (users.day, users.control, users.variant, users.steps)
    counted: dict[tuple[date | None, bool, str | None], dict[int, int]] = defaultdict(dict)
    for day_number, is_control, name, steps, count in await tx.execute(select(*group, func.count()).group_by(*group)):
        at = None if day_number is None else _EPOCH + timedelta(days=day_number)
        counted[at, bool(is_control), name][steps] = count
    groups = [_add_up(*key, users_by_steps, robots) for key, users_by_steps in counted.items()]
    return sorted(groups, key=lambda group: (group.day or _EPOCH, not group.control, group.variant or ""))


def _day_of(tx: Transaction, at: ColumnElement[Any], offsets: Sequence[Offset]) -> ColumnElement[int]:
    """Return the number of the local day since 1970-01-01, by the offset that held at the instant."""
    later = [(at >= literal(one.since, Instant()), int(one.ahead.total_seconds())) for one in reversed(offsets[1:])]
    first = literal(int(offsets[0].ahead.total_seconds()), Integer)
    ahead = case(*later, else_=first) if later else first
    if tx.dialect == "postgresql":
        return cast(func.floor((func.extract("epoch", at) + ahead) / _DAY_SECONDS), BigInteger)
    return (cast(func.strftime("%s", at), Integer) + ahead) // _DAY_SECONDS


def _add_up(
    day: date | None, control: bool, variant: str | None, users: Mapping[int, int], robots: Robots
) -> ResultCounts:
    """Return the counts of a group, given the number of its users by the steps that they reached."""

    def reached(steps: int, of: Iterable[tuple[int, int]] = users.items()) -> int:
        return sum(count for bits, count in of if bits & steps)

    counted_in = ENROLLED if control else SENT
    compared = [(bits, count) for bits, count in users.items() if bits & counted_in]
    converted = Counter({letter: reached(bit, compared) for letter, bit in _CONVERTED.items()})
    return ResultCounts(
        control=control,
        variant=variant,
        enrolled=reached(ENROLLED) if control else 0,
        sent=0 if control else reached(SENT),
        opened=reached(_OPENED),
        opened_by_people=reached(_OPENED_BY_PEOPLE),
        clicked=reached(_CLICKED | _CLICKED_BY_ROBOT if robots == "count" else _CLICKED),
        converted={letter: count for letter, count in converted.items() if count},
        day=day,
    )
