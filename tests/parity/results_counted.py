"""The results of a campaign, counted user by user from the log, the follow-ups and the assignments."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime

from sqlalchemy import RowMapping, select

from connector.rules.model.interactions import CLICKS, LAUNCH_TIME, VIEWS, InteractionType
from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.targeting.matching import PRIMARY_CONVERSION, Robots
from connector.store.engine.transaction import Transaction
from connector.store.reporting.results import ResultCounts
from connector.store.tables import assignments, follow_ups, interactions

T = InteractionType
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


async def count_by_user(
    tx: Transaction,
    campaign: str,
    robots: Robots,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    by_day: bool = False,
) -> list[ResultCounts]:
    """Return what `count_results` should return, with days in UTC."""
    reached: dict[str, set[str]] = defaultdict(set)
    first: dict[str, datetime] = {}

    def note(user: str, at: datetime, steps: set[str]) -> None:
        reached[user] |= steps
        first[user] = min(at, first.get(user, _LATEST))

    log = select(interactions).where(tx.in_workspace(interactions), interactions.c.target == campaign)
    for row in (await tx.execute(log)).mappings():
        if row["topic"] in LAUNCH_TIME | VIEWS | CLICKS | {T.OPEN_EMAIL, T.OPEN_PUSH, T.PERFORM_CONVERSION_EVENT}:
            note(row["user_key"], row["t"], _steps_of(row, robots))
    ended = select(follow_ups).where(tx.in_workspace(follow_ups), follow_ups.c.campaign == campaign)
    for row in (await tx.execute(ended.where(follow_ups.c.state.in_(["sent", "control"])))).mappings():
        note(row["user_key"], row["decided_at"], {"sent" if row["state"] == "sent" else "enrolled"})
    given = select(assignments).where(tx.in_workspace(assignments), assignments.c.campaign == campaign)
    assigned = {row["user_key"]: row for row in (await tx.execute(given)).mappings()}
    groups: dict[tuple[date | None, bool, str | None], list[set[str]]] = defaultdict(list)
    for user, at in first.items():
        if (since or _EARLIEST) <= at < (until or _LATEST):
            one = assigned.get(user)
            control = "enrolled" in reached[user] if one is None else one["control"]
            variant = None if one is None or control else one["variant"]
            groups[at.date() if by_day else None, control, variant].append(reached[user])
    counted = [_count(*key, users) for key, users in groups.items()]
    return sorted(counted, key=lambda one: (one.day or date.min, not one.control, one.variant or ""))


def _steps_of(row: RowMapping, robots: Robots) -> set[str]:
    topic, properties = row["topic"], row["properties"]
    is_robot = properties.get("robot") is True
    if topic == T.PERFORM_CONVERSION_EVENT:
        return {properties.get("conversion") or PRIMARY_CONVERSION}
    if topic == T.ENROLL_IN_CONTROL_GROUP:
        return {"enrolled"}
    if topic in LAUNCH_TIME:
        return {"sent"}
    if topic in CLICKS:
        return {"clicked"} if robots == "count" or not is_robot else set()
    is_by_people = topic != T.OPEN_EMAIL or (properties.get("opens") == "human" and not is_robot)
    opened = {"opened", "opened_by_people"} if is_by_people else {"opened"}
    return opened | {"sent"} if topic in VIEWS else opened


def _count(day: date | None, control: bool, variant: str | None, users: list[set[str]]) -> ResultCounts:
    numbers = Counter(step for steps in users for step in steps)
    compared = [steps for steps in users if ("enrolled" if control else "sent") in steps]
    converted = Counter(step for steps in compared for step in steps if step in CONVERSION_LETTERS)
    return ResultCounts(
        control=control,
        variant=variant,
        enrolled=numbers["enrolled"] if control else 0,
        sent=0 if control else numbers["sent"],
        opened=numbers["opened"],
        opened_by_people=numbers["opened_by_people"],
        clicked=numbers["clicked"],
        converted=dict(converted),
        day=day,
    )
