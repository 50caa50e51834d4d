"""M8: a time in whole seconds means that second, wherever an interaction's time is compared with an instant.

Where times in whole seconds come from: RFC 3339 section 5.6 (`time-secfrac` is optional), SendGrid's event webhook
(`timestamp` in seconds), `date -u +%FT%TZ`. The right values are those of M8 and of worked case 25.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Window
from connector.rules.model.schedules import EligibleAfter
from connector.rules.model.times import end_of_second, is_at, is_before, is_unordered, start_of_second
from connector.rules.targeting.eligibility import is_eligible_again
from tests.support.builders import BOUGHT, ORIGINAL, PUSHED, follow_on
from tests.support.playing import play_short
from tests.support.stories import LOOKED, Row, begin, buy, did, look, order, person, push

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def noon(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("t", "instant", "before", "at"),
    [
        (0, 0, False, True),
        (0, 0.741, False, True),
        (0, 0.000001, False, True),
        (0, 0.999999, False, True),
        (0, 1, True, False),
        (0, 1.000001, True, False),
        (0, -0.000001, False, False),
        (0, -0.5, False, False),
        (1, 0.741, False, False),
        (0.3, 0.7, True, False),
        (0.7, 0.3, False, False),
        (0.7, 0.7, False, True),
        (0.3, 0, False, False),
        (0.3, 1, True, False),
        (-0.001, 0, True, False),
    ],
)
def test_a_time_and_an_instant(t: float, instant: float, before: bool, at: bool) -> None:
    """M8: only a time in whole seconds is widened, only to its own second; two whole seconds compare as they are."""
    assert is_before(noon(t), noon(instant)) is before
    assert is_at(noon(t), noon(instant)) is at


@pytest.mark.parametrize(
    ("one", "other", "unordered"),
    [(0, 0, True), (0, 0.3, True), (0.3, 0, True), (0.3, 0.7, False), (0, 1, False), (0.3, 1, False), (0.3, 0.3, True)],
)
def test_two_interactions(one: float, other: float, unordered: bool) -> None:
    """M8 works both ways between two reports: one in whole seconds has no place within its second."""
    assert is_unordered(noon(one), noon(other)) is unordered


def test_limits_of_a_second() -> None:
    """The earliest time and the latest instant of a second bound what M8 can widen."""
    assert (start_of_second(noon(0.4)), start_of_second(noon(0))) == (NOON, NOON)
    assert (end_of_second(noon(0)), end_of_second(noon(0.4))) == (noon(0.999999), noon(0.4))


@pytest.mark.parametrize(
    ("opened", "closed", "t", "inside"),
    [
        (0.741, None, 0, True),
        (0.741, None, 0.7, False),
        (0.741, None, 0.741, True),
        (-60, 0.5, 0, False),
        (-60, 0.5, 0.4, True),
        (-60, 0.5, -1, True),
        (-60, 0, 0, False),
        (0, None, 0, True),
        (0.2, 0.7, 0, False),
        (0.2, 0.7, 0.3, True),
    ],
)
def test_windows(opened: float, closed: float | None, t: float, inside: bool) -> None:
    """M8 and P2: both ends of a publication window; the window's own clock is exact."""
    window = Window(1, noon(opened), None if closed is None else noon(closed))
    assert window.contains(noon(t)) is inside
    assert window.is_open_at(noon(t)) is (noon(opened) <= noon(t) and (closed is None or noon(t) < noon(closed)))


@pytest.mark.parametrize(("t", "eligible"), [(0, True), (0.2, False), (0.3, True), (-1, False)])
def test_eligible_again(t: float, eligible: bool) -> None:
    """M8 and T1: a trigger in whole seconds is not before the instant of that second from which one is eligible."""
    rule = EligibleAfter(after=timedelta(days=1))
    assert is_eligible_again(rule, noon(0.3) - timedelta(days=1), noon(t)) is eligible


def at_once(**more: Any) -> Row:
    return follow_on("f", PUSHED, eligible_again="always", **more)


def hourly(*exceptions: Row, **more: Any) -> Row:
    return follow_on("f", PUSHED, delay={"after": "1 hour"}, exceptions=[*exceptions], eligible_again="always", **more)


