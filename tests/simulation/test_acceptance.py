"""Acceptance: publishing, matching and the list at the trigger, on cases that are not among the worked ones."""

from typing import Any

import pytest

from tests.support.acceptance import (
    CLICKED,
    EMAIL,
    HOUR,
    MADE,
    UTC_WORKSPACE,
    Case,
    check,
    click,
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
from tests.support.stories import LOOKED, apply, buy, did, look, order, person, push

NIGHT = {"from": "22:00", "to": "06:00"}
BEGIN = [person("07:00"), order("08:00", "publish", "f"), order("09:00", "publish", "o")]
LIVE = [ORIGINAL, *BEGIN]
ALONE = [UTC_WORKSPACE, *BEGIN[:2]]


def _on(trigger: Any, name: str, **more: Any) -> dict[str, Any]:
    return f(trigger, name, **more)


def _all(*names: str) -> list[dict[str, Any]]:
    return [person("07:00"), *[order("08:00", "publish", name) for name in names], order("09:00", "publish", "o")]


PUBLISHING = [
    Case("the target was active at t", "P1", [
        f(CLICKED), *LIVE, click("08:45", "z"), click("09:00", "a"), order("10:00", "stop", "o"),
        click("10:00:30", "b", t="09:59:59"), click("10:01", "c", t="10:00"), order("10:05", "resume", "o"),
        click("10:06", "d", t="10:04:59"), click("10:06", "e", t="10:05")],
        [refused("z", "08:45", "target_inactive"), sent("a", "09:00"),
         sent("b", "09:59:59", decided="10:00:30"), refused("c", "10:00", "target_inactive", "10:01"),
         refused("d", "10:04:59", "target_inactive", "10:06"), sent("e", "10:05", decided="10:06")]),
    Case("ever published takes later ones, not earlier ones", "P1", [
        {**UTC_WORKSPACE, "target": "ever_published"}, f(CLICKED), *LIVE, click("08:45", "a"),
        order("10:00", "archive", "o"), click("10:30", "b")],
        [refused("a", "08:45", "target_inactive"), sent("b", "10:30")]),
    Case("the publication is evaluated before the target", "P2", [
        f(CLICKED), ORIGINAL, *BEGIN[:2], click("08:01", "a", t="07:59:59"), click("08:02", "b")],
        [refused("a", "07:59:59", "before_publish", "08:01"), refused("b", "08:02", "target_inactive")]),
    Case("in a live window and live on arrival", "P2", [
        f(CLICKED), *LIVE, order("10:00", "stop", "f"), click("10:30", "a", t="09:59"), order("11:00", "resume", "f"),
        click("11:00", "b"), click("11:30", "c", t="10:59:59"), order("12:00", "archive", "f"), click("12:01", "d")],
        [refused("a", "09:59", "not_live", "10:30"), sent("b", "11:00"),
         refused("c", "10:59:59", "not_live", "11:30"), refused("d", "12:01", "not_live")]),
    Case("a list sorts itself and shares an instant", "P3 P5 M4", [
        f({"interaction": "receive_push", "campaign": "s"}), f(LOOKED, "s"), person("07:00"),
        order("09:00", "publish", "s", "f"), look("09:00", "a"), look("09:01", "b", t="08:59:59")],
        [sent(MADE, "09:00"), sent("a", "09:00", campaign="s"),
         refused("b", "08:59:59", "before_publish", "09:01", campaign="s")]),
    Case("publishing again changes nothing", "P5", [
        f(delay=HOUR), *LIVE, push("10:00", "a"), order("10:30", "publish", "f"), push("10:40", "b")],
        [refused("b", "10:40", "already_waiting"), sent("a", "10:00", "11:00")]),
    Case("publish makes the newest revision live from stopped too", "P5 P10", [
        f(), *LIVE, profile("07:00", email="u@shop.example"), order("10:00", "stop", "f"),
        apply("10:10", f(messages={"email": EMAIL})), push("10:15", "a"), order("10:20", "publish", "f"),
        push("10:30", "b")],
        [refused("a", "10:15", "not_live"), sent("b", "10:30", channels=["email"])]),
    Case("a cycle in which nobody is eligible again", "P6 T1", [
        f([LOOKED, {"interaction": "receive_push", "campaign": "g"}], eligible_again="never"),
        f({"interaction": "receive_push", "campaign": "f"}, "g", eligible_again="never"),
        person("07:00"), order("08:00", "publish", "f", "g"), look("10:00", "a")],
        [sent("a", "10:00"), refused(MADE, "10:00", "not_eligible_again"), sent(MADE, "10:00", campaign="g")]),
    Case("stop ends a held one, resume brings nothing back", "P9 X1", [
        f(LOOKED, delay=HOUR, quiet_hours=NIGHT, exceptions=[BOUGHT]), *ALONE, look("21:30", "a"),
        order("23:00", "stop", "f"), order("23:10", "resume", "f"), look("03 00:00", "b"), buy("03 05:59:59", "x")],
        [dropped("a", "21:30", "22:30", "stopped", "23:00"),
         excepted("b", "03 00:00", "03 01:00", "x", "03 05:59:59")]),
    Case("an archived original goes on counting as an exception", "P9 X1", [
        f(delay=HOUR, exceptions=[OPENED]), *LIVE, push("10:00", "a"), order("10:10", "archive", "o"),
        did("10:20", "x", "open_push", campaign="o"), push("10:30", "b")],
        [excepted("a", "10:00", "11:00", "x", "10:20"), refused("b", "10:30", "target_inactive")]),
    Case("a wait keeps due time, trigger and exceptions, and sends the newest content", "P10", [
        f(delay=HOUR, exceptions=[BOUGHT]), *LIVE, *[person("07:00", x, email=f"{x}@shop.example") for x in "uvw"],
        push("10:00", "a"), apply("10:10", f(delay={"after": "2 hours"}, messages={"email": EMAIL})),
        push("10:15", "b", user="v"), order("10:20", "publish", "f"), push("10:30", "c", user="w"),
        buy("10:40", "x"), buy("10:45", "y", user="w")],
        [excepted("a", "10:00", "11:00", "x", "10:40"),
         sent("b", "10:15", "11:15", user="v", channels=["email"]),
         sent("c", "10:30", "12:30", user="w", channels=["email"])]),
    Case("an applied revision is nothing until it is published", "P10", [
        f(delay=HOUR), *LIVE, profile("07:00", email="u@shop.example"), push("10:00", "a"),
        apply("10:10", f(delay={"after": "2 hours"}, messages={"email": EMAIL})), push("12:00", "b")],
        [sent("a", "10:00", "11:00"), sent("b", "12:00", "13:00")]),
    Case("the clock of before_publish goes on over revisions", "P2 P10", [
        f(), *LIVE, apply("10:00", f(audience={"attribute": "x", "is_not": 1})), order("11:00", "publish", "f"),
        push("11:10", "a", t="09:30")],
        [sent("a", "09:30", decided="11:10")]),
    Case("the list at the due time is the newest revision's", "P10 W1", [
        UTC_WORKSPACE, f(LOOKED, delay=HOUR), *ALONE[1:], look("10:00", "a"),
        apply("10:10", f(LOOKED, delay=HOUR, quiet_hours={"from": "10:45", "to": "12:00"})),
        order("10:20", "publish", "f"), look("11:30", "b"), look("12:00", "c"),
        apply("12:10", f(LOOKED, delay={"after": "10 minutes"}, end="2026-03-02T12:30:00Z")),
        order("12:15", "publish", "f")],
        [refused("b", "11:30", "already_waiting"), sent("a", "10:00", "11:00", "12:00"),
         dropped("c", "12:00", "13:00", "outside_campaign_duration")]),
]  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHING, ids=str)
def test_publishing(simulate: Connector, case: Case) -> None:
    """P1 to P10, each with what it touches."""
    check(case, simulate)


