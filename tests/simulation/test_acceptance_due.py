"""Acceptance: delays, exceptions, the list at the due time and conversions, on cases that are not the worked ones."""

from typing import Any

import pytest

from tests.support.acceptance import (
    CLICKED,
    EMAIL,
    HOUR,
    MADE,
    NEW_YORK,
    PUSH,
    UTC_WORKSPACE,
    Case,
    check,
    control,
    dropped,
    event,
    excepted,
    f,
    profile,
    refused,
    sent,
)
from tests.support.builders import BOUGHT, OPENED, ORIGINAL
from tests.support.simulation import Connector
from tests.support.stories import LOOKED, at, buy, did, look, order, person, push

NIGHT = {"from": "22:00", "to": "06:00"}
GOLD = {"attribute": "tier", "is": "gold"}
ALONE = [UTC_WORKSPACE, person("01 07:00"), order("01 08:00", "publish", "f")]
PAIR = [UTC_WORKSPACE, person("01 07:00"), order("01 08:00", "publish", "f", "g")]


def _caps(*caps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**UTC_WORKSPACE, "frequency_caps": list(caps), **more}


# D3: zone, local trigger and due instant; each zone's odd day.
ODD_DAYS = [
    ("Australia/Lord_Howe", {"in_days": 1, "at": "02:15"}, "2026-10-02T20:00:00Z", "2026-10-03T15:30:00Z"),  # gap
    ("Australia/Lord_Howe", {"in_days": 1, "at": "01:45"}, "2026-04-03T20:00:00Z", "2026-04-04T14:45:00Z"),  # fold
    ("Pacific/Apia", {"in_days": 1, "at": "09:00"}, "2011-12-29T20:00:00Z", "2011-12-30T10:00:00Z"),  # a day left out
    ("Pacific/Apia", {"in_days": 0, "at": "18:00"}, "2026-03-02T04:00:00Z", "2026-03-02T05:00:00Z"),
    ("Asia/Kathmandu", {"next": "saturday", "at": "09:00"}, "2026-03-06T18:14:59Z", "2026-03-07T03:15:00Z"),
    ("Asia/Kathmandu", {"next": "saturday", "at": "09:00"}, "2026-03-06T18:15:00Z", "2026-03-14T03:15:00Z"),
    ("America/Sao_Paulo", {"in_days": 1, "at": "00:30"}, "2018-11-03T15:00:00Z", "2018-11-04T03:00:00Z"),  # gap
    ("America/Sao_Paulo", {"in_days": 1, "at": "23:30"}, "2018-02-16T15:00:00Z", "2018-02-18T01:30:00Z"),  # fold
    ("Africa/Cairo", {"in_days": 1, "at": "00:00"}, "2026-04-23T10:00:00Z", "2026-04-23T22:00:00Z"),  # gap
    ("Africa/Cairo", {"in_days": 1, "at": "23:30"}, "2026-10-28T10:00:00Z", "2026-10-29T20:30:00Z"),  # fold
    ("America/New_York", {"next": "sunday", "at": "02:30"}, "2026-03-07T15:00:00Z", "2026-03-08T07:00:00Z"),  # gap
    ("America/New_York", {"next": "sunday", "at": "02:30"}, "2026-03-08T12:00:00Z", "2026-03-15T06:30:00Z"),
    ("America/New_York", {"in_days": 1, "at": "01:30"}, "2026-10-31T16:00:00Z", "2026-11-01T05:30:00Z"),  # fold
    ("America/New_York", {"after": "1 day"}, "2026-03-07T15:00:00Z", "2026-03-08T15:00:00Z"),  # D1: 24 hours
    (None, {"in_days": 1, "at": "09:00", "zone": "user"}, "2026-03-02T12:00:00Z", "2026-03-03T14:00:00Z"),
    ("Asia/Tokyo", {"in_days": 1, "at": "09:00", "zone": "company"}, "2026-03-03T04:00:00Z", "2026-03-03T14:00:00Z"),
    ("Asia/Tokyo", {"in_days": 0, "at": "09:00"}, "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"),
]


