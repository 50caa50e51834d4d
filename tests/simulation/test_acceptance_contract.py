"""Acceptance: refused and warned publications, audiences, conversions and the lines of the contract."""

from typing import Any

import pytest

from tests.support.acceptance import (
    CLICKED,
    HOUR,
    MADE,
    PUSH,
    UTC_WORKSPACE,
    Case,
    check,
    control,
    event,
    excepted,
    f,
    profile,
    refused,
    sent,
    undecided,
)
from tests.support.builders import BOUGHT, ORIGINAL, PUSHED
from tests.support.simulation import Connector
from tests.support.stories import LOOKED, apply, buy, did, look, order, person, push

ALONE = [UTC_WORKSPACE, person("01 07:00"), order("01 08:00", "publish", "f")]
PAIR = [UTC_WORKSPACE, person("01 07:00"), order("01 08:00", "publish", "f", "g")]
MAIL = {"email": {"subject": "s", "html": '<a href="https://shop.example" data-alias="cta_main">Go</a>'}}
SESSION = {"event": "start_session"}
WHILE_DRAFT = [order("09:00", "publish", "o")]
ONE = [order("09:00", "publish", "f")]
FIRST_O = [order("08:00", "publish", "o"), *ONE]
NIGHT = {"from": "22:00", "to": "06:00"}


def _external(**more: Any) -> dict[str, Any]:
    return {"campaign": "o", "delivery": {"type": "external"}, **more}


def _on_o(kind: str, **more: Any) -> dict[str, Any]:
    return f({"interaction": kind, "campaign": "o", **more})


def _alone(**delivery: Any) -> list[Any]:
    return [f(LOOKED, **delivery), *ONE]