MATCHING = [
    Case("clicks in the app and in emails", "M1", [
        _on({"interaction": "click_in_app_message", "campaign": "o"}, "any"), _on(CLICKED, "mail"),
        _on({"interaction": "click_in_app_message_button", "campaign": "o", "button": "1"}, "one"),
        _on({"interaction": "click_email_alias", "campaign": "o", "alias": "cta_main"}, "main"),
        ORIGINAL, *_all("any", "mail", "one", "main"),
        did("10:00", "a", "click_in_app_message", campaign="o"),
        did("10:01", "b", "click_in_app_message_button", campaign="o", properties={"button": "1"}),
        did("10:02", "c", "click_in_app_message_button", campaign="o", properties={"button": "01"}),
        click("10:03", "d", url="https://shop.example"),
        did("10:04", "e", "click_email_alias", campaign="o", properties={"alias": "cta_main"}),
        did("10:05", "g", "click_email_alias", campaign="o", properties={"alias": "CTA_MAIN"})],
        [sent("a", "10:00", campaign="any"), sent("b", "10:01", campaign="any"), sent("b", "10:01", campaign="one"),
         sent("c", "10:02", campaign="any"), sent("d", "10:03", campaign="mail"), sent("e", "10:04", campaign="main"),
         sent("e", "10:04", campaign="mail"), sent("g", "10:05", campaign="mail")]),
    Case("a push's body, buttons and pages", "M1", [
        _on(OPENED, "body"), _on({"interaction": "click_push_button", "campaign": "o"}, "button"),
        _on({"interaction": "click_push_button", "campaign": "o", "button": "other"}, "other"),
        _on({"interaction": "click_push_story_page", "campaign": "o"}, "page"),
        ORIGINAL, *_all("body", "button", "other", "page"),
        did("10:00", "a", "click_push_button", campaign="o", properties={"button": "snooze"}),
        did("10:01", "b", "open_push", campaign="o"),
        did("10:02", "c", "click_push_story_page", campaign="o", properties={"page": "2"})],
        [sent("a", "10:00", campaign="button"), sent("b", "10:01", campaign="body"),
         sent("c", "10:02", campaign="page")]),
    Case("a conversion is the primary by default", "M1", [
        f({"interaction": "perform_conversion_event", "campaign": "o"}),
        _on({"interaction": "perform_conversion_event", "campaign": "o", "conversion": "B"}, "g"),
        ORIGINAL, *_all("f", "g"),
        did("10:00", "a", "perform_conversion_event", campaign="o"),
        did("10:01", "b", "perform_conversion_event", campaign="o", properties={"conversion": "B"}),
        did("10:02", "c", "perform_conversion_event", campaign="o", properties={"conversion": "A"})],
        [sent("a", "10:00"), sent("b", "10:01", campaign="g"), sent("c", "10:02")]),
    Case("opens of humans and machines", "M2", [
        *[_on({"interaction": "open_email", "campaign": "o", "opens": of}, of) for of in ("any", "human", "machine")],
        ORIGINAL, *_all("any", "human", "machine"),
        did("10:00", "a", "open_email", campaign="o"),
        did("10:01", "b", "open_email", campaign="o", properties={"opens": "human"}),
        did("10:02", "c", "open_email", campaign="o", properties={"opens": "machine"})],
        [sent("a", "10:00", campaign="any"), sent("b", "10:01", campaign="any"), sent("b", "10:01", campaign="human"),
         sent("c", "10:02", campaign="any"), sent("c", "10:02", campaign="machine")]),
    Case("a robot's click neither triggers nor excepts", "M2", [
        f(CLICKED), f(LOOKED, "g", delay=HOUR, exceptions=[CLICKED]), ORIGINAL, *_all("f", "g"),
        look("10:00", "a"), click("10:10", "b", robot=True), click("11:10", "c")],
        [sent("a", "10:00", "11:00", campaign="g"), sent("c", "11:10")]),
    Case("a robot's click counts if the workspace counts robots", "M2", [
        {**UTC_WORKSPACE, "robots": "count"}, f(CLICKED), f(LOOKED, "g", delay=HOUR, exceptions=[CLICKED]),
        ORIGINAL, *_all("f", "g"), look("10:00", "a"), click("10:10", "b", robot=True)],
        [sent("b", "10:10"), excepted("a", "10:00", "11:00", "b", "10:10", campaign="g")]),
    Case("one dispatch of one user is one interaction", "M3 M6", [
        f(), *LIVE, person("07:00", "v"), push("10:00", "a", dispatch="d1"), push("10:00:01", "b", dispatch="d1"),
        push("10:00:02", "c", user="v", dispatch="d1"), push("10:00:03", "d", dispatch="d2")],
        [sent("a", "10:00"), refused("b", "10:00:01", "duplicate"), sent("c", "10:00:02", user="v"),
         sent("d", "10:00:03")]),
    Case("a card's view is not a campaign's", "M5", [
        {"card": "c", "title": "t", "body": "b"}, f({"interaction": "view_news_feed_card", "card": "c"}),
        _on({"interaction": "view_content_card", "campaign": "o"}, "g"),
        ORIGINAL, *_all("f", "g"), order("09:30", "publish", "c"),
        did("10:00", "a", "view_news_feed_card", card="c"), did("10:01", "b", "view_content_card", campaign="o"),
        order("10:30", "stop", "c"), did("10:31", "d", "view_news_feed_card", card="c")],
        [sent("a", "10:00"), sent("b", "10:01", campaign="g"), refused("d", "10:31", "target_inactive")]),
    Case("without ids the second and the properties make it", "M6", [
        f(LOOKED), *ALONE, look("10:00", None, sku="A"), look("10:00", None, sku="A"), look("10:00", None, sku="B"),
        look("10:00:01", None, sku="A"), event("10:00:01", None, "other", sku="A"),
        look("10:00:02", None, t="10:00", sku="A")],
        [sent(MADE, "10:00"), refused(MADE, "10:00", "duplicate"), sent(MADE, "10:00"), sent(MADE, "10:00:01"),
         refused(MADE, "10:00", "duplicate", "10:00:02")]),
    Case("an id that the user's log has changes nothing, whatever it has now; another user's is new", "M6", [
        f(LOOKED), *ALONE, person("07:00", "v"), look("10:00", "a"), look("04 10:00", "a", sku="new"),
        look("04 10:01", "a", user="v"), order("04 11:00", "stop", "f"), look("04 11:01", "a")],
        [sent("a", "10:00"), refused("a", "04 10:00", "duplicate"),
         sent("a", "04 10:01", user="v")]),
    Case("a time after the arrival is the arrival", "M7 D1", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT]), *ALONE, look("10:00", "a", t="12:00"),
        buy("10:30", "x", t="12:00")],
        [excepted("a", "10:00", "11:00", "x", "10:30")]),
]  # fmt: skip


