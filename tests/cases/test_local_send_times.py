"""W5, D3: who gets a scheduled original when, if its time has passed for some of its users.

Sources:
- Worked case 31 of the behaviour.
- Braze, "Schedule object": `in_local_time` is refused if the time has passed in all time zones; "Time-based
  functionalities for campaigns": a user without a time zone has the company's.
- Klaviyo, schema `LocalStaticSend`: `send_past_recipients_immediately` is false by default.
- Marketo, "Understanding Recipient Time Zone": a program begins in the earliest zone, UTC+14.
- RFC 5545, section 3.3.5: a local time that occurs twice is the first, one that does not exist is after the gap; here
  its first instant (D3).
- knadh/listmonk#1801: a campaign is still sent if its scheduled time is long past.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign, Workspace
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.schedules import SendAt
from connector.rules.model.users import User
from connector.rules.publishing.lints import refusals
from connector.rules.sending.decisions import Recipient
from connector.rules.sending.effects import BeginFollowUp
from connector.rules.sending.launch_times import SendTime, send_time
from connector.rules.sending.launching import Launch, launch_user
from tests.support.builders import original

NINE = "2026-03-10 09:00"
PUBLISHED = "2026-03-09T22:00Z"
"""Two hours after nine o'clock of 10 March in Auckland, two hours before it in Tokyo."""

LOCAL_TIMES = [
    # the time, the user's zone, the publication, the due time (None: stale), the source
    (NINE, "Pacific/Auckland", PUBLISHED, None, "case 31"),
    (NINE, "Asia/Tokyo", PUBLISHED, "2026-03-10T00:00Z", "case 31"),
    (NINE, "America/New_York", PUBLISHED, "2026-03-10T13:00Z", "case 31"),
    (NINE, None, PUBLISHED, "2026-03-10T13:00Z", "Braze: the company's zone"),
    (NINE, "Nowhere/Nothing", PUBLISHED, "2026-03-10T13:00Z", "D3: no valid zone"),
    (NINE, "Pacific/Kiritimati", PUBLISHED, None, "Marketo: UTC+14"),
    (NINE, "Etc/GMT+12", "2026-03-10T20:00Z", "2026-03-10T21:00Z", "UTC-12, the last zone"),
    (NINE, "Etc/GMT+12", "2026-03-10T22:00Z", "2026-03-10T22:00Z", "exactly an hour: not more than an hour"),
    (NINE, "Etc/GMT+12", "2026-03-10T22:00:00.000001Z", None, "more than an hour"),
    (NINE, "Asia/Tokyo", "2026-03-10T00:00Z", "2026-03-10T00:00Z", "at its very instant"),
    (NINE, "Asia/Tokyo", "2026-03-10T00:00:01Z", "2026-03-10T00:00:01Z", "a second ago: sent at once"),
    (NINE, "Asia/Tokyo", "2026-03-10T00:59:59Z", "2026-03-10T00:59:59Z", "within the hour: sent at once"),
    (NINE, "Asia/Tokyo", "2026-03-10T01:00:01Z", None, "Klaviyo: past recipients are left out"),
    (NINE, "Asia/Kolkata", "2026-03-10T04:29Z", "2026-03-10T04:29Z", "half an hour's zone, due at 03:30Z"),
    (NINE, "Asia/Kathmandu", "2026-03-10T04:15:01Z", None, "a quarter's zone, due at 03:15Z"),
    (NINE, "Pacific/Chatham", "2026-03-09T19:15Z", "2026-03-09T19:15Z", "UTC+13:45 in summer, due at 19:15Z"),
    (NINE, "America/New_York", "2026-04-01T00:00Z", None, "listmonk#1801: weeks later"),
    ("2026-03-08 02:30", "America/New_York", "2026-03-08T06:00Z", "2026-03-08T07:00Z", "D3: in the gap, 03:00 EDT"),
    ("2026-03-08 02:30", "America/New_York", "2026-03-08T08:00Z", "2026-03-08T08:00Z", "D3: an hour after the gap"),
    ("2026-03-08 02:30", "America/New_York", "2026-03-08T08:00:01Z", None, "D3: more than an hour after the gap"),
    ("2026-11-01 01:30", "America/New_York", "2026-11-01T05:00Z", "2026-11-01T05:30Z", "D3: the first of two"),
    ("2026-11-01 01:30", "America/New_York", "2026-11-01T06:30Z", "2026-11-01T06:30Z", "RFC 5545: an hour after it"),
    ("2026-11-01 01:30", "America/New_York", "2026-11-01T06:31Z", None, "not the second of two, at 06:30Z"),
    ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T15:30Z", "a gap of 30 minutes"),
    ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T16:30:01Z", None, "more than an hour after that gap"),
    ("2011-12-30 09:00", "Pacific/Apia", "2011-12-30T11:00Z", "2011-12-30T11:00Z", "a day that Samoa left out: 10:00Z"),
    ("2011-12-30 09:00", "Pacific/Apia", "2011-12-30T11:00:01Z", None, "more than an hour after that day"),
    ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30Z", "2026-03-29T01:30Z", "in the gap, 03:00 CEST"),
]  # fmt: skip