REFUSED = {
    "P3-draft-listens-to-receive": (
        "f miss its receive_push", [f(), ORIGINAL, *WHILE_DRAFT]),
    "P3-draft-listens-to-control": (
        "f miss its enroll_in_control_group", [_on_o("enroll_in_control_group"), ORIGINAL, *WHILE_DRAFT]),
    "P3-draft-listens-to-webhook": (
        "f miss its receive_webhook", [_on_o("receive_webhook"), ORIGINAL, *WHILE_DRAFT]),
    "P3-unknown-target": (
        "does not exist", [f(), *ONE]),
    "P3-unknown-target-of-an-exception": (
        "does not exist", _alone(delay=HOUR, exceptions=[{"interaction": "open_push", "campaign": "no"}])),
    "P3-archived-target": (
        "archived", [f(CLICKED), ORIGINAL, *FIRST_O[:1], order("08:30", "archive", "o"), *ONE]),
    "P5-all-or-none": (
        "g:", [f(LOOKED), f({"interaction": "receive_push", "campaign": "no"}, "g"),
                       order("09:00", "publish", "f", "g")]),
    "P6-cycle-of-two": (
        "cycle", [f({"interaction": "receive_push", "campaign": "g"}, eligible_again="never"),
                         f({"interaction": "receive_push", "campaign": "f"}, "g", eligible_again={"after": "1 day"}),
                         order("09:00", "publish", "f", "g")]),
    "P6-itself": (
        "cycle", [f([LOOKED, {"interaction": "receive_push", "campaign": "f"}]), *ONE]),
    "P6-closed-later": (
        "cycle", [f([LOOKED, {"interaction": "open_push", "campaign": "g"}]),
                        f({"interaction": "open_push", "campaign": "f"}, "g"), *ONE, order("09:30", "publish", "g")]),
    "P7-exception-without-a-delay": (
        "without a delay", _alone(exceptions=[BOUGHT])),
    "P7-session-as-both": (
        "start_session", [f(SESSION, delay=HOUR, exceptions=[SESSION]), *ONE]),
    "P7-longer-than-the-duration": (
        "longer", _alone(delay={"after": "3601 seconds"}, start="2026-03-02T10:00:00Z",
                                         end="2026-03-02T11:00:00Z")),
    "P7-longer-than-what-is-left": (
        "longer", _alone(delay={"after": "3601 seconds"}, end="2026-03-02T10:00:00Z")),
    "P7-empty-time-of-day": (
        "time_of_day", _alone(time_of_day={"from": "09:00", "to": "09:00"})),
    "P7-empty-quiet-hours": (
        "quiet_hours", _alone(quiet_hours={"from": "09:00", "to": "09:00"})),
    "P7-end-not-after-start": (
        "`end`", _alone(start="2026-03-03T10:00:00Z", end="2026-03-03T10:00:00Z")),
    "P7-end-is-now": (
        "`end`", _alone(end="2026-03-02T09:00:00Z")),
    "P7-day-inside-the-night": (
        "inside", _alone(time_of_day={"from": "22:00", "to": "23:00"}, quiet_hours=NIGHT)),
    "P7-day-across-midnight-inside-the-night": (
        "inside", _alone(time_of_day=NIGHT, quiet_hours=NIGHT)),
    "P7-empty-predicate": (
        "empty", _alone(audience={"all": []})),
    "P7-eligible-again-too-long": (
        "720 days", _alone(eligible_again={"after": "721 days"})),
    "P7-no-such-alias": (
        "alias footer", [_on_o("click_email_alias", alias="footer"), _external(messages=MAIL), *ONE]),
    "P7-no-such-button": (
        "button x", [_on_o("click_push_button", button="x"), _external(messages={"push": PUSH}), *ONE]),
    "P7-no-such-channel": (
        "sms", [_on_o("receive_sms"), _external(messages={"push": PUSH}), *ONE]),
    "M1-a-button-must-be-named": (
        "button", [_on_o("click_in_app_message_button"), ORIGINAL, *FIRST_O]),
    "M1-an-alias-must-be-named": (
        "alias", [_on_o("click_email_alias"), ORIGINAL, *FIRST_O]),
    "M5-campaign-and-card": (
        "card", [f({"interaction": "view_content_card", "campaign": "o", "card": "o"}), ORIGINAL, *FIRST_O]),
    "W2-eleven-caps": (
        "10", [{**UTC_WORKSPACE, "frequency_caps": [{"channel": "push", "at_most": 9, "per": "day"}] * 11},
                       f(LOOKED), *ONE]),
    "C1-window-too-long": (
        "30 days", [f(LOOKED, conversions=[{**BOUGHT, "within": "31 days"}]), *ONE]),
    "C1-five-conversions": (
        "4", [f(LOOKED, conversions=[BOUGHT] * 5), *ONE]),
    "P9-archived-is-not-editable": (
        "archived", [f(LOOKED), *ONE, order("09:30", "archive", "f"), apply("10:00", f(LOOKED))]),
    "contract-a-line-of-two-things": (
        "line 1", [f(LOOKED), {**ONE[0], "stop": "f"}]),
    "contract-no-zone": (
        "line 1", [f(LOOKED), {**ONE[0], "at": "2026-03-02T09:00:00"}]),
    "contract-unknown-kind": (
        "line 2", [f(LOOKED), *ONE, did("10:00", "a", "opened", campaign="o")]),
}  # fmt: skip


@pytest.mark.parametrize(("word", "story"), REFUSED.values(), ids=REFUSED)
def test_refused(simulate: Connector, word: str, story: list[Any]) -> None:
    """P3 to P7 and what else is no definition or no line: exit code 1, and why on standard error."""
    done = simulate(*story)
    assert (done.code, done.out) == (1, "")
    assert word in done.err


