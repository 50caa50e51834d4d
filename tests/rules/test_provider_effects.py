"""What each event of a provider means: one table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.provider_events.attribution import Attribution, Unmatched
from connector.rules.provider_events.effects import (
    NO_EFFECT,
    EventEffect,
    Link,
    build_interaction,
    build_visit,
    interpret_event,
    is_left_to_our_pixel,
    read_fault,
)
from connector.rules.provider_events.events import EventKind, ProviderEvent, sanitise_event
from connector.rules.sending.deliveries import DeliveryState
from tests.support.builders import delivery_record

H = EventKind
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
DELIVERY = delivery_record(
    "d.email", "f", "email", state=DeliveryState.SENT, claimed_at=AT - timedelta(hours=1), user="u-1"
)
OURS, THEIRS = Attribution("f", "u-1", DELIVERY), Attribution("welcome", "u-1")


def event(happened: EventKind, **fields: Any) -> ProviderEvent:
    usual = {"id": "e1", "message_id": "m1", "recipient": "ada@shop.test"}
    return ProviderEvent("sendgrid", happened=happened, at=AT, **{**usual, **fields})


def is_crawler(agent: str) -> bool:
    return "bot" in agent


def interaction(event: ProviderEvent, attribution: Attribution = OURS, link: Link | None = None) -> dict[str, Any]:
    item = build_interaction(event, attribution, link, [], is_crawler)
    assert item is not None
    return item


RECEIPT, UNSUBSCRIBED = EventEffect(interaction="receipt"), EventEffect(consent="unsubscribed")
OUTCOMES = [
    (H.QUEUED, {}, RECEIPT, NO_EFFECT),
    (H.SENT, {}, RECEIPT, NO_EFFECT),
    (H.DELIVERED, {}, RECEIPT, RECEIPT),
    (H.DEFERRED, {}, NO_EFFECT, NO_EFFECT),
    (H.BOUNCED, {}, NO_EFFECT, NO_EFFECT),
    (H.BOUNCED, {"permanent": True}, EventEffect(suppresses_address=True), EventEffect(suppresses_address=True)),
    (H.FAILED, {}, NO_EFFECT, NO_EFFECT),
    (H.FAILED, {"permanent": True}, EventEffect(suppresses_address=True), EventEffect(suppresses_address=True)),
    (H.REJECTED, {}, NO_EFFECT, NO_EFFECT),
    (H.REJECTED, {"permanent": True}, EventEffect(suppresses_address=True), EventEffect(suppresses_address=True)),
    (H.COMPLAINED, {}, *[EventEffect(suppresses_address=True, consent="unsubscribed")] * 2),
    (H.OPENED, {}, EventEffect(interaction="open"), NO_EFFECT),
    (H.CLICKED, {}, EventEffect(interaction="click"), EventEffect(interaction="click")),
    (H.UNSUBSCRIBED, {}, UNSUBSCRIBED, UNSUBSCRIBED),
    (H.SUBSCRIBED, {}, *[EventEffect(consent="subscribed", restores_address=True)] * 2),
    (H.OTHER, {}, NO_EFFECT, NO_EFFECT),
]


@pytest.mark.parametrize(("happened", "fields", "by_email", "by_sms"), OUTCOMES)
def test_the_table(happened: EventKind, fields: dict[str, Any], by_email: EventEffect, by_sms: EventEffect) -> None:
    """M4: email is received when it is accepted, a text when its carrier reports it."""
    assert interpret_event(event(happened, **fields)) == by_email
    assert interpret_event(event(happened, channel="sms", **fields)) == by_sms


def test_the_table_is_complete() -> None:
    """Every kind has its row."""
    assert {happened for happened, *_ in OUTCOMES} == set(EventKind)


@pytest.mark.parametrize(
    ("agent", "machine", "opens"),
    [
        (CHROME, None, "human"),
        (CHROME, False, "human"),
        (CHROME, True, "machine"),
        ("Mozilla/5.0", None, "machine"),
        ("somebot", None, "machine"),
        ("", None, None),
        (None, None, None),
        (None, False, None),
        (None, True, "machine"),
    ],
)
def test_opens_are_classified(agent: str | None, machine: bool | None, opens: str | None) -> None:
    """M2: by the user agent and the provider's opinion; without a user agent nothing indicates a person."""
    item = interaction(event(H.OPENED, agent=agent, machine=machine))
    assert (item["type"], item["properties"].get("opens")) == ("open_email", opens)
    assert "no_agent" not in item["properties"]["reasons"] or agent == ""


@pytest.mark.parametrize(
    ("fields", "attribution", "tracked", "pixels"),
    [
        ({}, OURS, True, True),
        ({}, OURS, False, False),
        ({}, THEIRS, True, False),
        ({}, Unmatched.NO_CAMPAIGN, True, False),
        ({"agent": CHROME}, OURS, True, False),
        ({"agent": ""}, OURS, True, False),
        ({"machine": True}, OURS, True, False),
        ({"machine": False}, OURS, True, False),
        ({"happened": H.CLICKED}, OURS, True, False),
    ],
)
def test_opens_that_are_left_to_the_pixel(
    fields: dict[str, Any], attribution: Any, tracked: bool, pixels: bool
) -> None:
    """M2: of our own mail, with our pixel, reported without anything that could classify it."""
    assert is_left_to_our_pixel(event(**{"happened": H.OPENED, **fields}), attribution, has_pixel=tracked) is pixels