COMPANY_TIMES = [
    (NINE, "Asia/Tokyo", PUBLISHED, "2026-03-10T13:00Z", "by the company's clock, whatever the user's zone"),
    (NINE, "Asia/Tokyo", "2026-03-10T14:00:01Z", "2026-03-10T14:00:01Z", "W5 is about users' own times"),
    (NINE, None, "2026-04-01T00:00Z", "2026-04-01T00:00Z", "sent at once, and publishing warns"),
    ("2026-03-08 02:30", None, "2026-03-08T06:00Z", "2026-03-08T07:00Z", "D3: in the gap"),
    ("2026-11-01 01:30", None, "2026-11-01T05:00Z", "2026-11-01T05:30Z", "D3: the first of two"),
]

WORKSPACE = Workspace(zone="America/New_York")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def time_of(at: str, zone: str, published_at: str) -> SendTime:
    return SendTime(SendAt.model_validate({"at": at, "zone": zone}), instant(published_at), WORKSPACE.zone)


@pytest.mark.parametrize(("at", "user_zone", "published", "due", "source"), LOCAL_TIMES)
def test_local_time(at: str, user_zone: str | None, published: str, due: str | None, source: str) -> None:
    """W5, D3: a user whose own time passed more than an hour before the publication gets no message."""
    time = time_of(at, "user", published)
    assert time.has_passed_for(user_zone) == (due is None), source
    if due is not None:
        assert time.due_for(user_zone) == instant(due), source
        assert time.begins_at <= time.due_for(user_zone)


@pytest.mark.parametrize(("at", "user_zone", "published", "due", "source"), COMPANY_TIMES)
def test_company_time(at: str, user_zone: str | None, published: str, due: str, source: str) -> None:
    """W5: a time by the company's clock is the same instant for everybody, and is sent at once if it has passed."""
    time = time_of(at, "company", published)
    assert not time.has_passed_for(user_zone), source
    assert time.due_for(user_zone) == time.begins_at == instant(due), source


@pytest.mark.parametrize(
    ("zone", "published", "everywhere"),
    [
        ("user", "2026-03-10T22:00Z", False),  # an hour after nine o'clock in UTC-12
        ("user", "2026-03-10T22:00:01Z", True),  # Braze refuses it
        ("user", "2026-03-09T19:00Z", False),
        ("company", "2026-04-01T00:00Z", False),  # sent at once
    ],
)
def test_time_that_has_passed_everywhere(zone: str, published: str, everywhere: bool) -> None:
    """W5: a time that passed more than an hour before the publication in the last zone too is refused."""
    assert time_of(NINE, zone, published).has_passed_everywhere == everywhere


@pytest.mark.parametrize(
    ("send", "published", "now", "refused"),
    [
        ({"at": NINE}, None, "2026-03-10T22:00:01Z", True),
        ({"at": NINE}, None, "2026-03-10T22:00:00Z", False),
        ({"at": NINE}, "2026-03-01T00:00Z", "2026-03-11T00:00:00Z", False),  # newer content of a launch that is over
        ({"at": NINE, "zone": "company"}, None, "2026-03-11T00:00:00Z", False),
        ("at_publish", None, "2026-03-11T00:00:00Z", False),
    ],
)
def test_refused_if_the_time_has_passed_in_every_zone(
    send: Any, published: str | None, now: str, refused: bool
) -> None:
    """W5, P7: Braze refuses a time that has passed in all time zones too."""
    campaign = Campaign.model_validate(original(send))
    before = [entry((send, published))] if published else []
    catalogue = Catalogue().with_entries(before, version=1, workspace=WORKSPACE)
    assert [fault.key for fault in refusals(campaign, catalogue, instant(now))] == ["delivery.send.at"] * refused


def entry(*revisions: tuple[Any, str], **top: Any) -> Entry:
    """A campaign with these revisions, each with its `send` and when it took effect."""
    parsed = [Campaign.model_validate(original(send, **top)) for send, _ in revisions]
    published = [instant(at) for _, at in revisions]
    numbered = zip(parsed, published, strict=True)
    live = tuple(Revision(number, one, at) for number, (one, at) in enumerate(numbered, 1))
    return Entry("o", "active", live, (Window(1, published[0]),))