@pytest.mark.parametrize(("zone", "delay", "triggered", "due"), ODD_DAYS)
def test_wall_clock_delays(simulate: Connector, zone: str | None, delay: Any, triggered: str, due: str) -> None:
    """D1, D2, D3: odd zones, gaps, folds, and a day that is not in the calendar."""
    year = triggered[:4]
    born, live = f"{year}-01-01T00:00:00Z", f"{year}-01-01T00:00:01Z"
    zoned = {} if zone is None else {"time_zone": zone}
    story = [NEW_YORK, f(LOOKED, delay=delay), person(born, **zoned), order(live, "publish", "f")]
    check(Case("", "D3", [*story, look(triggered, "a")], [sent("a", triggered, due)]), simulate)


def _new_york(clock: str, *words: Any) -> list[Any]:
    return [NEW_YORK, person(clock, time_zone="America/New_York"), order(clock, "publish", "f"), *words]


DELAYS = [
    Case("in no days at an hour gone by, due at once", "D2 D4", [
        f(LOOKED, delay={"in_days": 0, "at": "09:00"}), *ALONE, look("21:00", "a")],
        [sent("a", "21:00")]),
    Case("exactly a day late is sent, a second more is stale", "D4", [
        f(LOOKED, delay=HOUR), *ALONE, person("01 07:00", "v"), look("11:00", "a", t="01 10:00"),
        look("11:00:01", "b", t="01 10:00", user="v")],
        [sent("a", "01 10:00", "01 11:00", "11:00"),
         dropped("b", "01 10:00", "01 11:00", "stale", "11:00:01", user="v")]),
    Case("exceptions up to now come before staleness", "D4 X1", [
        {**UTC_WORKSPACE, "stale_after": "1 hour"}, f(LOOKED, delay=HOUR, exceptions=[BOUGHT]), *ALONE[1:],
        person("07:00", "v"), buy("11:30", "x"), look("14:00", "a", t="10:00"),
        look("14:00", "b", t="10:00", user="v")],
        [excepted("a", "10:00", "11:00", "x", "14:00"), dropped("b", "10:00", "11:00", "stale", "14:00", user="v")]),
    Case("the end of a hold counts as the due time", "D4 W1", [
        {**UTC_WORKSPACE, "stale_after": "1 hour"}, f(LOOKED, delay=HOUR, quiet_hours=NIGHT), *ALONE[1:],
        look("21:00", "a")],
        [sent("a", "21:00", "22:00", "03 06:00")]),
    Case("quiet hours end in the gap", "D3 W1", [
        f(LOOKED, delay=HOUR, quiet_hours={"from": "22:00", "to": "02:30"}), *_new_york("07 12:00"),
        look("08 05:00", "a")],
        [sent("a", "08 05:00", "08 06:00", "08 07:00")]),
    Case("quiet hours end in the fold", "D3 W1", [
        f(LOOKED, delay=HOUR, quiet_hours={"from": "22:00", "to": "01:30"}), *_new_york("10-31 12:00"),
        look("11-01 03:30", "a")],
        [sent("a", "11-01 03:30", "11-01 04:30", "11-01 05:30")]),
    Case("a time of day opens in the gap", "D3 W1", [
        f(LOOKED, delay=HOUR, time_of_day={"from": "02:30", "to": "05:00", "outside": "next"}),
        *_new_york("07 12:00"), look("08 05:00", "a")],
        [sent("a", "08 05:00", "08 06:00", "08 07:00")]),
    Case("a time of day opens in the fold", "D3 W1", [
        f(LOOKED, delay=HOUR, time_of_day={"from": "01:30", "to": "05:00", "outside": "next"}),
        *_new_york("10-31 12:00"), look("11-01 03:00", "a")],
        [sent("a", "11-01 03:00", "11-01 04:00", "11-01 05:30")]),
]  # fmt: skip


