"""P3, P7: what publishing refuses, each with the nearest valid neighbour, which is accepted.

The source of each row is P7 (or P3, M5) of the rules; of those on clocks, the zone's changes in the IANA time zone
database: New York and Berlin have a gap from 02:00 to 03:00, and no zone has one after 04:00 or before 22:00.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign, parse_definition
from connector.rules.model.errors import Fault, OrderRefused, Source
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.facts import PublishFacts
from connector.rules.publishing.lints import refusals
from connector.rules.publishing.orders import check_publish
from tests.support.builders import PUSH, external, follow_on, original

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT = {"event": "cart"}
NIGHT = {"from": "22:00", "to": "06:00"}
DAY = {"from": "09:00", "to": "17:00"}
DROP, COMPANY = {"then": "drop"}, {"zone": "company"}
LATER = "2026-03-02T13:00:00Z"
MAIL = {"email": {"subject": "s", "html": '<a data-alias="cta_main" href="https://x.example">a</a>'}}
RICH = {
    "push": {"title": "t", "body": "b", "buttons": ["snooze"], "pages": ["first"]},
    "in_app_message": {"title": "t", "body": "b", "buttons": ["yes"]},
    **MAIL,
}


def in_days(days: int, at: str, **more: Any) -> dict[str, Any]:
    return {"in_days": days, "at": at, **more}


def schedule(**delivery: Any) -> dict[str, Any]:
    return follow_on("f", EVENT, **delivery)


def hook(url: str, **more: Any) -> dict[str, Any]:
    return follow_on("f", EVENT, messages={"webhook": {"url": url, **more}})


def audience(predicate: Any) -> dict[str, Any]:
    return follow_on("f", EVENT, audience=predicate)


def on(interaction: str, target: str = "o", **more: Any) -> dict[str, Any]:
    return follow_on("f", {"interaction": interaction, "campaign": target, **more})


def both(*predicates: Any) -> dict[str, Any]:
    return audience({"all": list(predicates)})


def is_(attribute: str, **comparison: Any) -> dict[str, Any]:
    return {"attribute": attribute, **comparison}


def catalogue(definition: dict[str, Any], workspace: dict[str, Any]) -> Catalogue:
    """The workspace with this draft, the originals `o`, `rich`, `mail` and `plain` of another system, and a card."""
    others = (
        external("o"),
        {**external("rich"), "messages": RICH},
        {**external("mail"), "messages": MAIL},
        {**external("plain"), "messages": {"push": {"title": "t", "body": "b"}}},
        {**external("news"), "messages": {"news_feed_card": {"title": "t", "body": "b"}}},
        {"card": "banner", "title": "t", "body": "b"},
    )
    parsed = [parse_definition(one) for one in (*others, definition)]
    entries = [Entry(one.id, "draft", (Revision(1, one),)) for one in parsed]  # type: ignore[union-attr, arg-type]
    settings = parse_definition({"workspace": "default", **workspace})
    return Catalogue().with_entries(entries, version=1, workspace=settings)  # type: ignore[arg-type]


def faults(definition: dict[str, Any], workspace: dict[str, Any]) -> list[Fault]:
    before = catalogue(definition, workspace)
    campaign = before.entries[definition["campaign"]].newest.definition
    return refusals(campaign, before, NOW)


AT_9 = {"at": "09:00"}
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    # a wall-clock delay outside time_of_day
    ("before it opens", schedule(delay=in_days(1, "08:59"), time_of_day=DAY),
     schedule(delay=in_days(1, "09:00"), time_of_day=DAY), "delivery.delay"),
    ("when it closes", schedule(delay=in_days(1, "17:00"), time_of_day=DAY),
     schedule(delay=in_days(1, "16:59"), time_of_day=DAY), "delivery.delay"),
    ("on a weekday", schedule(delay={"next": "saturday", "at": "20:00"}, time_of_day=DAY),
     schedule(delay={"next": "saturday", "at": "10:00"}, time_of_day=DAY), "delivery.delay"),
    ("dropped, not next", schedule(delay=in_days(1, "20:00"), time_of_day=DAY),
     schedule(delay=in_days(1, "20:00"), time_of_day=DAY | {"outside": "next"}), "delivery.delay"),
    ("one zone, not two", schedule(delay=in_days(1, "20:00", zone="company"), time_of_day=DAY | COMPANY),
     schedule(delay=in_days(1, "20:00", zone="company"), time_of_day=DAY), "delivery.delay"),
    ("no gap at that time", schedule(delay=in_days(1, "04:30"), time_of_day={"from": "05:00", "to": "06:00"}),
     schedule(delay=in_days(1, "02:30"), time_of_day={"from": "03:00", "to": "06:00"}), "delivery.delay"),
    ("a spread that is too short", schedule(delay=in_days(1, "08:00"), time_of_day=DAY, spread="1 hour"),
     schedule(delay=in_days(1, "08:00"), time_of_day=DAY, spread="61 minutes"), "delivery.delay"),
    ("the rest of today", schedule(delay=in_days(0, "18:00"), time_of_day=DAY),
     schedule(delay=in_days(0, "08:00"), time_of_day=DAY), "delivery.delay"),
    # dropped quiet hours
    ("quiet when it is due", schedule(delay=in_days(1, "23:00"), quiet_hours=NIGHT | DROP),
     schedule(delay=in_days(1, "23:00"), quiet_hours=NIGHT), "delivery.delay"),
    ("quiet until it ends", schedule(delay=in_days(1, "05:59"), quiet_hours=NIGHT | DROP),
     schedule(delay=in_days(1, "06:00"), quiet_hours=NIGHT | DROP), "delivery.delay"),
    ("held beyond the hours", schedule(
        delay=in_days(1, "21:30"), quiet_hours={"from": "21:00", "to": "23:00"},
        time_of_day={"from": "20:00", "to": "22:00"}),
     schedule(delay=in_days(1, "21:30"), quiet_hours={"from": "21:00", "to": "23:00"},
              time_of_day={"from": "20:00", "to": "23:30"}), "delivery.delay"),
    ("quiet on its one channel", schedule(delay=in_days(1, "23:00"), quiet_hours=NIGHT | DROP),
     schedule(delay=in_days(1, "23:00"), quiet_hours=NIGHT | DROP,
              messages={**PUSH, "in_app_message": {"title": "t", "body": "b"}}), "delivery.delay"),
    # beyond `end`
    ("days beyond the end", schedule(delay=in_days(3, "09:00"), end="2026-03-04T12:00:00Z"),
     schedule(delay=in_days(3, "09:00"), end="2026-03-06T12:00:00Z"), "delivery.delay"),
    ("the very end", schedule(delay=in_days(1, "09:00", zone="company"), end="2026-03-03T09:00:00Z"),
     schedule(delay=in_days(1, "09:00", zone="company"), end="2026-03-03T09:00:01Z"), "delivery.delay"),
    ("the first zone of the world", schedule(delay=in_days(1, "09:00"), end="2026-03-02T22:00:00Z"),
     schedule(delay=in_days(1, "09:00"), end="2026-03-02T22:00:01Z"), "delivery.delay"),
    ("a weekday beyond the end", schedule(delay={"next": "monday", **AT_9}, end="2026-03-08T00:00:00Z"),
     schedule(delay={"next": "saturday", **AT_9}, end="2026-03-08T00:00:00Z"), "delivery.delay"),
    ("after the start", schedule(delay=in_days(1, "09:00"), start="2026-03-05T00:00:00Z", end="2026-03-05T10:00:00Z"),
     schedule(delay=in_days(1, "09:00"), start="2026-03-05T00:00:00Z", end="2026-03-05T10:00:01Z"), "delivery.delay"),
    ("longer than it runs", schedule(delay={"after": "61 minutes"}, end=LATER),
     schedule(delay={"after": "1 hour"}, end=LATER), "delivery.delay.after"),
    # windows that never open
    ("closed until the end", schedule(time_of_day=DAY | COMPANY | {"from": "14:00"}, end=LATER),
     schedule(time_of_day=DAY | COMPANY | {"from": "12:59"}, end=LATER), "delivery.time_of_day"),
    ("next is beyond the end", schedule(time_of_day=DAY | COMPANY | {"from": "14:00", "outside": "next"}, end=LATER),
     schedule(time_of_day=DAY | COMPANY | {"from": "14:00", "outside": "next"}, end="2026-03-02T14:00:01Z"),
     "delivery.time_of_day"),
    ("no hours", schedule(time_of_day={"from": "09:00", "to": "09:00"}),
     schedule(time_of_day={"from": "09:00", "to": "09:01"}), "delivery.time_of_day"),
    ("over before now", schedule(end="2026-03-02T12:00:00Z"), schedule(end="2026-03-02T12:00:01Z"), "delivery.end"),
    ("over before it starts", schedule(start=LATER, end=LATER),
     schedule(start=LATER, end="2026-03-02T13:00:01Z"), "delivery.end"),
    ("a day in the night", schedule(time_of_day={"from": "22:00", "to": "06:00"}, quiet_hours=NIGHT),
     schedule(time_of_day={"from": "22:00", "to": "06:01"}, quiet_hours=NIGHT), "delivery.time_of_day"),
    # cards and campaigns
    ("a card's interaction with a campaign", on("view_news_feed_card"), on("view_news_feed_card", "news"),
     "delivery.trigger[0].campaign"),
    ("a click of a card with a campaign", on("click_news_feed_card", "mail"),
     follow_on("f", {"interaction": "click_news_feed_card", "card": "banner"}), "delivery.trigger[0].campaign"),
    ("a card as a campaign", on("open_push", "banner"), on("open_push"), "delivery.trigger[0].campaign"),
    ("a campaign as a card", follow_on("f", {"interaction": "view_news_feed_card", "card": "o"}),
     follow_on("f", {"interaction": "view_news_feed_card", "card": "banner"}), "delivery.trigger[0].card"),
    # `same`
    ("same on a trigger", follow_on("f", {**EVENT, "same": ["sku"]}),
     schedule(delay=in_days(1, "09:00"), exceptions=[{**EVENT, "same": ["sku"]}]), "delivery.trigger[0].same"),
    ("same on an interaction", on("open_push", same=["sku"]), on("open_push", where={"sku": "A"}),
     "delivery.trigger[0].same"),
    ("same in an audience", audience({"did": {**EVENT, "same": ["sku"]}}), audience({"not": {"did": EVENT}}),
     "audience.did.same"),
    # exceptions
    ("exceptions without a delay", schedule(exceptions=[{"event": "make_purchase"}]),
     schedule(exceptions=[{"event": "make_purchase"}], delay={"after": "1 hour"}), "delivery.exceptions"),
    ("start_session as both", follow_on("f", {"event": "start_session"}, delay={"after": "1 hour"},
     exceptions=[EVENT, {"event": "start_session"}]), follow_on("f", {"event": "start_session"},
     delay={"after": "1 hour"}, exceptions=[EVENT]), "delivery.exceptions[1]"),
    # webhooks
    ("no scheme", hook("api.shop.example/hook"), hook("https://api.shop.example/hook"), "messages.webhook.url"),
    ("another scheme", hook("ftp://shop.example/x"), hook("HTTP://shop.example/x"), "messages.webhook.url"),
    ("no host", hook("https:///x"), hook("https://shop.example"), "messages.webhook.url"),
    ("a host with a space", hook("https://a b.example/"), hook("https://a-b.example/"), "messages.webhook.url"),
    ("a path with a space", hook("https://a.example/a b"), hook("https://a.example/a%20b"), "messages.webhook.url"),
    ("a port that is no number", hook("https://a.example:port/"), hook("https://a.example:8443/"),
     "messages.webhook.url"),
    ("a port beyond 65535", hook("https://a.example:99999/"), hook("https://a.example:65535/"), "messages.webhook.url"),
    ("a word", hook("hook"), hook("{{ user.hook }}"), "messages.webhook.url"),
    ("half a template", hook("{ user.hook }"), hook("{% if user.x %}https://a.example{% endif %}"),
     "messages.webhook.url"),
    ("a body by GET", hook("https://a.example", method="GET", body="b"),
     hook("https://a.example", method="DELETE", body="b"), "messages.webhook.body"),
    # what the target does not have
    ("an alias", on("click_email_alias", "rich", alias="cta_man"), on("click_email_alias", "rich", alias="cta_main"),
     "delivery.trigger[0].alias"),
    ("a button of a push", on("click_push_button", "rich", button="yes"),
     on("click_push_button", "rich", button="snooze"), "delivery.trigger[0].button"),
    ("a button in the app", on("click_in_app_message_button", "rich", button="no"),
     on("click_in_app_message_button", "rich", button="yes"), "delivery.trigger[0].button"),
    ("any button of a push without buttons", on("click_push_button", "plain"), on("click_push_button", "rich"),
     "delivery.trigger[0].interaction"),
    ("any page of a push without pages", on("click_push_story_page", "plain"), on("click_push_story_page", "rich"),
     "delivery.trigger[0].interaction"),
    ("a page", on("click_push_story_page", "rich", page="second"), on("click_push_story_page", "rich", page="first"),
     "delivery.trigger[0].page"),
    ("a channel", on("receive_sms", "rich"), on("receive_sms"), "delivery.trigger[0].interaction"),
    ("a channel of an exception", schedule(delay={"after": "1 hour"}, exceptions=[
        {"interaction": "open_push", "campaign": "mail"}]), schedule(delay={"after": "1 hour"}, exceptions=[
            {"interaction": "open_email", "campaign": "mail"}]), "delivery.exceptions[0].interaction"),
    # audiences
    ("an empty all", audience({"all": []}), audience({"all": ["everyone"]}), "audience.all"),
    ("an empty any, deep", audience({"all": ["everyone", {"not": {"any": []}}]}),
     audience({"all": ["everyone", {"not": {"any": [is_("a", exists=True)]}}]}), "audience.all[1].not.any"),
    ("nobody", audience({"not": "everyone"}), audience({"not": {"not": "everyone"}}), "audience"),
    ("in an empty list", audience(is_("tier", **{"in": []})), audience(is_("tier", not_in=[])), "audience"),
    ("two values at once", both(is_("tier", **{"is": "gold"}), is_("tier", **{"is": "silver"})),
     audience({"any": [is_("tier", **{"is": "gold"}), is_("tier", **{"is": "silver"})]}), "audience"),
    ("a value that is excluded", both(is_("tier", **{"is": 1}), is_("tier", is_not=1.0)),
     both(is_("tier", **{"is": 1}), is_("tier", is_not="1")), "audience"),
    ("a value of none", both(is_("tier", exists=False), is_("tier", contains="g")),
     both(is_("tier", exists=False), is_("tier", is_not="g")), "audience"),
    ("an empty range", both(is_("age", more_than=30), is_("age", less_than=30)),
     both(is_("age", at_least=30), is_("age", at_most=30)), "audience"),
    ("too long to wait", schedule(eligible_again={"after": "721 days"}), schedule(eligible_again={"after": "720 days"}),
     "delivery.eligible_again"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "right", "key"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_refused_and_its_neighbour_accepted(wrong: dict[str, Any], right: dict[str, Any], key: str) -> None:
    """P7: each is refused once, at its key; the nearest valid one is not."""
    assert [(fault.id, fault.key) for fault in faults(wrong, {})] == [("f", key)]
    assert faults(right, {}) == []


QUIET_DROP = {"quiet_hours": NIGHT | DROP}
LAUNCH = {"at": "2026-04-01 23:00"}
WORKSPACE_PAIRS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (QUIET_DROP, schedule(delay=in_days(1, "23:00")), schedule(delay=in_days(1, "23:00"), quiet_hours="none")),
    (QUIET_DROP, schedule(delay={"next": "friday", "at": "03:30"}), schedule(delay={"next": "friday", "at": "06:00"})),
    (
        QUIET_DROP,
        schedule(delay=in_days(1, "23:00")),
        schedule(delay=in_days(1, "23:00"), messages={"content_card": {"title": "t", "body": "b"}}),
    ),
    ({"quiet_hours": NIGHT}, schedule(time_of_day=NIGHT), schedule(time_of_day=NIGHT, quiet_hours="none")),
    (QUIET_DROP, original(LAUNCH), original({"at": "2026-04-01 21:59"})),
    (QUIET_DROP, original(LAUNCH), original(LAUNCH, per_minute=1)),
    (QUIET_DROP, original(LAUNCH), original(LAUNCH | COMPANY)),
    (
        {"frequency_caps": [{"channel": "push", "at_most": 0, "per": "day"}]},
        schedule(),
        schedule(ignore_frequency_caps=True),
    ),
]


@pytest.mark.parametrize(("workspace", "wrong", "right"), WORKSPACE_PAIRS)
def test_settings_of_the_workspace_count(
    workspace: dict[str, Any], wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    """P7, W2: the workspace's quiet hours unless the campaign writes none, and caps of an earlier version."""
    assert len(faults(wrong, workspace)) == 1
    assert faults(right, workspace) == []