ALLOWED = {
    "P3-allow-missed": ([f(), ORIGINAL, order("09:00", "publish", "o", allow_missed=True)], []),
    "P3-an-exception-does-not-bind": ([f(LOOKED, delay=HOUR, exceptions=[{**PUSHED}]), ORIGINAL, *WHILE_DRAFT], []),
    "P3-a-click-is-warned-of": ([f(CLICKED), ORIGINAL, *WHILE_DRAFT], ["f", "click_email"]),
    "P4-click": ([f(CLICKED), ORIGINAL, *FIRST_O], ["o"]),
    "P4-counts-the-missed": (
        [f(), ORIGINAL, order("08:00", "publish", "o", allow_missed=True),
         *[push("08:30", x, user=x) for x in ("a", "b", "c")], *ONE], ["3"]),
    "P5-nothing-new": ([f(LOOKED), *ONE, order("10:00", "publish", "f")], ["f"]),
    "P6-draft-ends-the-cycle": (
        [f([LOOKED, {"interaction": "open_push", "campaign": "g"}]),
         f({"interaction": "open_push", "campaign": "f"}, "g"), *ONE], []),
    "P7-as-long-as-the-duration": (_alone(delay=HOUR, start="2026-03-02T10:00:00Z", end="2026-03-02T11:00:00Z"), []),
    "P7-day-partly-in-the-night": (_alone(time_of_day={"from": "05:59", "to": "06:01"}, quiet_hours=NIGHT), []),
    "P7-720-days": (_alone(eligible_again={"after": "720 days"}), []),
    "P7-alias-of-the-target": ([_on_o("click_email_alias", alias="cta_main"), _external(messages=MAIL), *ONE], []),
    "P7-unknown-messages": ([_on_o("click_email_alias", alias="footer"), ORIGINAL, *ONE], []),
    "P8-audience-of-the-trigger": (
        [f(CLICKED, audience={"interacted": CLICKED}), ORIGINAL, *ONE], ["first"]),
    "P8-machine-opens": (
        [f(LOOKED, delay=HOUR, exceptions=[{"interaction": "open_email", "campaign": "o"}]), ORIGINAL, *ONE],
        ["some readers' mail programs open every mail"]),
}  # fmt: skip


@pytest.mark.parametrize(("story", "words"), ALLOWED.values(), ids=ALLOWED)
def test_allowed_or_warned(simulate: Connector, story: list[Any], words: list[str]) -> None:
    """P3 to P8: applied, with a warning on standard error if there is one."""
    done = simulate(*story)
    assert done.code == 0, done.err
    assert all(word in done.err for word in words)


def test_human_opens_are_not_warned_of(simulate: Connector) -> None:
    """P8: machines cannot satisfy this one."""
    opened = {"interaction": "open_email", "campaign": "o", "opens": "human"}
    done = simulate(f(LOOKED, delay=HOUR, exceptions=[opened]), ORIGINAL, *ONE)
    assert (done.code, "mail programs" in done.err) == (0, False)


# Each predicate, and whether it matches: what it compares with, something else, a user who lacks the attribute.
PREDICATES: list[tuple[dict[str, Any], Any, Any, bool]] = [
    ({"is": "gold"}, "gold", "Gold", False),
    ({"is_not": "gold"}, "tin", "gold", True),
    ({"in": ["gold", "tin"]}, "tin", "iron", False),
    ({"not_in": ["gold", "tin"]}, "iron", "tin", True),
    ({"more_than": 10}, 10.5, 10, False),
    ({"at_least": 10}, 10, 9, False),
    ({"less_than": 10}, -1, 10, False),
    ({"at_most": 10}, 10, 11, False),
    ({"contains": "shoes"}, ["hats", "shoes"], ["hats"], False),
]


