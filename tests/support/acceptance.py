"""Acceptance cases: a story, and every JSON line that `connector simulate` must print for it."""

from dataclasses import dataclass
from typing import Any

from tests.support.builders import PUSHED, follow_on
from tests.support.simulation import Connector
from tests.support.stories import Row, at, did

CLICKED = {"interaction": "click_email", "campaign": "o"}
UTC_WORKSPACE = {"workspace": "default", "zone": "Etc/UTC"}
NEW_YORK = {"workspace": "default", "zone": "America/New_York"}
EMAIL, PUSH = {"subject": "s", "text": "t"}, {"title": "t", "body": "b"}
HOUR = {"after": "1 hour"}


class Made:
    """Equal to every id that the program made itself (they are opaque)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other != ""

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "MADE"


MADE = Made()


@dataclass(frozen=True)
class Case:
    """A name, the rules that decide the case, the story and the expected lines."""

    name: str
    rules: str
    story: list[Any]
    expected: list[Row]
    until: str | None = None

    def __str__(self) -> str:
        return f"{self.rules.replace(' ', '+')}-{self.name.replace(' ', '-')}"


def check(case: Case, simulate: Connector) -> None:
    """Simulate the case; lines are in the order of the decisions, at the same instant in any order of campaigns."""
    until = ("--until", at(case.until)) if case.until else ()
    done = simulate(*case.story, words=("--json", *until))
    assert done.code == 0, done.err
    decided = [row["decided_at"] for row in done.outcomes if row["decided_at"]]
    assert decided == sorted(decided)
    printed, expected = _ordered(done.outcomes), _ordered(case.expected)
    assert printed == expected, "\n".join(map(str, ["printed:", *printed, "expected:", *expected]))


def _ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["decided_at"] is None, row["decided_at"] or "", row["campaign"]))


def profile(clock: str, id: str = "u", **more: Any) -> Row:
    """More fields of a user."""
    return {"at": at(clock), "user": {"id": id, **more}}


def click(clock: str, id: str, t: str | None = None, user: str = "u", **properties: Any) -> Row:
    """A click in an email of `o`."""
    return did(clock, id, "click_email", t, user, campaign="o", properties=properties)


def event(clock: str, id: str | None, name: str, t: str | None = None, user: str = "u", **properties: Any) -> Row:
    """A custom event."""
    return did(clock, id, "event", t, user, name=name, properties=properties)


def f(trigger: Any = PUSHED, name: str = "f", **delivery: Any) -> Row:
    """A follow-on, by default by push and always eligible again."""
    return follow_on(name, trigger, **{"eligible_again": "always", **delivery})


def _row(trigger: Any, triggered: str, due: str | None, decided: str | None, state: str, **more: Any) -> Row:
    return {
        "campaign": "f",
        "user": "u",
        "trigger": trigger,
        "key": None,
        "triggered_at": at(triggered),
        "due_at": due and at(due),
        "state": state,
        "reason": None,
        "decided_at": decided and at(decided),
        "channels": [],
        **more,
    }


def sent(trigger: Any, triggered: str, due: str | None = None, decided: str | None = None, **more: Any) -> Row:
    """A message that was sent, by default by push and at its due time."""
    due = due or triggered
    return _row(trigger, triggered, due, decided or due, "sent", **{"channels": ["push"], **more})


def dropped(trigger: Any, triggered: str, due: str, reason: str, decided: str | None = None, **more: Any) -> Row:
    """A follow-up that was dropped, by default at its due time."""
    return _row(trigger, triggered, due, decided or due, "dropped", reason=reason, **more)


def excepted(trigger: Any, triggered: str, due: str, by: str, decided: str, **more: Any) -> Row:
    """A follow-up that an exception cancelled."""
    return _row(trigger, triggered, due, decided, "excepted", reason="exception", exception=by, **more)


def refused(trigger: Any, triggered: str, reason: str, decided: str | None = None, **more: Any) -> Row:
    """A trigger that was refused, by default when it happened."""
    return _row(trigger, triggered, None, decided or triggered, "refused", reason=reason, **more)


def control(trigger: Any, triggered: str, due: str | None = None, decided: str | None = None, **more: Any) -> Row:
    """A control user's follow-up."""
    due = due or triggered
    return _row(trigger, triggered, due, decided or due, "control", reason="control_group", **more)


def undecided(state: str, trigger: Any, triggered: str, due: str, **more: Any) -> Row:
    """A follow-up that still waits, or is held, at the end."""
    return _row(trigger, triggered, due, None, state, **more)
