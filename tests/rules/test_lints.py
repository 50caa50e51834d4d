"""Refusals (P7) and warnings (P8) at publication."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.model.campaigns import Campaign, Publishable, Workspace, parse_definition
from connector.rules.publishing import lints

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def refusals(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    return list(map(str, lints.refusals(definition, catalogue, now)))


def warnings(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    return list(map(str, lints.warnings(definition, catalogue, now)))


DAY = {"after": "1 day"}
PURCHASE = {"event": "make_purchase"}
NIGHT = {"from": "22:00", "to": "06:00"}


def day(number: int) -> str:
    return (NOW + timedelta(days=number)).isoformat()


def campaign(*, audience: Any = "everyone", messages: Any = None, **delivery: Any) -> Campaign:
    """Return a follow-on with these fields in its delivery."""
    parsed = parse_definition(
        {
            "campaign": "f",
            "delivery": {"type": "action_based", "trigger": [{"event": "e"}]} | delivery,
            "audience": audience,
            "messages": messages or {"push": {"title": "t", "body": "b"}},
        }
    )
    assert isinstance(parsed, Campaign)
    return parsed


def hours(opens: str, closes: str, **more: str) -> dict[str, str]:
    return {"from": opens, "to": closes, **more}


ALLOWED: list[dict[str, Any]] = [
    {},
    {"delay": DAY, "exceptions": [PURCHASE]},
    {"delay": DAY, "trigger": [{"event": "start_session"}], "exceptions": [PURCHASE]},
    {"delay": {"after": "2 days"}, "end": day(2)},
    {"delay": {"after": "5 days"}, "start": day(-4), "end": day(1)},
    {"delay": {"in_days": 9, "at": "09:00"}, "end": day(10)},
    {"eligible_again": {"after": "720 days"}},
    {"time_of_day": hours("21:00", "23:00"), "quiet_hours": NIGHT},
    {"time_of_day": hours("05:00", "06:01"), "quiet_hours": NIGHT},
    {"time_of_day": hours("23:00", "22:59"), "quiet_hours": NIGHT},
    {"time_of_day": hours("23:00", "05:00", zone="company"), "quiet_hours": NIGHT},
    {"messages": {"webhook": {"url": "https://u.example", "body": "b"}}},
    {"messages": {"webhook": {"url": "https://u.example", "method": "GET"}}},
    {"time_of_day": hours("23:00", "05:00"), "quiet_hours": "none"},
    {"audience": {"not": {"all": [{"attribute": "tier", "is": "gold"}]}}},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exceptions": [PURCHASE]}, "without a delay"),
    (
        {"delay": DAY, "trigger": [{"event": "start_session"}], "exceptions": [{"event": "start_session"}]},
        "start_session is both trigger and exception",
    ),
    ({"delay": {"after": "49 hours"}, "end": day(2)}, "delay of 49 hours is longer"),
    ({"delay": {"after": "6 days"}, "start": day(-4), "end": day(1)}, "delay of 6 days is longer"),
    ({"delay": {"in_days": 9, "at": "09:00"}, "end": day(1)}, "no message can be due before its `end`"),
    ({"start": day(2), "end": day(2)}, "`end` is not after its `start`"),
    ({"end": day(0)}, "has passed"),
    ({"start": day(-9), "end": day(-1)}, "has passed"),
    ({"time_of_day": hours("09:00", "09:00")}, "`time_of_day` opens and closes at 09:00"),
    ({"quiet_hours": hours("09:00", "09:00")}, "`quiet_hours` begin and end at 09:00"),
    ({"time_of_day": hours("22:00", "06:00"), "quiet_hours": NIGHT}, "wholly inside the campaign's quiet hours"),
    ({"time_of_day": hours("23:00", "01:00"), "quiet_hours": NIGHT | {"then": "drop"}}, "wholly inside"),
    ({"time_of_day": hours("01:00", "05:00", outside="next"), "quiet_hours": NIGHT}, "wholly inside"),
    (
        {"time_of_day": hours("23:00", "05:00", zone="company"), "quiet_hours": NIGHT | {"zone": "company"}},
        "wholly inside the campaign's quiet hours",
    ),
    ({"eligible_again": {"after": "721 days"}}, "longer than 720 days"),
    ({"messages": {"webhook": {"url": "https://u.example", "method": "GET", "body": "b"}}}, "which a GET cannot carry"),
    ({"audience": {"all": []}}, "holds for everyone"),
    ({"audience": {"any": [{"not": {"any": []}}]}}, "holds for no user"),
]


@pytest.mark.parametrize("words", ALLOWED)
def test_allowed(words: dict[str, Any]) -> None:
    """P7: definitions just within each rule are allowed."""
    assert refusals(campaign(**words), Catalogue(), NOW) == []


@pytest.mark.parametrize(("words", "problem"), REFUSED)
def test_refused(words: dict[str, Any], problem: str) -> None:
    """P7: each rule refuses once, with the campaign's name."""
    (refusal,) = refusals(campaign(**words), Catalogue(), NOW)
    assert refusal.startswith("f: ")
    assert problem in refusal


