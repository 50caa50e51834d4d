"""The list at the due time, control groups and chains, in `connector simulate`."""

from typing import Any

import pytest

from tests.support.builders import BOUGHT, ORIGINAL, PUSHED, follow_on
from tests.support.simulation import Connector, Play
from tests.support.stories import LOOKED, apply, at, begin, buy, did, look, order, person, push, short

PUSH, EMAIL = {"title": "t", "body": "b"}, {"subject": "s", "text": "t"}
APP = {"title": "t", "body": "b"}


def _looked(name: str = "f", **more: Any) -> dict[str, Any]:
    return follow_on(name, LOOKED, **{"eligible_again": "always", **more})


def test_chain_through_made_receipts(play: Play) -> None:
    """M4: what is sent is received at that instant, and starts the next one; a purchase ends the one that waits."""
    chain = [
        _looked("first"),
        follow_on("second", {"interaction": "receive_push", "campaign": "first"}, delay={"after": "1 hour"}),
        follow_on(
            "third",
            {"interaction": "receive_push", "campaign": "second"},
            delay={"after": "1 hour"},
            exceptions=[BOUGHT],
        ),
    ]
    story = [*chain, *begin("first", "second", "third"), person("08:00", "v")]
    assert play(*story, look("10:00", "a"), look("10:00", "b", user="v"), buy("11:30", "bought", user="v")) == [
        "10:00 first u a sent push",
        "10:00 first v b sent push",
        "11:00 second u made sent push",
        "11:00 second v made sent push",
        "11:30 third v made excepted bought",
        "12:00 third u made sent push",
    ]


@pytest.mark.parametrize(("channel", "message", "receipt"), [
    ("email", EMAIL, "receive_email"),
    ("sms", {"body": "b"}, "receive_sms"),
    ("push", PUSH, "receive_push"),
    ("webhook", {"url": "https://shop.example/hook"}, "receive_webhook"),
])  # fmt: skip
def test_receipt_of_each_channel(play: Play, channel: str, message: dict[str, Any], receipt: str) -> None:
    """M4: sending is receiving, on the channels that have a receipt."""
    story = [_looked(messages={channel: message}), follow_on("g", {"interaction": receipt, "campaign": "f"})]
    lines = [*begin("f", "g", email="u@shop.example", phone="+15550100"), look("10:00", "a")]
    assert play(*story, lines) == [f"10:00 f u a sent {channel}", "10:00 g u made sent push"]


def test_several_channels(play: Play) -> None:
    """Each is evaluated by itself; the follow-up is sent if one was, and has a reason if none was."""
    two = _looked(messages={"push": PUSH, "email": EMAIL})
    email = {"email": "u@shop.example"}
    people = [
        person("08:00", "both", **email),
        person("08:00", "no-address"),
        person("08:00", "no-consent", **email, consent={"push": "unsubscribed"}),
        person("08:00", "neither", **email, consent={"push": "unsubscribed", "email": "unsubscribed"}),
        person("08:00", "nowhere", push_tokens=[]),
        person("08:00", "unsubscribed-nowhere", push_tokens=[], consent={"email": "unsubscribed"}),
    ]
    looks = [look("10:00", "a-" + one["user"]["id"], user=one["user"]["id"]) for one in people]
    assert play(two, people, order("09:00", "publish", "f"), looks) == [
        "10:00 f both a-both sent email,push",
        "10:00 f no-address a-no-address sent push",
        "10:00 f no-consent a-no-consent sent email",
        "10:00 f neither a-neither dropped no_consent",
        "10:00 f nowhere a-nowhere dropped unreachable",
        "10:00 f unsubscribed-nowhere a-unsubscribed-nowhere dropped unreachable",
    ]


def test_channel_that_is_held(simulate, play: Play) -> None:
    """X1, P9: quiet hours hold the push, not the in-app message; a stop ends the push at once."""
    two = _looked(
        messages={"push": PUSH, "in_app_message": APP},
        delay={"after": "1 hour"},
        exceptions=[BOUGHT],
        quiet_hours={"from": "10:30", "to": "13:00"},
    )
    story = [two, *begin("f"), look("10:00", "a")]
    assert play(*story, until=at("12:00")) == ["end f u a held in_app_message"]
    (outcome,) = simulate(*story).outcomes
    assert (short(outcome), outcome["due_at"]) == ("13:00 f u a sent in_app_message,push", at("11:00"))
    assert play(*story, order("12:00", "stop", "f")) == ["12:00 f u a sent in_app_message"]