def test_a_live_campaign_may_be_mended_shortly_before_its_end() -> None:
    """P7, P10: users wait since its window opened, and get the newest content: not everything would be dropped."""
    late = schedule(delay=in_days(3, "09:00"), end="2026-03-04T12:00:00Z")
    before = catalogue(late, {})
    entry = before.entries["f"]
    assert isinstance(entry.newest.definition, Campaign)
    opened = NOW - timedelta(days=9)
    live = Entry("f", "active", (Revision(1, entry.newest.definition, opened), Revision(2, entry.newest.definition)),
                 (Window(1, opened),))  # fmt: skip
    assert refusals(entry.newest.definition, before.with_entries([live], version=2), NOW) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (
            {"frequency_caps": [{"at_most": 1, "per": "day"}, {"at_most": 0, "per": "week"}]},
            "frequency_caps[1].at_most",
        ),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "quiet_hours"),
    ],
)
def test_settings_that_are_refused_when_they_are_saved(settings: dict[str, Any], key: str) -> None:
    """P7: `at_most: 0` and quiet hours that never hold, with file, line and key."""
    workspace = parse_definition({"workspace": "default", **settings})
    with pytest.raises(OrderRefused, match=f"^w.yaml:7: default: {key.replace('[', '.')[:14]}"):
        draft(Catalogue(), [workspace], {"": Source("w.yaml", 1, {key: 7})})