OPENED_EMAIL = {"interaction": "open_email", "campaign": "o"}
OPENED_PUSH = {"interaction": "open_push", "campaign": "o"}
NUDGE = hourly(BOUGHT)

PUBLICATIONS: list[tuple[str, list[Any], list[str]]] = [
    (
        "published within the second of the click",
        [ORIGINAL, at_once(), person("08:00"), order("12:00:00.741", "publish", "o", "f"),
         push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c sent push"],
    ),
    (
        "published within the second, the click with its fraction",
        [ORIGINAL, at_once(), person("08:00"), order("12:00:00.741", "publish", "o", "f"),
         push("12:00:02", "c", "12:00:00.7")],
        ["12:00:02 f u c refused before_publish"],
    ),
    (
        "published in the next second",
        [ORIGINAL, at_once(), person("08:00"), order("12:00:01", "publish", "o", "f"), push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c refused before_publish"],
    ),
    (
        "the target published within the second",
        [ORIGINAL, at_once(), person("08:00"), order("11:00", "publish", "f", allow_missed=True),
         order("12:00:00.741", "publish", "o"), push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c sent push"],
    ),
    (
        "the target stopped within the second",
        [ORIGINAL, at_once(), *begin("o", "f"), order("12:00:00.741", "stop", "o"), push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c refused target_inactive"],
    ),
    (
        "stopped and resumed within the second: the later window",
        [ORIGINAL, at_once(), *begin("o", "f"), order("12:00:00.2", "stop", "f"), order("12:00:00.7", "resume", "f"),
         push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c sent push"],
    ),
    (
        "stopped within the second, resumed later",
        [ORIGINAL, at_once(), *begin("o", "f"), order("12:00:00.2", "stop", "f"), order("12:00:01.2", "resume", "f"),
         push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c refused not_live"],
    ),
    (
        "the campaign starts within the second",
        [ORIGINAL, at_once(start="2026-03-02T12:00:00.500Z"), *begin("o", "f"), push("12:00:02", "c", "12:00")],
        ["12:00:02 f u c sent push"],
    ),
    (
        "the campaign starts within the second, the click has a fraction",
        [ORIGINAL, at_once(start="2026-03-02T12:00:00.500Z"), *begin("o", "f"), push("12:00:02", "c", "12:00:00.4")],
        ["12:00:02 f u c refused outside_campaign_duration"],
    ),
]  # fmt: skip

EXCEPTIONS: list[tuple[str, list[Any], list[str]]] = [
    ("in the trigger's second, later", [push("12:00:00.7", "p"), buy("12:00:05", "b", "12:00")],
     ["12:00:05 f u p excepted b"]),
    ("in the trigger's second, arrived first", [buy("12:00:00.4", "b", "12:00"), push("12:00:01", "p", "12:00:00.7")],
     ["12:00:01 f u p excepted b"]),
    ("in the trigger's second, with another item between",
     [buy("12:00:00.1", "b", "12:00"), push("12:00:00.3", "p1"), push("12:00:00.7", "p2")],
     ["12:00:00.300000 f u p1 excepted b", "12:00:00.700000 f u p2 excepted b"]),
    ("with a fraction, before the trigger", [push("12:00:00.7", "p"), buy("12:00:05", "b", "12:00:00.6")],
     ["13:00:00.700000 f u p sent push"]),
    ("in the second before the trigger's", [push("12:00:01.1", "p"), buy("12:00:05", "b", "12:00")],
     ["13:00:01.100000 f u p sent push"]),
    ("with a fraction, of a trigger in whole seconds",
     [push("12:00:01", "p", "12:00"), buy("12:00:05", "b", "12:00:00.3")],
     ["12:00:05 f u p excepted b"]),
    ("both in whole seconds: exactly at the trigger's instant",
     [push("12:00:01", "p", "12:00"), buy("12:00:05", "b", "12:00")],
     ["13:00 f u p sent push"]),
    ("in the dispatch's second, later", [push("12:00:00.3", "p"), buy("13:00:02", "b", "13:00")],
     ["13:00:00.300000 f u p sent push"]),
    ("in the due instant's second, before it", [push("12:00:00.3", "p"), buy("13:00:00.1", "b", "13:00")],
     ["13:00:00.300000 f u p sent push"]),
    ("with a fraction, in the dispatch's second and before it",
     [push("12:00:00.3", "p"), buy("13:00:02", "b", "13:00:00.2")],
     ["13:00:00.300000 f u p sent push", "13:00:02 f u p noted late_exception b push"]),
    ("in the second before the dispatch's", [push("12:00:00.3", "p"), buy("13:00:02", "b", "12:59:59")],
     ["13:00:00.300000 f u p sent push", "13:00:02 f u p noted late_exception b push"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "outcomes"), [(s, o) for _, s, o in PUBLICATIONS], ids=[n for n, _, _ in PUBLICATIONS]
)
def test_publications(story: list[Any], outcomes: list[str]) -> None:
    """M8 with P1, P2 and `start`: the second in which something begins or ends."""
    assert play_short(story) == outcomes


@pytest.mark.parametrize(("lines", "outcomes"), [(s, o) for _, s, o in EXCEPTIONS], ids=[n for n, _, _ in EXCEPTIONS])
def test_exceptions(lines: list[Row], outcomes: list[str]) -> None:
    """M8 with X1 and X2: the second of the trigger, and that of the dispatch."""
    assert play_short(ORIGINAL, NUDGE, begin("o", "f"), lines) == outcomes


def test_exceptions_with_the_triggers_target() -> None:
    """M8 and X2: in the trigger's second every exception in whole seconds counts, whatever its target."""
    for exception, type in ((OPENED_EMAIL, "open_email"), (OPENED_PUSH, "open_push")):
        story = [push("12:00:00.7", "p"), did("12:00:05", "e", type, "12:00", campaign="o")]
        assert play_short(ORIGINAL, hourly(exception), begin("o", "f"), story) == ["12:00:05 f u p excepted e"]


def test_debounce_within_a_second() -> None:
    """M8 and T3: of two triggers that are exceptions, and of which neither is before the other, one waits."""
    cart = follow_on("f", LOOKED, delay={"after": "15 minutes"}, exceptions=[LOOKED], eligible_again="always")
    story = [look("12:00:00.7", "new"), look("12:00:05", "old", "12:00")]
    assert play_short(cart, begin("f"), story) == [
        "12:00:05 f u old refused superseded",
        "12:15:00.700000 f u new sent push",
    ]


@pytest.mark.parametrize(
    ("within", "earlier", "outcome"),
    [
        (None, "12:00", "12:00:01 f u p refused not_in_audience"),
        (None, "12:00:00.2", "12:00:01 f u p sent push"),
        (None, "11:59:59", "12:00:01 f u p sent push"),
        ("1 hour", "11:00", "12:00:01 f u p sent push"),
        ("1 hour", "11:00:00.2", "12:00:01 f u p refused not_in_audience"),
        ("1 hour", "10:59:59", "12:00:01 f u p refused not_in_audience"),
    ],
)
def test_history(within: str | None, earlier: str, outcome: str) -> None:
    """M8 in `did` and `interacted`: both ends of the time [trigger - within, trigger) of a trigger at 12:00:00.300."""
    did_before = {"did": {"event": "make_purchase", **({"within": within} if within else {})}}
    story = [buy("12:00:00.250", "b", earlier), push("12:00:01", "p", "12:00:00.3")]
    assert play_short(ORIGINAL, at_once(audience=did_before), begin("o", "f"), story) == [outcome]


@pytest.mark.parametrize(
    ("t", "counts"),
    [("12:00", True), ("12:00:00.2", False), ("11:59:59", False), ("13:00", False), ("13:00:00.2", True)],
)
def test_conversions(t: str, counts: bool) -> None:
    """M8 and C1: the window [send, send + within) of a message sent at 12:00:00.300."""
    converting = {**ORIGINAL, "conversions": [{"event": "make_purchase", "within": "1 hour"}]}
    thanks = follow_on("g", {"interaction": "perform_conversion_event", "campaign": "o"}, eligible_again="always")
    story = [push("12:00:00.3", "p"), buy("13:00:02", "b", t)]
    assert bool(play_short(converting, thanks, begin("o", "g"), story)) is counts