@pytest.mark.parametrize("case", DELAYS, ids=str)
def test_delays(simulate: Connector, case: Case) -> None:
    """D1 to D4, and windows where a wall clock jumps."""
    check(case, simulate)


def test_spread_is_a_stable_share(simulate: Connector) -> None:
    """D5: each user's own, below the whole of it, the same in every run."""
    users = [f"u{n}" for n in range(40)]
    story = [f(LOOKED, delay=HOUR, spread="15 minutes"), *[person("08:00", user) for user in users]]
    lines = [order("09:00", "publish", "f"), *[look("10:00", user, user=user) for user in users]]
    first, second = (simulate(*story, *lines).outcomes for _ in range(2))
    due = {row["user"]: row["due_at"] for row in first}
    assert due == {row["user"]: row["due_at"] for row in second}
    assert all(at("11:00") <= instant < at("11:15") for instant in due.values())
    assert len(set(due.values())) > 20


EXCEPTIONS = [
    Case("at the trigger's instant only its own target's", "X2", [
        f(delay=HOUR, exceptions=[BOUGHT, OPENED, {"interaction": "open_push", "campaign": "p"}]), ORIGINAL,
        {"campaign": "p", "delivery": {"type": "external"}}, *ALONE, order("01 09:00", "publish", "o"),
        *[person("01 07:00", user) for user in "vw"],
        push("10:00", "a"), did("10:00", "x", "open_push", campaign="o"),
        push("10:00", "b", user="v"), buy("10:00", "y", user="v"),
        push("10:00", "c", user="w"), did("10:00", "n", "open_push", user="w", campaign="p")],
        [excepted("a", "10:00", "11:00", "x", "10:00"), sent("b", "10:00", "11:00", user="v"),
         sent("c", "10:00", "11:00", user="w")]),
    Case("the own target's exception of that instant may arrive first", "X1 X2", [
        f(delay=HOUR, exceptions=[OPENED]), ORIGINAL, *ALONE, order("01 09:00", "publish", "o"),
        did("10:00:01", "x", "open_push", t="10:00", campaign="o"), push("10:00:02", "a", t="10:00")],
        [excepted("a", "10:00", "11:00", "x", "10:00:02")]),
    Case("exactly at the due instant the message wins", "X2", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT]), *ALONE, look("10:00", "a"), buy("11:00", "x"),
        look("12:00", "b"), buy("12:59:59", "y")],
        [sent("a", "10:00", "11:00"), excepted("b", "12:00", "13:00", "y", "12:59:59")]),
    Case("a held one up to the hold's end", "X1 X2", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT], quiet_hours=NIGHT), *ALONE, person("01 07:00", "v"),
        look("21:00", "a"), look("21:00", "b", user="v"), buy("03 05:59:59", "x"), buy("03 06:00", "y", user="v")],
        [excepted("a", "21:00", "22:00", "x", "03 05:59:59"), sent("b", "21:00", "22:00", "03 06:00", user="v")]),
    Case("the first of several, by event time", "X3 D4", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT, {"event": "called"}]), *ALONE,
        event("10:30", "x", "called", t="10:20"),
        buy("10:40", "y", t="10:10"), look("10:50", "a", t="10:00")],
        [excepted("a", "10:00", "11:00", "y", "10:50")]),
    Case("filters compare exactly, one minute before is nothing", "X1 X3", [
        f(LOOKED, delay=HOUR, exceptions=[{**BOUGHT, "where": {"product": "shoe-1"}}]), *ALONE, look("10:00", "a"),
        buy("10:10", "x", product="Shoe-1"), buy("10:20", "y", t="09:59", product="shoe-1"), buy("10:25", "n")],
        [sent("a", "10:00", "11:00")]),
    Case("it names its own target, whatever triggered", "X3", [
        f([LOOKED, CLICKED], delay=HOUR, exceptions=[OPENED]), ORIGINAL, *ALONE, order("01 09:00", "publish", "o"),
        look("10:00", "a"), did("10:10", "x", "open_push", campaign="o")],
        [excepted("a", "10:00", "11:00", "x", "10:10")]),
    Case("stopped during a hold, before its exception", "P9 X1", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT], quiet_hours=NIGHT), *ALONE, look("21:00", "a"),
        order("23:00", "stop", "f"), buy("23:30", "x")],
        [dropped("a", "21:00", "22:00", "stopped", "23:00")]),
    Case("never again still may after an exception", "X4 T1", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT], eligible_again="never"), *ALONE, look("10:00", "a"),
        buy("10:10", "x"),
        look("10:20", "b"), look("11:30", "c")],
        [excepted("a", "10:00", "11:00", "x", "10:10"), sent("b", "10:20", "11:20"),
         refused("c", "11:30", "not_eligible_again")]),
]  # fmt: skip