@pytest.mark.parametrize("case", MATCHING, ids=str)
def test_matching(simulate: Connector, case: Case) -> None:
    """M1 to M7."""
    check(case, simulate)


SKU = "properties.sku"
CART = {"event": "cart_updated"}
GOLD = {"attribute": "tier", "is": "gold"}


def _cart(clock: str, id: str, **more: Any) -> dict[str, Any]:
    return event(clock, id, "cart_updated", **more)


TRIGGERS = [
    Case("start comes before the audience, end is for the due time", "T X", [
        f(LOOKED, start="2026-03-02T10:00:00Z", end="2026-03-02T12:00:00Z", audience=GOLD), *ALONE,
        look("09:59:59", "a"), look("10:00", "b"), profile("10:30", attributes={"tier": "gold"}), look("11:00", "c"),
        look("12:00", "d")],
        [refused("a", "09:59:59", "outside_campaign_duration"), refused("b", "10:00", "not_in_audience"),
         sent("c", "11:00"), dropped("d", "12:00", "12:00", "outside_campaign_duration")]),
    Case("the audience in its state before the event", "T P8", [
        f(CLICKED, audience={"interacted": CLICKED}), *LIVE, click("10:00", "a"), click("10:05", "b")],
        [refused("a", "10:00", "not_in_audience"), sent("b", "10:05")]),
    Case("eligible again to the second, from the receipt", "T1", [
        f(LOOKED, delay={"after": "10 seconds"}, eligible_again={"after": "90 seconds"}), *ALONE, look("10:00", "a"),
        look("10:01:39", "b"), look("10:01:40", "c")],
        [sent("a", "10:00", "10:00:10"), refused("b", "10:01:39", "not_eligible_again"),
         sent("c", "10:01:40", "10:01:50")]),
    Case("never is per user and key, and an excepted one stays eligible", "T1 X4", [
        f(CART, key=SKU, delay=HOUR, eligible_again="never", exceptions=[{**BOUGHT, "same": ["sku"]}]), *ALONE,
        _cart("10:00", "a", sku="A"), _cart("10:01", "b", sku="B"), buy("10:30", "x", sku="B"),
        _cart("10:40", "c", sku="B"), _cart("12:00", "d", sku="A"), _cart("12:01", "e", sku="B")],
        [excepted("b", "10:01", "11:01", "x", "10:30", key="B"), sent("a", "10:00", "11:00", key="A"),
         sent("c", "10:40", "11:40", key="B"), refused("d", "12:00", "not_eligible_again", key="A"),
         refused("e", "12:01", "not_eligible_again", key="B")]),
    Case("a held one still waits for ignore", "T2 X1", [
        f(LOOKED, delay=HOUR, quiet_hours=NIGHT), *ALONE, look("21:30", "a"), look("23:00", "b")],
        [refused("b", "23:00", "already_waiting"), sent("a", "21:30", "22:30", "03 06:00")]),
    Case("a held one is superseded by restart", "T2 X1", [
        f(LOOKED, delay=HOUR, quiet_hours=NIGHT, retrigger="restart"), *ALONE, look("21:30", "a"), look("23:00", "b")],
        [dropped("a", "21:30", "22:30", "superseded", "23:00"), sent("b", "23:00", "03 00:00", "03 06:00")]),
    Case("restart keeps the latest by t", "T2", [
        f(LOOKED, delay=HOUR, retrigger="restart"), *ALONE, look("10:20", "a"), look("10:30", "b", t="10:10"),
        look("10:40", "c", t="10:25")],
        [refused("b", "10:10", "superseded", "10:30"), dropped("a", "10:20", "11:20", "superseded", "10:40"),
         sent("c", "10:25", "11:25")]),
    Case("debounce per key with another exception", "T3 X3", [
        f(CART, key=SKU, delay={"after": "30 minutes"}, retrigger="ignore",
          exceptions=[{**CART, "same": ["sku"]}, {**BOUGHT, "same": ["sku"]}]), *ALONE,
        _cart("10:00", "a", sku="A"), _cart("10:05", "b", sku="B"), _cart("10:10", "a2", sku="A"),
        _cart("10:12", "c"), _cart("10:15", "c2"), buy("10:20", "x", sku="B"), buy("10:25", "y")],
        [dropped("a", "10:00", "10:30", "superseded", "10:10", key="A"), refused("c2", "10:15", "already_waiting"),
         excepted("b", "10:05", "10:35", "x", "10:20", key="B"), sent("a2", "10:10", "10:40", key="A"),
         sent("c", "10:12", "10:42")]),
    Case("the first assignment is kept", "T4 W3", [
        f(LOOKED, control_group=100), *ALONE, person("07:00", "v"), look("10:00", "a"),
        apply("10:10", f(LOOKED, control_group=0)), order("10:20", "publish", "f"), look("10:30", "b"),
        look("10:31", "c", user="v"), apply("10:40", f(LOOKED, control_group=100)), order("10:50", "publish", "f"),
        look("11:00", "d", user="v")],
        [control("a", "10:00"), control("b", "10:30"), sent("c", "10:31", user="v"), sent("d", "11:00", user="v")]),
    Case("what is out stays out", "T5 T1", [
        f(LOOKED, eligible_again="never"), *ALONE, look("10:20", "b"), look("10:30", "a", t="10:00")],
        [sent("b", "10:20"), refused("a", "10:00", "not_eligible_again", "10:30")]),
    Case("a late trigger replaces the wait of a later one", "T5 T2", [
        f(LOOKED, delay=HOUR), *ALONE, look("10:20", "b"), look("10:30", "a", t="10:00")],
        [dropped("b", "10:20", "11:20", "superseded", "10:30"), sent("a", "10:00", "11:00")]),
    Case("a late exception lets a refused trigger begin", "T5 X4", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT]), *ALONE, look("10:00", "a"), look("10:10", "b"),
        buy("10:30", "x", t="10:05")],
        [excepted("a", "10:00", "11:00", "x", "10:30"), sent("b", "10:10", "11:10")]),
    Case("late into a window that was closed since", "T5 P2 P9", [
        f(LOOKED, delay={"after": "2 hours"}, exceptions=[BOUGHT]), *ALONE, person("07:00", "v"), person("07:00", "w"),
        order("10:00", "stop", "f"), buy("10:30", "x", t="09:50", user="w"), order("11:00", "resume", "f"),
        look("11:04", "b"), look("11:05", "a", t="09:59"),
        look("11:05", "c", t="09:59", user="v"), look("11:06", "d", user="v"),
        look("11:07", "e", t="09:40", user="w")],
        [dropped("a", "09:59", "11:59", "stopped", "11:05"),
         dropped("c", "09:59", "11:59", "stopped", "11:05", user="v"),
         excepted("e", "09:40", "11:40", "x", "11:07", user="w"),
         sent("b", "11:04", "13:04"), sent("d", "11:06", "13:06", user="v")]),
    Case("an exception that came first ends a late trigger, the next one waits", "T5 D4", [
        f(LOOKED, delay=HOUR, exceptions=[BOUGHT]), *ALONE, buy("10:30", "y", t="10:20"), buy("10:40", "x", t="10:10"),
        look("10:50", "a", t="10:00"), look("10:55", "b", t="10:30")],
        [excepted("a", "10:00", "11:00", "x", "10:50"), sent("b", "10:30", "11:30")]),
]  # fmt: skip


@pytest.mark.parametrize("case", TRIGGERS, ids=str)
def test_at_the_trigger(simulate: Connector, case: Case) -> None:
    """T1 to T5: the list at the trigger, in its order."""
    check(case, simulate)
