"""What a batch of providers' events changes, planned without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.provider_events.attribution import AttributionLookup, Unmatched
from connector.rules.provider_events.delivery_reports import DeliveryReport
from connector.rules.provider_events.effects import Link
from connector.rules.provider_events.events import EventKind, ProviderEvent, identify_event
from connector.rules.provider_events.planning import (
    ClickedLink,
    EventOutcome,
    EventPlan,
    collect_events,
    plan_events,
)
from connector.rules.sending.deliveries import DeliveryState
from tests.support.builders import delivery_record

E, OUTCOME = EventKind, EventOutcome
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RETENTION = timedelta(days=90)
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
MAIL = delivery_record("d.email", "f", "email", claimed_at=NOW - timedelta(hours=1), provider_id="<d@s.test>", user="u")
TEXT = replace(MAIL, id="t.sms", channel="sms", provider_id="SM1")
LOOKUP = AttributionLookup(
    deliveries={
        "d.email": MAIL,
        "t.sms": TEXT,
        "unknown.email": replace(MAIL, id="unknown.email", state=DeliveryState.UNKNOWN),
        "claimed.sms": replace(TEXT, id="claimed.sms", state=DeliveryState.CLAIMED),
        "gone.email": replace(MAIL, id="gone.email", user=None),
        "old.email": replace(MAIL, id="old.email", claimed_at=NOW - RETENTION - timedelta(days=1)),
        "bounced.email": replace(MAIL, id="bounced.email", fault="ses_bounced"),
    },
    campaigns={"o"},
    holders={("email", "ada@s.test"): ["u", "v"]},
)
THEIRS = {"campaign": "o", "user": "w"}


def event(happened: EventKind, id: str = "e", minutes: float = -10, **fields: Any) -> ProviderEvent:
    return ProviderEvent("ses", id, happened, NOW + timedelta(minutes=minutes), **fields)


def plan(*events: ProviderEvent, links: dict[str, ClickedLink] | None = None, has_pixel: bool = False) -> EventPlan:
    batch = collect_events(events, lambda e: (links or {}).get(e.id), now=NOW, retention=RETENTION)
    return plan_events(
        batch, LOOKUP, now=NOW, retention=RETENTION, has_pixel=has_pixel, is_crawler=lambda agent: "bot" in agent
    )


def of(delivery: str, **fields: Any) -> dict[str, Any]:
    return {"arguments": {"delivery": delivery}, **fields}


@pytest.mark.parametrize(
    ("one", "outcome", "users"),
    [
        (event(E.OPENED, **of("d.email")), OUTCOME.NOTED, {"u"}),
        (event(E.DELIVERED, arguments=THEIRS), OUTCOME.NOTED, {"w"}),
        (event(E.UNSUBSCRIBED, recipient="Ada@S.test"), OUTCOME.NOTED, {"u", "v"}),
        (event(E.COMPLAINED, recipient="ada@s.test", **of("d.email")), OUTCOME.NOTED, {"u", "v"}),
        (event(E.UNSUBSCRIBED, arguments={"user": "w"}), OUTCOME.NOTED, {"w"}),
        (event(E.UNSUBSCRIBED, arguments={"user": "x" * 256}), OUTCOME.UNMATCHED, set()),
        (event(E.DEFERRED, arguments=THEIRS), OUTCOME.NOTED, set()),
        (event(E.OTHER, recipient="nobody@s.test"), OUTCOME.NOTED, set()),
        (event(E.OPENED, **of("gone.email")), OUTCOME.ERASED, set()),
        (event(E.UNSUBSCRIBED, recipient="ada@s.test", **of("gone.email")), OUTCOME.ERASED, set()),
        (event(E.OPENED, recipient="ada@s.test"), OUTCOME.UNMATCHED, set()),
        (event(E.OPENED, minutes=-60 * 24 * 91, **of("d.email")), OUTCOME.STALE, set()),
    ],
)
def test_outcome_and_users(one: ProviderEvent, outcome: EventOutcome, users: set[str]) -> None:
    """An event that changes something names its users; any other has its outcome without a store."""
    planned = plan(one)
    assert planned.outcomes == {identify_event(one): outcome}
    assert planned.users == users
    assert (identify_event(one) in planned.unmatched) == (outcome is OUTCOME.UNMATCHED)


def test_reasons_of_unmatched_events() -> None:
    """A statement about an address lacks only a user, whatever else it lacks."""
    opened, bounced = event(E.OPENED, "o"), event(E.BOUNCED, "b", permanent=True, recipient="nobody@s.test")
    assert {key[1]: reason for key, (_, reason) in plan(opened, bounced).unmatched.items()} == {
        "o": Unmatched.NO_CAMPAIGN, "b": Unmatched.UNKNOWN_USER,
    }  # fmt: skip


def test_events_are_ordered_and_repetitions_dropped() -> None:
    """By when they happened, a time in the future being now (M7), whatever the order of arrival."""
    late, early = (
        event(E.UNSUBSCRIBED, "late", 60, arguments={"user": "w"}),
        event(E.SUBSCRIBED, "early", recipient="x"),
    )
    batch = collect_events([late, early, late], lambda _: None, now=NOW, retention=RETENTION)
    assert [key[1] for key in batch.current] == ["early", "late"]


@pytest.mark.parametrize(
    ("one", "report", "faults"),
    [
        (event(E.OPENED, **of("d.email")), None, {}),
        (event(E.OPENED, **of("unknown.email")), DeliveryReport("unknown.email", None, True), {}),
        (event(E.OTHER, **of("unknown.email")), None, {}),
        (event(E.BOUNCED, permanent=True, **of("d.email")), None, {"d.email": "ses_bounced"}),
        (event(E.BOUNCED, permanent=True, **of("bounced.email")), None, {}),
        (event(E.BOUNCED, permanent=True, **of("old.email")), None, {}),
        (
            event(E.BOUNCED, permanent=True, **of("unknown.email")),
            DeliveryReport("unknown.email", None, True, "ses_bounced"),
            {},
        ),
        (event(E.SENT, channel="sms", message_id="SM2", **of("t.sms")), None, {}),
        (
            event(E.DELIVERED, channel="sms", message_id="SM1", **of("t.sms")),
            DeliveryReport("t.sms", "SM1", True),
            {},
        ),
        (
            event(E.FAILED, channel="sms", message_id="SM1", **of("claimed.sms")),
            DeliveryReport("claimed.sms", "SM1", False, "ses_failed"),
            {},
        ),
        (
            event(E.SENT, channel="sms", message_id="SM1", **of("claimed.sms")),
            DeliveryReport("claimed.sms", "SM1", None),
            {},
        ),
        (event(E.FAILED, channel="sms", **of("t.sms")), None, {"t.sms": "ses_failed"}),
    ],
)
def test_reports_and_faults(one: ProviderEvent, report: DeliveryReport | None, faults: dict[str, str]) -> None:
    """A report settles a message or its arrival; a settled message only gets its fault (guarantee 4)."""
    planned = plan(one)
    assert (planned.reports.get(identify_event(one)), planned.faults) == (report, faults)


def test_interactions() -> None:
    """An open, and a click of our own link with its token's number; our own receipt was made by sending."""
    link = ClickedLink("d.email", Link(2, "cta", "https://s.test"), is_unsubscribe=False)
    planned = plan(
        event(E.OPENED, "open", agent=CHROME, **of("d.email")),
        event(E.CLICKED, "click", agent=CHROME),
        event(E.DELIVERED, "receipt", **of("d.email")),
        links={"click": link},
    )
    made = {item["id"]: (item["type"], item["properties"].get("link")) for item in planned.interactions.values()}
    assert made == {"ses-open": ("open_email", None), "ses-click": ("click_email_alias", 2)}


def test_events_that_make_no_interaction() -> None:
    """A click of our unsubscribe link, and an open that our own pixel reports better."""
    link = ClickedLink("d.email", None, is_unsubscribe=True)
    planned = plan(
        event(E.CLICKED, "unsubscribe"), event(E.OPENED, "open", **of("d.email")), links={"unsubscribe": link},
        has_pixel=True,
    )  # fmt: skip
    assert (planned.interactions, set(planned.outcomes.values())) == ({}, {OUTCOME.NOTED})


def test_clicks_of_one_message_are_classified_together() -> None:
    """Three links at once are a machine's (M2)."""
    clicks = [event(E.CLICKED, f"c{n}", url=f"https://s.test/{n}", agent=CHROME, **of("d.email")) for n in range(3)]
    assert {item["properties"]["classified"] for item in plan(*clicks).interactions.values()} == {"machine"}