def test_every_refusal_at_once() -> None:
    """P7: every refusal is reported, not only the first."""
    wrong = campaign(exceptions=[PURCHASE], end=day(0), time_of_day=hours("09:00", "09:00"), audience={"all": []})
    assert len(refusals(wrong, Catalogue(), NOW)) == 4


@pytest.mark.parametrize(
    ("messages", "refused"),
    [({"sms": {"body": "b"}}, True), ({"in_app_message": {"title": "t", "body": "b"}}, False)],
)
def test_workspace_quiet_hours(messages: Any, refused: bool) -> None:
    """P7, W2: the workspace's quiet hours count if the campaign has none, for the channels that have quiet hours."""
    catalogue = Catalogue(workspace=Workspace.model_validate({"quiet_hours": NIGHT}))
    night = campaign(time_of_day=hours("23:00", "05:00"), messages=messages)
    problems = refusals(night, catalogue, NOW)
    assert [("workspace's quiet hours" in problem) for problem in problems] == ([True] if refused else [])


HTML = '<p><a href="x" data-alias="cta">a</a><a data-alias=footer href=y>b</a><a href="z">c</a></p>'
TARGET = {
    "campaign": "o",
    "delivery": {"type": "action_based", "trigger": [{"event": "e"}]},
    "variants": [
        {"name": "a", "messages": {"email": {"subject": "s", "html": HTML}}},
        {
            "name": "b",
            "messages": {
                "email": {"subject": "s", "html": '<a data-alias="only_b" href="x">a</a>'},
                "push": {"title": "t", "body": "b", "buttons": ["snooze"], "pages": ["1"]},
            },
        },
    ],
    "conversions": [PURCHASE],
}
CLICK, BUTTON = "click_email_alias", "click_push_button"


def catalogue_with(*revisions: dict[str, Any], state: Any = "draft") -> Catalogue:
    effective = [NOW if state == "active" else None for _ in revisions]
    parsed = [Revision(n, parse_definition(d), at) for n, (d, at) in enumerate(zip(revisions, effective, strict=True))]  # type: ignore[arg-type]
    return Catalogue().with_entries([Entry("o", state, tuple(parsed))], version=1)


def listener(interaction: str, **refinements: str) -> Campaign:
    return campaign(trigger=[{"interaction": interaction, "campaign": "o", **refinements}])


@pytest.mark.parametrize(
    ("interaction", "refinements", "problem"),
    [
        (CLICK, {"alias": "cta"}, None),
        (CLICK, {"alias": "footer"}, None),
        (CLICK, {"alias": "only_b"}, None),
        (CLICK, {"alias": "cta_main"}, "o has no alias cta_main, only cta, footer, only_b"),
        ("click_email", {"url": "https://anything"}, None),
        (BUTTON, {"button": "snooze"}, None),
        (BUTTON, {}, None),
        (BUTTON, {"button": "later"}, "o has no button later, only snooze"),
        (BUTTON, {"button": "snoze"}, "did you mean snooze?"),
        ("click_push_story_page", {"page": "2"}, "o has no page 2, only 1"),
        ("view_news_feed_card", {}, "view_news_feed_card is an interaction with a card"),
        ("click_in_app_message_button", {"button": "x"}, "o has no message on in_app_message, only on email, push"),
        ("receive_sms", {}, "receive_sms of o cannot happen"),
        ("view_content_card", {}, "no message on content_card"),
        ("open_email", {}, None),
        ("enroll_in_control_group", {}, None),
    ],
)
def test_channels_aliases_and_buttons_of_the_target(
    interaction: str, refinements: dict[str, str], problem: str | None
) -> None:
    """P7: the target's channels, aliases, buttons and pages are those of all its variants."""
    problems = refusals(listener(interaction, **refinements), catalogue_with(TARGET), NOW)
    assert [bool(problem and problem in one) for one in problems] == ([True] if problem else [])