@pytest.mark.parametrize("case", EXCEPTIONS, ids=str)
def test_exceptions(simulate: Connector, case: Case) -> None:
    """X1 to X4, at and around their boundary instants."""
    check(case, simulate)


# All of these would stop the message; each is named by the first that is left, in the order of the list.
LADDER: list[tuple[str, dict[str, Any]]] = [
    ("outside_campaign_duration", {"end": "2026-03-02T10:30:00Z"}),
    ("outside_time_of_day", {"time_of_day": {"from": "06:00", "to": "08:00"}}),
    ("quiet_hours", {"quiet_hours": {"from": "08:00", "to": "20:00", "then": "drop"}}),
    ("not_in_audience", {"recheck_audience": True}),
    ("no_consent", {}),
    ("frequency_capped", {}),
    ("control_group", {}),
]


@pytest.mark.parametrize("rung", range(len(LADDER)), ids=[reason for reason, _ in LADDER])
def test_order_at_the_due_time(simulate: Connector, rung: int) -> None:
    """W1, W2, W3: of several reasons the first of the list is printed."""
    rules = {key: value for _, more in LADDER[rung:] for key, value in more.items()}
    campaign = f(LOOKED, delay=HOUR, audience=GOLD, control_group=100, **rules)
    warm = f({"event": "warmed"}, "g", ignore_frequency_caps=True)
    loses_consent = [profile("10:40", consent={"push": "unsubscribed"})] if rung <= 4 else []
    capped = _caps({"channel": "push", "at_most": 1, "per": "day"}) if rung <= 5 else UTC_WORKSPACE
    story = [
        capped, campaign, warm, person("08:00", attributes={"tier": "gold"}), order("09:00", "publish", "f", "g"),
        event("09:30", "w", "warmed"), look("10:00", "a"), profile("10:35", attributes={"tier": "tin"}), *loses_consent,
    ]  # fmt: skip
    end = control("a", "10:00", "11:00") if rung == 6 else dropped("a", "10:00", "11:00", LADDER[rung][0])
    check(Case("", "W", story, [sent("w", "09:30", campaign="g"), end]), simulate)


TWO = {"push": PUSH, "email": EMAIL}
PUSHES = {"channel": "push", "at_most": 1, "per": "day"}
ANY = {"channel": "any", "at_most": 1, "per": "day"}
AGAIN = f({"event": "warmed"}, "g")


def _reached(*more: Any, **user: Any) -> list[Any]:
    return [person("01 07:00", **user), order("01 08:00", "publish", "f", "g"), *more]