@pytest.mark.parametrize(("comparison", "yes", "no", "missing"), PREDICATES, ids=[next(iter(p[0])) for p in PREDICATES])
def test_predicates(simulate: Connector, comparison: dict[str, Any], yes: Any, no: Any, missing: bool) -> None:
    """Design 8: every comparison, and what a missing attribute satisfies."""
    predicate = {"attribute": "x", **comparison}
    people = {"yes": {"x": yes}, "no": {"x": no}, "missing": {"y": 1}}
    story = [f(LOOKED, audience=predicate), f(LOOKED, "g", audience={"not": predicate}), *PAIR[2:]]
    profiles = [person("01 07:00", user, attributes=its) for user, its in people.items()]
    done = simulate(UTC_WORKSPACE, *story, *profiles, *[look("10:00", user, user=user) for user in people])
    outcomes = {(row["campaign"], row["user"]): row["state"] for row in done.outcomes}
    expected = {"yes": True, "no": False, "missing": missing}
    assert outcomes == {
        (campaign, user): "sent" if taken is (campaign == "f") else "refused"
        for user, taken in expected.items()
        for campaign in ("f", "g")
    }


@pytest.mark.parametrize("exists", [True, False])
def test_exists(simulate: Connector, exists: bool) -> None:
    """Design 8: an empty text exists, an attribute that was never reported does not."""
    story = [
        f(LOOKED, audience={"attribute": "x", "exists": exists}),
        *ALONE,
        profile("01 07:00", attributes={"x": ""}),
    ]
    done = simulate(*story, person("01 07:00", "v"), look("10:00", "a"), look("10:00", "b", user="v"))
    assert [row["state"] for row in done.outcomes] == (["sent", "refused"] if exists else ["refused", "sent"])


WEEK = {"did": {**BOUGHT, "within": "7 days"}}
AUDIENCES = [
    Case("all, any and not of past and attributes", "T", [
        f(LOOKED, audience={"all": [{"any": [WEEK, {"attribute": "tier", "is": "gold"}]},
                                    {"not": {"interacted": {**CLICKED, "within": "30 days"}}}]}),
        ORIGINAL, *ALONE, order("01 09:00", "publish", "o"), *[person("01 07:00", user) for user in "vwx"],
        profile("01 07:00", "w", attributes={"tier": "gold"}), buy("02 10:00", "b1"), buy("02 10:00", "b2", user="v"),
        look("09 09:59:59", "a"), look("09 10:00:01", "b", user="v"), look("09 11:00", "c", user="w"),
        did("09 12:00", "k", "click_email", user="w", campaign="o"), look("09 12:01", "d", user="w")],
        [sent("a", "09 09:59:59"), refused("b", "09 10:00:01", "not_in_audience", user="v"),
         sent("c", "09 11:00", user="w"), refused("d", "09 12:01", "not_in_audience", user="w")]),
    Case("a second line about a user merges", "contract", [
        f(LOOKED, audience={"all": [{"attribute": "a", "is": 1}, {"attribute": "b", "is": 2}]}),
        f(LOOKED, "g", messages={"push": PUSH, "sms": {"body": "b"}}), *PAIR[2:], UTC_WORKSPACE,
        profile("01 07:00", attributes={"a": 1}, phone="+49301234567", consent={"sms": "unsubscribed"}),
        profile("01 07:30", attributes={"b": 2}, push_tokens=["t"], consent={"email": "unsubscribed"}),
        look("10:00", "x")],
        [sent("x", "10:00"), sent("x", "10:00", campaign="g")]),
    Case("a user without a profile", "contract W1", [
        f(LOOKED, audience={"attribute": "a", "is_not": 1},
          messages={"webhook": {"url": "https://shop.example/hook"}, "push": PUSH}), *ALONE[2:],
        look("10:00", "x", user="nobody")],
        [sent("x", "10:00", user="nobody", channels=["webhook"])]),
    Case("until is inclusive, what waits comes last", "contract", [
        f(LOOKED, delay=HOUR, quiet_hours={"from": "10:30", "to": "13:00"}), f(LOOKED, "g", delay=HOUR), *PAIR,
        look("09:30", "a"), look("10:30", "b"), look("10:30:01", "c", user="v")],
        [sent("a", "09:30", "10:30", campaign="g"), undecided("held", "a", "09:30", "10:30"),
         refused("b", "10:30", "already_waiting"), undecided("waiting", "b", "10:30", "11:30", campaign="g")],
        until="10:30"),
]  # fmt: skip