def test_exceptions_are_checked_too() -> None:
    """P7: an exception that cannot happen is refused like a trigger."""
    excepted = campaign(delay=DAY, exceptions=[{"interaction": "receive_sms", "campaign": "o"}])
    assert "receive_sms of o cannot happen" in refusals(excepted, catalogue_with(TARGET), NOW)[0]


def test_templated_aliases_match_any() -> None:
    """P7: the aliases that a template renders are not known, so any alias is allowed."""
    html = {"email": {"subject": "s", "html": '<a data-alias="{{ campaign.id }}-x" href="x">a</a>'}}
    target = {key: value for key, value in TARGET.items() if key != "variants"} | {"messages": html}
    assert refusals(listener(CLICK, alias="whatever"), catalogue_with(target), NOW) == []


def test_external_targets_with_and_without_messages() -> None:
    """P7: an external campaign's messages are checked only if its definition has them."""
    external = {"campaign": "o", "delivery": {"type": "external"}}
    described = {**external, "messages": {"push": {"title": "t", "body": "b"}}}
    assert refusals(listener(CLICK, alias="cta"), catalogue_with(external), NOW) == []
    assert len(refusals(listener(CLICK, alias="cta"), catalogue_with(described), NOW)) == 1


def test_messages_of_earlier_revisions_count() -> None:
    """P7: an alias of an earlier published revision may still be clicked; one of an unpublished revision may not."""
    plain = {key: value for key, value in TARGET.items() if key != "variants"}
    newer = plain | {"messages": {"email": {"subject": "s", "html": "<p>no links</p>"}}}
    assert refusals(listener(CLICK, alias="cta"), catalogue_with(TARGET, newer, state="active"), NOW) == []
    assert len(refusals(listener(CLICK, alias="cta"), catalogue_with(TARGET, newer), NOW)) == 1


def test_cards_are_allowed() -> None:
    """A card has no delivery, and its interactions need no message."""
    card = parse_definition({"card": "o", "title": "t", "body": "b"})
    follow_on = campaign(trigger=[{"interaction": "click_news_feed_card", "card": "o"}])
    catalogue = Catalogue().with_entries([Entry("o", "draft", (Revision(1, card),))], version=1)  # type: ignore[arg-type]
    assert refusals(card, catalogue, NOW) == refusals(follow_on, catalogue, NOW) == []  # type: ignore[arg-type]