DUE = [
    Case("staleness before the end of the campaign", "D4 W4", [
        {**UTC_WORKSPACE, "stale_after": "1 hour"}, f(LOOKED, delay=HOUR, end="2026-03-02T10:30:00Z"), *ALONE[1:],
        look("13:00", "a", t="10:00")],
        [dropped("a", "10:00", "11:00", "stale", "13:00")]),
    Case("the campaign ends during the hold", "W1", [
        f(LOOKED, delay=HOUR, quiet_hours=NIGHT, end="2026-03-03T02:00:00Z"), *ALONE, look("21:00", "a")],
        [dropped("a", "21:00", "22:00", "outside_campaign_duration", "03 06:00")]),
    Case("the next opening is past the end", "W1", [
        f(LOOKED, delay=HOUR, time_of_day={"from": "09:00", "to": "17:00", "outside": "next"},
          end="2026-03-03T09:00:00Z"), *ALONE, look("16:00", "a")],
        [dropped("a", "16:00", "17:00", "outside_campaign_duration")]),
    Case("the opening lies in quiet hours", "W1", [
        f(LOOKED, delay=HOUR, time_of_day={"from": "05:00", "to": "12:00", "outside": "next"}, quiet_hours=NIGHT),
        *ALONE, look("22:00", "a")],
        [sent("a", "22:00", "23:00", "03 06:00")]),
    Case("the hold ends outside the time of day", "W1", [
        f(LOOKED, delay=HOUR, time_of_day={"from": "09:00", "to": "23:00"}, quiet_hours=NIGHT), *ALONE,
        look("21:30", "a")],
        [dropped("a", "21:30", "22:30", "outside_time_of_day", "03 06:00")]),
    Case("quiet hours from their first to before their last second", "W1", [
        f(LOOKED, quiet_hours=NIGHT), *ALONE, *[person("01 07:00", user) for user in "vwx"], look("21:59:59", "a"),
        look("22:00", "b", user="v"), look("03 05:59:59", "c", user="w"), look("03 06:00", "d", user="x")],
        [sent("a", "21:59:59"), sent("b", "22:00", decided="03 06:00", user="v"),
         sent("c", "03 05:59:59", decided="03 06:00", user="w"), sent("d", "03 06:00", user="x")]),
    Case("the workspace's quiet hours, and out of them", "W1", [
        {**UTC_WORKSPACE, "quiet_hours": {**NIGHT, "then": "drop"}}, f(LOOKED), f(LOOKED, "g", quiet_hours="none"),
        *PAIR[1:], look("23:00", "a")],
        [dropped("a", "23:00", "23:00", "quiet_hours"), sent("a", "23:00", campaign="g")]),
    Case("the audience is lost during the hold", "W1", [
        f(LOOKED, audience=GOLD, recheck_audience=True, quiet_hours=NIGHT), *ALONE,
        profile("01 09:00", attributes={"tier": "gold"}), look("23:00", "a"),
        profile("23:30", attributes={"tier": "tin"})],
        [dropped("a", "23:00", "23:00", "not_in_audience", "03 06:00")]),
    Case("one channel capped, the other goes", "W1 W2", [
        _caps(PUSHES), f(LOOKED, messages=TWO), AGAIN, *_reached(email="u@shop.example"),
        event("10:00", "w", "warmed"), look("10:05", "a")],
        [sent("w", "10:00", campaign="g"), sent("a", "10:05", channels=["email"])]),
    Case("one channel capped, the other unsubscribed", "W1 W2", [
        _caps(PUSHES), f(LOOKED, messages=TWO), AGAIN,
        *_reached(email="u@shop.example", consent={"email": "unsubscribed"}),
        event("10:00", "w", "warmed"), look("10:05", "a"), look("03 10:00", "b")],
        [sent("w", "10:00", campaign="g"), dropped("a", "10:05", "10:05", "frequency_capped"), sent("b", "03 10:00")]),
    Case("unsubscribed from one, no address for the other", "W1", [
        f(LOOKED, messages=TWO), *ALONE, profile("01 09:00", consent={"push": "unsubscribed"}), look("10:00", "a"),
        profile("10:10", consent={"email": "unsubscribed"}), look("10:20", "b"), look("10:30", "c", user="nobody")],
        [dropped("a", "10:00", "10:00", "unreachable"), dropped("b", "10:20", "10:20", "no_consent"),
         dropped("c", "10:30", "10:30", "unreachable", user="nobody")]),
    Case("two channels are one for any", "W2", [
        _caps({**ANY, "at_most": 2}), f(LOOKED, messages=TWO), *ALONE[1:], profile("01 07:00", email="u@shop.example"),
        look("10:00", "a"), look("10:05", "b"), look("10:10", "c")],
        [sent("a", "10:00", channels=["email", "push"]), sent("b", "10:05", channels=["email", "push"]),
         dropped("c", "10:10", "10:10", "frequency_capped")]),
    Case("a chain is capped, one that ignores caps still counts", "W2 M4", [
        _caps(PUSHES), f({"interaction": "receive_push", "campaign": "g"}), f({"event": "warmed"}, "g",
        ignore_frequency_caps=True), *PAIR[1:], event("10:00", "a", "warmed"), event("10:05", "b", "warmed")],
        [sent("a", "10:00", campaign="g"), dropped(MADE, "10:00", "10:00", "frequency_capped"),
         sent("b", "10:05", campaign="g"), dropped(MADE, "10:05", "10:05", "frequency_capped")]),
    Case("cards are neither capped nor counted nor held", "W2", [
        _caps(ANY, quiet_hours=NIGHT), f(LOOKED, messages={"content_card": PUSH}), AGAIN, *_reached(),
        look("10:00", "a"), event("10:05", "w", "warmed"), look("23:00", "b")],
        [sent("a", "10:00", channels=["content_card"]), sent("w", "10:05", campaign="g"),
         sent("b", "23:00", channels=["content_card"])]),
    Case("what others sent and what did not go out does not count", "W2", [
        _caps(PUSHES), f(control_group=100), AGAIN, ORIGINAL, *_reached(order("01 09:00", "publish", "o")),
        push("10:00", "a"), event("10:05", "w", "warmed"), event("10:06", "x", "warmed")],
        [control("a", "10:00"), sent("w", "10:05", campaign="g"),
         dropped("x", "10:06", "10:06", "frequency_capped", campaign="g")]),
    Case("a week is seven days, today the last", "W2", [
        _caps({"channel": "push", "at_most": 1, "per": "week"}), f(LOOKED), *ALONE[1:], look("02 23:59:59", "a"),
        look("08 23:59:59", "b"), look("09 00:00", "c")],
        [sent("a", "02 23:59:59"), dropped("b", "08 23:59:59", "08 23:59:59", "frequency_capped"),
         sent("c", "09 00:00")]),
    Case("days are the user's, and all rules must hold", "W2", [
        _caps(PUSHES, {"channel": "any", "at_most": 2, "per": {"days": 3}}), f(LOOKED), *ALONE[1:],
        profile("01 07:00", time_zone="Asia/Tokyo"), look("14:59:59", "a"), look("15:00", "b"), look("15:00:01", "c"),
        look("04 14:59:59", "d"), look("04 15:00", "e")],
        [sent("a", "14:59:59"), sent("b", "15:00"), dropped("c", "15:00:01", "15:00:01", "frequency_capped"),
         dropped("d", "04 14:59:59", "04 14:59:59", "frequency_capped"), sent("e", "04 15:00")]),
    Case("a control user counts as having received", "W3 T1", [
        f(LOOKED, control_group=100, eligible_again={"after": "1 day"}),
        f({"interaction": "enroll_in_control_group", "campaign": "f"}, "g"), *PAIR, look("10:00", "a"),
        look("03 09:59:59", "b"), look("03 10:00", "c")],
        [control("a", "10:00"), sent(MADE, "10:00", campaign="g"), refused("b", "03 09:59:59", "not_eligible_again"),
         control("c", "03 10:00"), sent(MADE, "03 10:00", campaign="g")]),
]  # fmt: skip


@pytest.mark.parametrize("case", DUE, ids=str)
def test_at_the_due_time(simulate: Connector, case: Case) -> None:
    """W1 to W4: the list at the due time."""
    check(case, simulate)