def test_held_is_judged_again(play: Play) -> None:
    """D4, W1: at the hold's end as of then: the consent, the campaign's end, and staleness from the hold's end."""
    quiet = {"from": "10:30", "to": "13:00"}
    held = _looked(delay={"after": "1 hour"}, quiet_hours=quiet)
    gone = {"at": at("12:00"), "user": {"id": "u", "consent": {"push": "unsubscribed"}}}
    assert play(held, *begin("f"), look("10:00", "a"), gone) == ["13:00 f u a dropped no_consent"]
    ending = _looked(delay={"after": "1 hour"}, quiet_hours=quiet, end=at("13:00"))
    assert play(ending, *begin("f"), look("10:00", "a")) == ["13:00 f u a dropped outside_campaign_duration"]
    strict = {"workspace": "default", "stale_after": "1 second"}
    assert play(strict, held, *begin("f"), look("10:00", "a")) == ["13:00 f u a sent push"]


def test_quiet_hours_that_drop(play: Play) -> None:
    """`then: drop`, and the workspace's with a campaign that opts out; windows are [from, to) (W1)."""
    quiet = {"from": "11:00", "to": "13:00"}
    dropping = _looked(quiet_hours={**quiet, "then": "drop"})
    lines = [look(clock, clock) for clock in ("10:59:59", "11:00", "12:59:59", "13:00")]
    assert play(dropping, *begin("f"), lines) == [
        "10:59:59 f u 10:59:59 sent push",
        "11:00 f u 11:00 dropped quiet_hours",
        "12:59:59 f u 12:59:59 dropped quiet_hours",
        "13:00 f u 13:00 sent push",
    ]
    installation = {"workspace": "default", "quiet_hours": quiet}
    assert play(installation, _looked(), *begin("f"), look("11:30", "a")) == ["13:00 f u a sent push"]
    assert play(installation, _looked(quiet_hours="none"), *begin("f"), look("11:30", "a")) == ["11:30 f u a sent push"]


def test_time_of_day_past_the_end(play: Play) -> None:
    """`outside: next` at or past `end`: outside_campaign_duration, as of the due time."""
    hours = {"from": "09:00", "to": "10:00", "outside": "next"}
    closing = _looked(time_of_day=hours, end=at("03 09:00"))
    assert play(closing, *begin("f"), look("11:00", "a")) == ["11:00 f u a dropped outside_campaign_duration"]
    assert play(_looked(time_of_day=hours), *begin("f"), look("11:00", "a")) == ["03 09:00 f u a sent push"]


def test_eligible_again_is_looked_at_twice(play: Play) -> None:
    """T1: received under one key does not count for another; `{after}` counts from the receipt, not the trigger."""
    keyed = follow_on("f", LOOKED, key="properties.sku", eligible_again="never")
    assert play(
        keyed, *begin("f"), look("10:00", "a", sku="A"), look("10:01", "b", sku="B"), look("10:02", "c", sku="A")
    ) == [
        "10:00 f u a sent push",
        "10:01 f u b sent push",
        "10:02 f u c refused not_eligible_again",
    ]
    slow = _looked(delay={"after": "1 hour"}, eligible_again={"after": "2 hours"})
    assert play(slow, *begin("f"), look("10:00", "a"), look("12:59:59", "b"), look("13:00", "c")) == [
        "11:00 f u a sent push",
        "12:59:59 f u b refused not_eligible_again",
        "14:00 f u c sent push",
    ]


CAPS = {"workspace": "default", "frequency_caps": [{"channel": "any", "at_most": 2, "per": "day"}]}


def test_caps_over_several_campaigns(play: Play) -> None:
    """W2: what went out counts, of whatever campaign; what was dropped, in-app messages and control users do not."""
    story = [
        CAPS,
        _looked("app", messages={"in_app_message": APP}),
        _looked("control", control_group=100),
        _looked("dropped", time_of_day={"from": "01:00", "to": "02:00"}),
        *[follow_on(name, BOUGHT) for name in ("p1", "p2", "p3")],
        follow_on("p4", BOUGHT, ignore_frequency_caps=True),
        follow_on("p5", BOUGHT, messages={"in_app_message": APP}),
    ]
    names = [one["campaign"] for one in story[1:]]
    assert play(*story, *begin(*names), look("10:00", "a"), buy("11:00", "b")) == [
        "10:00 app u a sent in_app_message",
        "10:00 control u a control",
        "10:00 dropped u a dropped outside_time_of_day",
        "11:00 p1 u b sent push",
        "11:00 p2 u b sent push",
        "11:00 p3 u b dropped frequency_capped",
        "11:00 p4 u b sent push",
        "11:00 p5 u b sent in_app_message",
    ]