OPEN = {"interaction": "open_email", "campaign": "o"}
CLICKED = {"interaction": "click_email", "campaign": "o"}


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ({}, None),
        ({"trigger": [OPEN], "audience": {"interacted": OPEN}}, "requires the very open_email that triggers"),
        ({"trigger": [OPEN], "audience": {"all": [{"all": [{"interacted": OPEN}]}]}}, "requires the very open_email"),
        ({"trigger": [OPEN], "audience": {"any": [{"interacted": OPEN}]}}, "requires the very open_email"),
        ({"audience": {"did": {"event": "e", "within": "7 days"}}}, "requires the very e that triggers"),
        ({"trigger": [OPEN], "audience": {"any": [{"interacted": OPEN}, {"did": PURCHASE}]}}, None),
        ({"trigger": [OPEN], "audience": {"not": {"interacted": OPEN}}}, None),
        ({"trigger": [OPEN], "audience": {"interacted": OPEN | {"campaign": "p"}}}, None),
        ({"delay": DAY, "exceptions": [OPEN, CLICKED]}, "programs open every mail"),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "any"}, CLICKED]}, "programs open every mail"),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "machine"}, CLICKED]}, "programs open every mail"),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "human"}, CLICKED]}, None),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "human"}]}, "without click_email"),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "human"}, CLICKED | {"url": "https://x"}]}, "without click"),
        ({"delay": DAY, "exceptions": [OPEN | {"opens": "human"}, CLICKED | {"campaign": "p"}]}, "without click"),
        (
            {"time_of_day": hours("23:00", "05:00", zone="company"), "quiet_hours": NIGHT},
            "users without a zone or in UTC",
        ),
        ({"time_of_day": hours("21:00", "05:00", zone="company"), "quiet_hours": NIGHT}, None),
        ({"trigger": [OPEN | {"campaign": "f"}]}, "an interaction with f itself, which no user has before"),
        ({"trigger": [OPEN, OPEN | {"campaign": "f"}]}, "nothing starts it by this trigger"),
        ({"trigger": [{"event": "open_email"}]}, "write {interaction: open_email, campaign: …}"),
        ({"audience": {"not": {"interacted": OPEN | {"campaign": "q"}}}}, "the campaign q, which does not exist"),
        ({"messages": {"email": {"subject": "s"}}}, "an empty email would be sent"),
        ({"messages": {"email": {"subject": "s", "text": ""}}}, None),
        ({"start": day(1)}, "before its `start`"),
        ({"start": day(0)}, None),
    ],
)
def test_warnings(words: dict[str, Any], note: str | None) -> None:
    """P8: a missed first trigger, mail programs that open every mail, and other surprises."""
    targets = [parse_definition({"campaign": name, "delivery": {"type": "external"}}) for name in ("o", "p")]
    entries = [Entry(one.id, "draft", (Revision(1, one),)) for one in targets if isinstance(one, Campaign)]
    notes = warnings(campaign(**words), Catalogue().with_entries(entries, version=1), NOW)
    assert [bool(note and note in one) for one in notes] == ([True] if note else [])


@pytest.mark.parametrize(
    ("interaction", "refinements", "note"),
    [
        ("perform_conversion_event", {}, None),
        ("perform_conversion_event", {"conversion": "B"}, "o has no conversion B"),
        ("click_push_story_page", {"page": "1"}, None),
        ("enroll_in_control_group", {}, "o has no control group"),
    ],
)
def test_interactions_that_cannot_happen_yet(interaction: str, refinements: dict[str, str], note: str | None) -> None:
    """They are warnings and no refusals, because the target can get the missing part later."""
    follow_on = listener(interaction, **refinements)
    assert refusals(follow_on, catalogue_with(TARGET), NOW) == []
    assert [bool(note and note in one) for one in warnings(follow_on, catalogue_with(TARGET), NOW)] == (
        [True] if note else []
    )


@pytest.mark.parametrize(
    ("send", "note"),
    [
        ("at_publish", None),
        ({"at": "2026-03-02 09:00", "zone": "company"}, None),
        ({"at": "2026-03-01 09:00", "zone": "company"}, "has passed; it is sent at once"),
        ({"at": "2026-03-01 09:00", "zone": "user"}, "more than an hour before the publication get no message (stale)"),
    ],
)
def test_time_of_a_launch_that_has_passed(send: Any, note: str | None) -> None:
    """Publishing a scheduled original after its time warns that it is sent at once."""
    delivery = {"type": "scheduled", "send": send}
    words = {"campaign": "o", "delivery": delivery, "messages": {"sms": {"body": "b"}}}
    notes = warnings(Campaign.model_validate(words), Catalogue(), NOW)
    assert [bool(note and note in one) for one in notes] == ([True] if note else [])


def test_time_of_a_launch_exists() -> None:
    """A date that does not exist is a fault of the definition."""
    delivery = {"type": "scheduled", "send": {"at": "2026-02-30 09:00"}}
    words = {"campaign": "o", "delivery": delivery, "messages": {"sms": {"body": "b"}}}
    with pytest.raises(ValueError, match="there is no 2026-02-30 09:00"):
        Campaign.model_validate(words)