@pytest.mark.parametrize(
    ("fields", "link", "kind", "properties"),
    [
        ({"url": "https://s.test"}, None, "click_email", {"url": "https://s.test"}),
        ({"url": "https://s.test", "arguments": {"alias": "cta"}}, None, "click_email_alias", {"alias": "cta"}),
        (
            {},
            Link(3, "top", "https://s.test"),
            "click_email_alias",
            {"link": 3, "alias": "top", "url": "https://s.test"},
        ),
        ({}, Link(3, None, "https://s.test"), "click_email", {"link": 3, "url": "https://s.test"}),
        ({"channel": "sms", "url": "https://s.test"}, None, "click_sms_link", {"url": "https://s.test"}),
        ({"machine": True}, None, "click_email", {"robot": True}),
        ({"agent": "somebot"}, None, "click_email", {"robot": True}),
    ],
)
def test_clicks(fields: dict[str, Any], link: Link | None, kind: str, properties: dict[str, Any]) -> None:
    """M1, M2: a click has its alias if it is known, and a robot's click is flagged."""
    item = interaction(event(H.CLICKED, **{"agent": CHROME, **fields}), OURS, link)
    assert item["type"] == kind
    assert properties.items() <= item["properties"].items()
    assert item["properties"]["delivery"] == "d.email"
    assert ("robot" in item["properties"]) == ("robot" in properties)


def test_three_links_at_once_are_a_machines() -> None:
    """Scanners follow every link on arrival, and a provider reports them at once."""
    clicks = [event(H.CLICKED, id=f"e{n}", url=f"https://s.test/{n}", agent=CHROME) for n in range(3)]
    others = [build_visit(one, None) for one in clicks]
    item = build_interaction(clicks[0], OURS, None, others, is_crawler)
    assert item is not None
    assert (item["properties"]["robot"], item["properties"]["reasons"]) == (True, ["burst"])


def test_a_message_is_received_once() -> None:
    """The receipt's id is made of the message and its recipient; our own delivery's is made by sending it."""
    ids = {interaction(event(kind, id=kind.value), THEIRS)["id"] for kind in (H.QUEUED, H.SENT, H.DELIVERED)}
    assert len(ids) == 1
    assert interaction(event(H.SENT, recipient="Ada@Shop.test"), THEIRS)["id"] in ids
    assert interaction(event(H.SENT, recipient="bob@shop.test"), THEIRS)["id"] not in ids
    assert interaction(event(H.SENT, message_id="m2"), THEIRS)["id"] not in ids
    assert build_interaction(event(H.DELIVERED), OURS, None, [], is_crawler) is None
    to_both = [
        event(H.SENT, recipient=whom, arguments={"user": "u-1"}) for whom in ("a@shop.test", "b@shop.test", None)
    ]
    assert len({interaction(one, THEIRS)["id"] for one in to_both}) == 1
    assert interaction(event(H.SENT, arguments={"user": "u-2"}), THEIRS)["id"] != interaction(to_both[0], THEIRS)["id"]


@pytest.mark.parametrize(
    ("reported", "fault"),
    [
        (event(H.BOUNCED, permanent=True, fault="5.1.1"), "sendgrid_5.1.1"),
        (event(H.BOUNCED, permanent=True), "sendgrid_bounced"),
        (event(H.BOUNCED, fault="4.2.2"), None),
        (event(H.BOUNCED, fault="30003", channel="sms"), "sendgrid_30003"),
        (event(H.REJECTED, fault="Bounced Address"), "sendgrid_Bounced_Address"),
        (event(H.FAILED, fault="ünknown"), "sendgrid_failed"),
        (event(H.FAILED, fault="x" * 500), "sendgrid_" + "x" * 55),
        (event(H.DELIVERED, fault="ok"), None),
    ],
)
def test_faults_are_codes(reported: ProviderEvent, fault: str | None) -> None:
    """At most 64 characters of letters, digits and a few more; a temporary failure is no fault."""
    assert read_fault(reported) == fault


def test_texts_are_sanitised() -> None:
    """No null character and no lone surrogate reaches the store, and nothing is longer than its limit."""
    reported = event(
        H.OPENED, agent="a\0b\ud800" + "x" * 9999, arguments={"a\0": "b\ud800", **dict.fromkeys("cdef", "x")}
    )
    clean = sanitise_event(replace(reported, id="e\0"))
    assert (clean.id, clean.agent[:4] if clean.agent else None, len(clean.agent or "")) == ("e", "ab?x", 511)
    assert clean.arguments["a"] == "b?"