def test_caps_count_follow_ups(play: Play) -> None:
    """W2: several channels of one follow-up are one for `any`; days are calendar days, today the last."""
    two = _looked(messages={"push": PUSH, "email": EMAIL})
    cap = {"workspace": "default", "frequency_caps": [{"channel": "any", "at_most": 1, "per": {"days": 2}}]}
    lines = [look("23:59", "a"), look("03 23:59", "b"), look("04 00:00", "c")]
    assert play(cap, two, *begin("f", email="u@shop.example"), lines) == [
        "23:59 f u a sent email,push",
        "03 23:59 f u b dropped frequency_capped",
        "04 00:00 f u c sent email,push",
    ]


def test_control_group_at_the_moment_of_the_message(play: Play) -> None:
    """W3: a user who is dropped before is not enrolled; enrolment counts as a receipt and triggers follow-ons."""
    story = [
        _looked(control_group=100, delay={"after": "1 hour"}, exceptions=[BOUGHT], eligible_again="never"),
        follow_on("g", {"interaction": "enroll_in_control_group", "campaign": "f"}),
    ]
    people = [person("08:00", "v"), person("08:00", "w", consent={"push": "unsubscribed"})]
    looks = [look("10:00", f"a-{user}", user=user) for user in ("u", "v", "w")]
    assert play(*story, people, *begin("f", "g"), looks, buy("10:30", "bought", user="v"), look("12:00", "b")) == [
        "10:30 f v a-v excepted bought",
        "11:00 f u a-u control",
        "11:00 f w a-w dropped no_consent",
        "11:00 g u made sent push",
        "12:00 f u b refused not_eligible_again",
    ]


def test_percentages_that_change(play: Play) -> None:
    """T4: a control user stays one at 0 per cent, and who received stays out of the group at 100."""
    to_none = [apply("11:00", _looked(control_group=0)), order("11:00", "publish", "f")]
    assert play(_looked(control_group=100), *begin("f"), look("10:00", "a"), to_none, look("12:00", "b")) == [
        "10:00 f u a control",
        "12:00 f u b control",
    ]
    to_all = [apply("11:00", _looked(control_group=100)), order("11:00", "publish", "f")]
    looks = [look("12:00", "b"), look("12:01", "c", user="new")]
    assert play(_looked(), person("08:00", "new"), *begin("f"), look("10:00", "a"), to_all, looks) == [
        "10:00 f u a sent push",
        "12:00 f u b sent push",
        "12:01 f new c control",
    ]


def test_templates_that_fail(play: Play) -> None:
    """W7: an error is `template_failed`, by channel; `now` is the simulated time."""
    body = "{% if event.sku > 5 %}{% endif %}{{ 'now' | date: '%F' }}"
    lines = [look("10:00", "a"), look("11:00", "b", sku="A")]
    always = _looked(messages={"push": {"title": "t", "body": body}})
    assert play(always, *begin("f"), lines) == ["10:00 f u a sent push", "11:00 f u b dropped template_failed"]
    two = _looked(messages={"push": {"title": "t", "body": body}, "email": EMAIL})
    assert play(two, *begin("f", email="u@shop.example"), lines)[1] == "11:00 f u b sent email"
    day = "{% assign day = 'now' | date: '%F' %}{% if day == '2026-03-02' %}{% abort_message %}{% endif %}"
    dated = _looked(messages={"push": {"title": "t", "body": day}})
    assert play(dated, *begin("f"), look("10:00", "a")) == ["10:00 f u a dropped aborted_by_template"]