@pytest.mark.parametrize(
    ("definition", "advice"),
    [
        (on("open_push", "ritch"), "did you mean rich?"),
        (on("open_push", "Rich"), "did you mean rich?"),
        (on("open_push", "elsewhere"), "apply it first"),
        (on("click_email_alias", "rich", alias="cta-main"), "did you mean cta_main?"),
        (on("click_push_button", "rich", button="snoze"), "did you mean snooze?"),
        (on("click_push_story_page", "rich", page="frist"), "did you mean first?"),
        (follow_on("f", {"interaction": "click_news_feed_card", "card": "baner"}), "did you mean banner?"),
    ],
)
def test_the_nearest_name_is_suggested(definition: dict[str, Any], advice: str) -> None:
    """P7: an unknown target, alias, button and page."""
    (fault,) = faults(definition, {})
    assert advice in fault.problem


def test_file_line_and_key_of_every_refusal_and_warning() -> None:
    """P7, P8: faults name the file of their definition; an order's warnings are shown beside its problems."""
    definition = follow_on(
        "f",
        {"interaction": "open_push", "campaign": "ritch"},
        delay={"after": "1 hour"},
        exceptions=[{"interaction": "open_email", "campaign": "mail"}],
    )
    lines = {"delivery": 2, "delivery.trigger[0]": 4, "delivery.trigger[0].campaign": 5, "delivery.exceptions[0]": 8}
    facts = PublishFacts(sources={"f": Source("shop/f.yaml", 1, lines)})
    plan, problems = check_publish(catalogue(definition, {}), ["f"], now=NOW, facts=facts)
    assert [problem.split(": its")[0] for problem in problems] == ["shop/f.yaml:5: f: delivery.trigger[0].campaign"]
    assert {warning.split(": its")[0] for warning in plan.warnings} == {"shop/f.yaml:8: f: delivery.exceptions[0]"}