EARLY, LATER = {"at": NINE}, {"at": "2026-03-12 09:00"}


@pytest.mark.parametrize(
    ("revisions", "published_at"),
    [
        ([(EARLY, "2026-03-01T00:00Z")], "2026-03-01T00:00Z"),
        ([(EARLY, "2026-03-01T00:00Z"), (EARLY, "2026-03-10T22:00Z")], "2026-03-01T00:00Z"),  # newer content only
        ([(LATER, "2026-03-01T00:00Z"), (EARLY, "2026-03-10T22:00Z")], "2026-03-10T22:00Z"),  # another time
        ([(EARLY, "2026-03-01T00:00Z"), (LATER, "2026-03-02T00:00Z"), (EARLY, "2026-03-03T00:00Z")],
         "2026-03-03T00:00Z"),  # back to the first time: published with it now
        (["at_publish", LATER], "2026-03-01T00:01Z"),
        ([LATER, "at_publish"], "2026-03-01T00:01Z"),
    ],
)  # fmt: skip
def test_publication_of_a_time(revisions: list[Any], published_at: str) -> None:
    """W5, P10: a time counts as published when a revision with it was; a revision with the same time keeps that."""
    named = [
        one if isinstance(one, tuple) else (one, f"2026-03-01T00:0{number}Z") for number, one in enumerate(revisions)
    ]
    time = send_time(entry(*named), WORKSPACE)
    assert time is not None
    assert time.published_at == instant(published_at)


def launched(now: str, zone: str | None, published: str = PUBLISHED, **top: Any) -> FollowUp:
    """Return the follow-up of a user of a zone who is added to a launch at `now`."""
    published_entry = entry((EARLY, published), **top)
    catalogue = Catalogue().with_entries([published_entry], version=1, workspace=WORKSPACE)
    time = send_time(published_entry, WORKSPACE)
    assert time is not None
    user = Recipient(User(id="u", push_tokens=("t",), time_zone=zone), receipts={})
    effects = launch_user(Launch("l", published_entry, time), "k", user, catalogue, instant(now))
    return next(effect.follow_up for effect in effects if isinstance(effect, BeginFollowUp))


@pytest.mark.parametrize(
    ("zone", "top", "state", "reason"),
    [
        ("Pacific/Auckland", {}, "dropped", "stale"),
        ("Asia/Tokyo", {}, "waiting", None),
        ("Pacific/Auckland", {"control_group": 100}, "dropped", "stale"),  # W3: both groups are treated alike
        ("Asia/Tokyo", {"control_group": 100}, "control", "control_group"),
        (None, {"control_group": 100}, "control", "control_group"),
    ],
)
def test_user_of_a_launch(zone: str | None, top: dict[str, Any], state: str, reason: str | None) -> None:
    """W5, W3: a user whose time has passed is dropped as stale when the audience is selected, a control user too."""
    follow_up = launched(PUBLISHED, zone, **top)
    assert (follow_up.state, follow_up.reason) == (state, reason)
    if reason == "stale":  # the due time is the one that had passed
        assert (follow_up.due_at, follow_up.decided_at) == (instant("2026-03-09T20:00Z"), instant(PUBLISHED))


@pytest.mark.parametrize(
    ("own", "late_by", "state"),
    [
        (None, timedelta(hours=24), "control"),
        (None, timedelta(hours=24, seconds=1), "dropped"),
        ("1 hour", timedelta(hours=1), "control"),
        ("1 hour", timedelta(hours=1, seconds=1), "dropped"),
        ("3 days", timedelta(days=3), "control"),
    ],
)
def test_control_user_of_a_launch_that_is_late(own: str | None, late_by: timedelta, state: str) -> None:
    """W3, W4, D4: after an outage a control user is enrolled as long as a message would be sent, by `stale_after`."""
    published = instant("2026-03-01T00:00Z")
    due_at = instant("2026-03-10T00:00Z")  # nine o'clock in Tokyo
    revision = Revision(1, Campaign.model_validate(original(EARLY, stale_after=own, control_group=100)), published)
    live = Entry("o", "active", (revision,), (Window(1, published),))
    catalogue = Catalogue().with_entries([live], version=1, workspace=WORKSPACE)
    time = send_time(live, WORKSPACE)
    assert time is not None
    user = Recipient(User(id="u", push_tokens=("t",), time_zone="Asia/Tokyo"), receipts={})
    effects = launch_user(Launch("l", live, time), "k", user, catalogue, due_at + late_by)
    follow_up = next(effect.follow_up for effect in effects if isinstance(effect, BeginFollowUp))
    assert follow_up.state == state