def test_warning_of_templates_that_fail(simulate: Connector) -> None:
    """W7: standard error names campaign, channel, field, line and error, once, whoever plays the users."""
    failing = _looked(messages={"push": {"title": "t", "body": "a\n{{ 1 | divided_by: user.zero }}"}})
    people = [person("07:00", f"u{n}") for n in range(6)]
    looks = [look(f"10:0{n}", f"e{n}", user=f"u{n}") for n in range(6)]
    for jobs in ("1", "2"):
        run = simulate(failing, people, *begin("f"), looks, words=("--json", "--jobs", jobs))
        assert {outcome["reason"] for outcome in run.outcomes} == {"template_failed"}
        assert run.err == "warning: f: push.body, line 2: divided_by: can't divide by 0 (template_failed)\n"


def test_templates_that_abort(play: Play) -> None:
    """Such a message is not received; other channels go out, and the user may be triggered again."""
    body = "{% unless event.sku %}{% abort_message %}{% endunless %}{{ event.sku }}"
    lines = [look("10:00", "a"), look("11:00", "b", sku="A")]
    once = follow_on("f", LOOKED, messages={"push": {"title": "t", "body": body}})
    assert play(once, *begin("f"), lines) == ["10:00 f u a dropped aborted_by_template", "11:00 f u b sent push"]
    two = _looked(messages={"push": {"title": "t", "body": body}, "email": EMAIL})
    assert play(two, *begin("f", email="u@shop.example"), lines) == [
        "10:00 f u a sent email",
        "11:00 f u b sent email,push",
    ]


NEW_YORK = {"workspace": "default", "zone": "America/New_York"}


@pytest.mark.parametrize(("delay", "clock", "due"), [
    ({"in_days": 1, "at": "02:30"}, "07 15:00", "08 07:00"),
    ({"in_days": 1, "at": "01:59"}, "07 15:00", "08 06:59"),
    ({"next": "sunday", "at": "03:00"}, "07 15:00", "08 07:00"),
    ({"after": "1 day"}, "07 15:00", "08 15:00"),
    ({"in_days": 1, "at": "10:00"}, "07 15:00", "08 14:00"),
    ({"in_days": 0, "at": "09:00"}, "03 15:00", "03 15:00"),
])  # fmt: skip
def test_clocks_go_forward(play: Play, delay: dict[str, Any], clock: str, due: str) -> None:
    """D1 to D3: a time that does not exist is the first instant after the gap; a day of `after` is 24 hours."""
    assert play(NEW_YORK, _looked(delay=delay), *begin("f"), look(clock, "a")) == [f"{due} f u a sent push"]


def test_clocks_go_back(simulate) -> None:
    """D3: a time that exists twice is the first one; a user without a zone has the company's."""
    twice = _looked(delay={"next": "sunday", "at": "01:30"})
    looked = look("03 10:00", "a")
    looked["at"] = "2026-10-31T15:00:00Z"
    (outcome,) = simulate(NEW_YORK, twice, *begin("f"), looked).outcomes
    assert outcome["due_at"] == "2026-11-01T05:30:00Z"


def test_quiet_night_in_which_clocks_go_forward(play: Play) -> None:
    """Quiet until 02:30, which no clock shows that night: it ends with the gap."""
    quiet = _looked(quiet_hours={"from": "22:00", "to": "02:30"})
    assert play(NEW_YORK, quiet, *begin("f"), look("08 05:00", "a")) == ["08 07:00 f u a sent push"]


def test_spread_is_stable(simulate) -> None:
    """D5: the same share in every run, within the spread, and the follow-up is sent then."""
    story = [_looked(delay={"after": "1 hour"}, spread="15 minutes"), *begin("f"), look("10:00", "a")]
    (outcome,), (again,) = simulate(*story).outcomes, simulate(*story).outcomes
    assert outcome == again
    assert at("11:00") <= outcome["due_at"] < at("11:15")
    assert outcome["decided_at"] == outcome["due_at"]


def test_push_of_ours_calls_off_another(play: Play) -> None:
    """X1: what sending makes counts as an exception, too."""
    waiting = follow_on(
        "f", PUSHED, delay={"after": "3 hours"}, exceptions=[{"interaction": "receive_push", "campaign": "g"}]
    )
    lines = [push("10:00", "a"), look("11:00", "b"), did("11:30", "c", "open_push", campaign="g")]
    (ours, ended) = play(ORIGINAL, waiting, _looked("g"), *begin("f", "g", "o"), lines)
    assert ours == "11:00 g u b sent push"
    assert ended.startswith("11:00 f u a excepted receive-")