@pytest.mark.parametrize("case", AUDIENCES, ids=str)
def test_audiences_and_lines(simulate: Connector, case: Case) -> None:
    """Design 8: predicates over the past, profiles in several parts, and the end of a run."""
    check(case, simulate)


SIGNED = {"event": "signed_up", "within": "1 hour"}


def _converted(name: str, **more: Any) -> dict[str, Any]:
    return f({"interaction": "perform_conversion_event", "campaign": "f", **more}, name)


CONVERSIONS = [
    Case("the second conversion in its hour", "C1 M1", [
        f(LOOKED, conversions=[BOUGHT, SIGNED]), _converted("g"), _converted("h", conversion="B"), *PAIR[:2],
        person("01 07:00", "v"), order("01 08:00", "publish", "f", "g", "h"),
        event("09:30", "s0", "signed_up"), look("10:00", "a"), look("10:00", "b", user="v"),
        event("10:59:58", "s1", "signed_up"), event("10:59:59", "s2", "signed_up"),
        event("11:00", "s3", "signed_up", user="v")],
        [sent("a", "10:00"), sent("b", "10:00", user="v"), sent(MADE, "10:59:58", campaign="h")]),
    Case("three days by default, once for each receipt", "C1", [
        f(LOOKED, conversions=[BOUGHT]), _converted("g"), *PAIR, person("01 07:00", "v"), look("10:00", "a"),
        look("10:00", "b", user="v"), buy("10:30", "x"), buy("10:31", "y"), look("11:00", "c"), buy("11:30", "n"),
        buy("05 09:59:59", "m", user="v"), look("05 10:00", "d", user="w"), buy("05 10:00", "o", user="w")],
        [sent("a", "10:00"), sent("b", "10:00", user="v"), sent(MADE, "10:30", campaign="g"), sent("c", "11:00"),
         sent(MADE, "11:30", campaign="g"), sent(MADE, "05 09:59:59", user="v", campaign="g"),
         {**sent("d", "05 10:00", user="w"), "state": "dropped", "reason": "unreachable", "channels": []}]),
    Case("control users convert too", "C1 W3", [
        f(LOOKED, control_group=100, conversions=[BOUGHT]), _converted("g"), *PAIR, look("10:00", "a"),
        buy("10:30", "x")],
        [control("a", "10:00"), sent(MADE, "10:30", campaign="g")]),
    Case("a card's window begins with its first view", "C1", [
        f(LOOKED, messages={"content_card": PUSH}, conversions=[{**BOUGHT, "within": "1 hour"}]), _converted("g"),
        *PAIR,
        person("01 07:00", "v"), look("10:00", "a"), look("10:00", "b", user="v"), buy("10:30", "x"),
        did("11:00", "s", "view_content_card", campaign="f"), buy("11:30", "y"),
        did("11:00", "r", "view_content_card", user="v", campaign="f"),
        did("11:40", "r2", "view_content_card", user="v", campaign="f"), buy("12:00", "n", user="v")],
        [sent("a", "10:00", channels=["content_card"]), sent("b", "10:00", user="v", channels=["content_card"]),
         sent(MADE, "11:30", campaign="g")]),
    Case("a conversion calls another one off", "C1 X1", [
        f(LOOKED, conversions=[BOUGHT]),
        f({"interaction": "receive_push", "campaign": "f"}, "g", delay=HOUR,
          exceptions=[{"interaction": "perform_conversion_event", "campaign": "f"}]), *PAIR, look("10:00", "a"),
        buy("10:30", "x")],
        [sent("a", "10:00"), excepted(MADE, "10:00", "11:00", MADE, "10:30", campaign="g")]),
]  # fmt: skip


@pytest.mark.parametrize("case", CONVERSIONS, ids=str)
def test_conversions(simulate: Connector, case: Case) -> None:
    """C1: windows, letters, receipts, control users and views."""
    check(case, simulate)
