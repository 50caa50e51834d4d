"""The ordered list "at the due time" (behaviour.md; W1 to W4, D4, P9, P10), for one channel, as of now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Entry, Revision, Window
from connector.rules.model.campaigns import Campaign, Workspace
from connector.rules.model.conditions import Condition
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User
from connector.rules.sending.due_list import (
    AT_THE_DUE_TIME,
    Control,
    Drop,
    DueFacts,
    Hold,
    Send,
    Verdict,
    evaluate_due_list,
)
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import PastSend

NEW_YORK = "America/New_York"
PUBLISHED = datetime(2026, 2, 1, tzinfo=UTC)
NOON = "2026-03-03T12:00:00-05:00"
OFFICE = {"from": "09:00", "to": "17:00"}
NIGHT = {"from": "22:00", "to": "06:00"}
GOLD = {"attribute": "tier", "is": "gold"}
ADA = {"email": "ada@example.com", "phone": "+15550100", "push_tokens": ["t"], "time_zone": NEW_YORK}
PUSH_A_DAY = [{"channel": "push", "at_most": 1, "per": "day"}]


class EmptyHistory:
    """A history in which nothing happened."""

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        return False


class RecordingHistory:
    """A history that records up to when it was queried."""

    def __init__(self) -> None:
        self.before: list[datetime] = []

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        self.before.append(before)
        return True


def _campaign(audience: Any = "everyone", **delivery: Any) -> Campaign:
    action = {"type": "action_based", "trigger": [{"event": "e"}], "eligible_again": "always", **delivery}
    return Campaign.model_validate(
        {"campaign": "c", "delivery": action, "audience": audience, "messages": {"sms": {"body": "b"}}}
    )


def _entry(*campaigns: Campaign) -> Entry:
    revisions = tuple(Revision(n, c, PUBLISHED + timedelta(days=n)) for n, c in enumerate(campaigns, 1))
    return Entry("c", "active", revisions, (Window(1, PUBLISHED),))


def _facts(
    now: str = NOON,
    *,
    workspace: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    channel: str = "push",
    audience: Any = "everyone",
    **delivery: Any,
) -> DueFacts:
    at = datetime.fromisoformat(now)
    return DueFacts(
        now=at,
        next_at=at,
        entry=_entry(_campaign(audience, **delivery)),
        window_id=1,
        workspace=Workspace.model_validate({"zone": NEW_YORK, **(workspace or {})}),
        channel=channel,
        user=User.model_validate({"id": "u", **ADA, **(user or {})}),
        history=EmptyHistory(),
        received_at=None,
        past_sends=(),
        assignment=Assignment(control=False),
        follow_up_id="own",
        unreachable={},
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_nothing_prevents_it() -> None:
    """A follow-up that passes every check is sent."""
    assert evaluate_due_list(_facts()) == Send()


def test_the_order_of_the_list() -> None:
    """If every check fails, the checks refuse in behaviour.md's order as the ones before are mended."""
    now = _at(NOON)
    campaign = _campaign(
        GOLD, end=now, time_of_day={"from": "01:00", "to": "02:00"}, recheck_audience=True, eligible_again="never",
        quiet_hours={"from": "11:00", "to": "13:00", "then": "drop"},
    )  # fmt: skip
    facts = replace(
        _facts(workspace={"frequency_caps": PUSH_A_DAY}, user={"push_tokens": [], "consent": {"push": "unsubscribed"}}),
        entry=_entry(campaign),
        window_id=2,
        next_at=now - timedelta(days=2),
        received_at=now - timedelta(days=9),
        past_sends=[PastSend("another", "push", now)],
        assignment=Assignment(control=True),
    )
    mended: tuple[dict[str, Any], ...] = (
        {"window_id": 1},
        {"next_at": now},
        {"end": None},
        {"time_of_day": None},
        {"quiet_hours": "none"},
        {"recheck_audience": False},
        {"eligible_again": "always"},
        {"consent": {}},
        {"push_tokens": ("t",)},
        {"past_sends": ()},
        {"assignment": Assignment(control=False)},
    )
    verdicts = [evaluate_due_list(facts)]
    for change in mended:
        facts = _mend(facts, change)
        verdicts.append(evaluate_due_list(facts))
    assert verdicts == [
        Drop(Reason.STOPPED),
        Drop(Reason.STALE),
        Drop(Reason.OUTSIDE_CAMPAIGN_DURATION),
        Drop(Reason.OUTSIDE_TIME_OF_DAY),
        Drop(Reason.QUIET_HOURS),
        Drop(Reason.NOT_IN_AUDIENCE),
        Drop(Reason.NOT_ELIGIBLE_AGAIN),
        Drop(Reason.NO_CONSENT),
        Drop(Reason.UNREACHABLE),
        Drop(Reason.FREQUENCY_CAPPED),
        Control(),
        Send(),
    ]
    assert len(AT_THE_DUE_TIME) == len(verdicts) - 2  # consent and reachability are one check; Send is none


def _mend(facts: DueFacts, change: dict[str, Any]) -> DueFacts:
    """Change one value, whether it belongs to the facts, the user or the campaign's delivery."""
    (name,) = change
    if name in User.model_fields:
        return replace(facts, user=facts.user.model_copy(update=change))
    if hasattr(facts, name):
        return replace(facts, **change)
    delivery = facts.campaign.delivery.model_copy(update=change)
    return replace(facts, entry=_entry(facts.campaign.model_copy(update={"delivery": delivery})))


@pytest.mark.parametrize(("window_id", "expected"), [(1, Drop(Reason.STOPPED)), (2, Send()), (3, Drop(Reason.STOPPED))])
def test_only_the_window_it_began_in(window_id: int, expected: Verdict) -> None:
    """P9: a resume does not bring back a follow-up that began before the stop (case 20)."""
    windows = (Window(1, PUBLISHED, _at("2026-03-01T14:30:00Z")), Window(2, _at("2026-03-01T14:40:00Z")))
    facts = replace(_facts(), window_id=window_id)
    assert evaluate_due_list(replace(facts, entry=replace(facts.entry, windows=windows))) == expected


def test_a_stopped_campaign_sends_nothing() -> None:
    """P9: if its window is closed, the follow-up is dropped as stopped, although no revision is live."""
    facts = _facts()
    entry = replace(facts.entry, state="stopped", windows=(Window(1, PUBLISHED, _at(NOON)),))
    assert evaluate_due_list(replace(facts, entry=entry)) == Drop(Reason.STOPPED)


@pytest.mark.parametrize(
    ("late", "stale_after", "expected"),
    [
        (timedelta(hours=24), "24 hours", Send()),
        (timedelta(hours=24, microseconds=1), "24 hours", Drop(Reason.STALE)),
        (timedelta(hours=2), "1 hour", Drop(Reason.STALE)),
        (timedelta(hours=1), "24 hours", Send()),  # case 23: due 12:00, evaluated at 13:00
    ],
)
def test_stale(late: timedelta, stale_after: str, expected: Verdict) -> None:
    """D4, W4: a follow-up more than `stale_after` past the time that it waited for is dropped."""
    facts = _facts(workspace={"stale_after": stale_after})
    assert evaluate_due_list(replace(facts, next_at=facts.now - late)) == expected


@pytest.mark.parametrize(
    ("late", "own", "expected"),
    [
        (timedelta(hours=24), None, Send()),
        (timedelta(hours=1), "1 hour", Send()),
        (timedelta(hours=1, microseconds=1), "1 hour", Drop(Reason.STALE)),
        (timedelta(days=7), "1 week", Send()),
        (timedelta(days=7, microseconds=1), "1 week", Drop(Reason.STALE)),
    ],
)
def test_stale_by_the_campaigns_own_limit(late: timedelta, own: str | None, expected: Verdict) -> None:
    """W5, D4: `delivery.stale_after` overrides the workspace's for one campaign, in both directions."""
    facts = _facts(stale_after=own)
    assert evaluate_due_list(replace(facts, next_at=facts.now - late)) == expected


@pytest.mark.parametrize("type", ["action_based", "scheduled"])
@pytest.mark.parametrize("own", ["0 seconds", "soon", 3600, ""])
def test_invalid_limits(type: str, own: Any) -> None:
    """W5: `stale_after` is a duration of more than zero."""
    delivery = (
        {"type": type, "trigger": [{"event": "e"}]} if type == "action_based" else {"type": type, "send": "at_publish"}
    )
    words = {"campaign": "c", "delivery": {**delivery, "stale_after": own}, "messages": {"sms": {"body": "b"}}}
    with pytest.raises(ValueError, match="stale_after"):
        Campaign.model_validate(words)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02T23:59:59Z", Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)),
        ("2026-03-03T00:00:00Z", Send()),
        ("2026-03-04T23:59:59Z", Send()),
        ("2026-03-05T00:00:00Z", Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)),
        ("2026-03-05T12:00:00Z", Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)),  # case 15: triggered 03-04T12:00, 24 h
    ],
)
def test_duration_of_the_campaign(now: str, expected: Verdict) -> None:
    """Messages are sent in the campaign's [start, end) only (case 15)."""
    assert evaluate_due_list(_facts(now, start="2026-03-03T00:00:00Z", end="2026-03-05T00:00:00Z")) == expected


@pytest.mark.parametrize(
    ("outside", "end", "now", "expected"),
    [
        ("drop", None, "2026-03-04T01:00:00Z", Drop(Reason.OUTSIDE_TIME_OF_DAY)),  # case 16: Tuesday 20:00 local
        ("next", None, "2026-03-04T01:00:00Z", Hold(_at("2026-03-04T14:00:00Z"))),  # case 16
        ("next", "2026-03-04T14:00:01Z", "2026-03-04T01:00:00Z", Hold(_at("2026-03-04T14:00:00Z"))),
        ("next", "2026-03-04T14:00:00Z", "2026-03-04T01:00:00Z", Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)),
        ("drop", None, "2026-03-04T14:00:00Z", Send()),
        ("drop", None, "2026-03-04T22:00:00Z", Drop(Reason.OUTSIDE_TIME_OF_DAY)),
    ],
)
@pytest.mark.parametrize("channel", ["push", "in_app_message"])
def test_time_of_day(channel: str, outside: str, end: str | None, now: str, expected: Verdict) -> None:
    """Outside the hours it is dropped, or held to the next opening unless the campaign has ended by then (case 16)."""
    hours = {**OFFICE, "zone": "user", "outside": outside}
    assert evaluate_due_list(_facts(now, channel=channel, time_of_day=hours, end=end)) == expected


HOLD_TO_SIX = Hold(_at("2026-03-04T11:00:00Z"))


@pytest.mark.parametrize(
    ("own", "of_workspace", "expected"),
    [
        (NIGHT, None, HOLD_TO_SIX),  # case 17
        (None, NIGHT, HOLD_TO_SIX),
        ("none", NIGHT, Send()),
        ({"from": "05:00", "to": "05:45"}, NIGHT, Hold(_at("2026-03-04T10:45:00Z"))),
        ({**NIGHT, "then": "drop"}, None, Drop(Reason.QUIET_HOURS)),
        (None, {**NIGHT, "then": "drop"}, Drop(Reason.QUIET_HOURS)),
        (None, None, Send()),
    ],
)
def test_quiet_hours(own: Any, of_workspace: Any, expected: Verdict) -> None:
    """Held to their end or dropped; the campaign's own replace the workspace's, and `none` opts out (case 17)."""
    facts = _facts("2026-03-04T05:30:00-05:00", quiet_hours=own, workspace={"quiet_hours": of_workspace})
    assert evaluate_due_list(facts) == expected


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("email", HOLD_TO_SIX),
        ("sms", HOLD_TO_SIX),
        ("push", HOLD_TO_SIX),
        ("webhook", HOLD_TO_SIX),
        ("in_app_message", Send()),
        ("content_card", Send()),
        ("news_feed_card", Send()),
    ],
)
def test_which_channels_quiet_hours_hold(channel: str, expected: Verdict) -> None:
    """W2: quiet hours do not hold in-app messages and cards."""
    assert evaluate_due_list(_facts("2026-03-04T05:30:00-05:00", channel=channel, quiet_hours=NIGHT)) == expected


def test_a_hold_beyond_the_end_is_dropped_then() -> None:
    """Quiet hours hold to their own end; the campaign's end is checked after the hold."""
    facts = _facts("2026-03-04T05:30:00-05:00", quiet_hours=NIGHT, end="2026-03-04T10:45:00Z")
    assert evaluate_due_list(facts) == HOLD_TO_SIX
    after_hold = replace(facts, now=HOLD_TO_SIX.until, next_at=HOLD_TO_SIX.until)
    assert evaluate_due_list(after_hold) == Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)


def test_a_hold_ends_in_a_send() -> None:
    """W1: windows are [from, to), so a held message is sent at the very instant that it was held to."""
    facts = _facts("2026-03-04T05:30:00-05:00", quiet_hours=NIGHT, time_of_day={"from": "05:00", "to": "07:00"})
    assert evaluate_due_list(facts) == HOLD_TO_SIX
    assert evaluate_due_list(replace(facts, now=HOLD_TO_SIX.until, next_at=HOLD_TO_SIX.until)) == Send()


MORNING = {"from": "06:00", "to": "12:00", "zone": "company"}
HOLD_TO_NOON = Hold(_at("2026-02-20T12:00:00+01:00"))
SMALL_HOURS = {"from": "00:00", "to": "04:30", "zone": "user", "outside": "next"}
"""In New York, of a company in Berlin: 06:00 to 10:30 there, and an hour earlier while only New York has changed."""


@pytest.mark.parametrize(
    ("now", "changes", "expected"),
    [
        ("2026-02-20T12:00:00Z", {}, Drop(Reason.OUTSIDE_TIME_OF_DAY)),
        ("2026-02-20T05:00:00Z", {}, Drop(Reason.OUTSIDE_TIME_OF_DAY)),  # inside the hours, and quiet
        ("2026-02-28T03:59:59Z", {}, Drop(Reason.OUTSIDE_TIME_OF_DAY)),
        ("2026-03-01T04:00:01Z", {}, Hold(_at("2026-03-01T05:00:00Z"))),  # a change of clocks within eight days
        ("2026-03-09T03:59:59Z", {}, Hold(_at("2026-03-09T04:00:00Z"))),
        ("2026-03-09T04:00:00Z", {}, Send()),
        ("2026-02-20T12:00:00Z", {"channel": "in_app_message"}, Hold(_at("2026-02-21T05:00:00Z"))),
        ("2026-02-20T12:00:00Z", {"quiet_hours": "none"}, Hold(_at("2026-02-21T05:00:00Z"))),
        ("2026-02-20T12:00:00Z", {"user": {"time_zone": None}}, Hold(_at("2026-02-20T23:00:00Z"))),
        ("2026-02-20T12:00:00Z", {"user": {"time_zone": "Asia/Tokyo"}}, Hold(_at("2026-02-20T15:00:00Z"))),
        ("2026-02-20T05:00:00Z", {"quiet_hours": {**MORNING, "then": "drop"}}, Drop(Reason.QUIET_HOURS)),
        ("2026-02-20T05:00:00Z", {"time_of_day": {**SMALL_HOURS, "outside": "drop"}}, HOLD_TO_NOON),
        ("2026-02-20T12:00:00Z", {"end": "2026-02-21T05:00:00Z"}, Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)),
        ("2026-02-20T12:00:00Z", {"end": "2026-02-21T05:00:01Z"}, Drop(Reason.OUTSIDE_TIME_OF_DAY)),
    ],
)  # fmt: skip
def test_hours_that_are_always_quiet(now: str, changes: dict[str, Any], expected: Verdict) -> None:
    """W1, P7: if hours and quiet hours in two zones leave a user no instant, the message is dropped at once."""
    words = {"workspace": {"zone": "Europe/Berlin", "quiet_hours": MORNING}, "time_of_day": SMALL_HOURS, **changes}
    assert evaluate_due_list(_facts(now, **words)) == expected


@pytest.mark.parametrize(
    ("recheck", "tier", "expected"),
    [
        (False, "silver", Send()),  # case 18
        (True, "silver", Drop(Reason.NOT_IN_AUDIENCE)),  # case 18
        (True, "gold", Send()),
    ],
)
def test_recheck_of_the_audience(recheck: bool, tier: str, expected: Verdict) -> None:
    """The audience is evaluated again only with `recheck_audience` (case 18)."""
    facts = _facts(audience=GOLD, recheck_audience=recheck, user={"attributes": {"tier": tier}})
    assert evaluate_due_list(facts) == expected


def test_recheck_uses_the_history_before_now() -> None:
    """A recheck of the audience evaluates the history as of now."""
    history = RecordingHistory()
    facts = _facts(audience={"did": {"event": "e"}}, recheck_audience=True)
    assert evaluate_due_list(replace(facts, history=history, next_at=facts.now - timedelta(hours=1))) == Send()
    assert history.before == [facts.now]


@pytest.mark.parametrize(
    ("rule", "received_at", "expected"),
    [
        ("never", None, Send()),
        ("never", "2026-02-01T00:00:00Z", Drop(Reason.NOT_ELIGIBLE_AGAIN)),
        ("always", NOON, Send()),
        ({"after": "1 day"}, "2026-03-02T12:00:00-05:00", Send()),
        ({"after": "1 day"}, "2026-03-02T12:00:01-05:00", Drop(Reason.NOT_ELIGIBLE_AGAIN)),
    ],
)
def test_eligible_again(rule: Any, received_at: str | None, expected: Verdict) -> None:
    """T1, again at the due time: the user may have received the campaign meanwhile."""
    facts = replace(_facts(eligible_again=rule), received_at=_at(received_at) if received_at else None)
    assert evaluate_due_list(facts) == expected


@pytest.mark.parametrize(
    ("channel", "user", "expected"),
    [
        ("email", {"consent": {"email": "unsubscribed"}}, Drop(Reason.NO_CONSENT)),
        ("email", {"consent": {"email": "unsubscribed"}, "email": None}, Drop(Reason.NO_CONSENT)),
        ("email", {"consent": {"push": "unsubscribed"}}, Send()),
        ("email", {"consent": {"email": "subscribed"}}, Send()),
        ("webhook", {"consent": {"webhook": "unsubscribed"}}, Drop(Reason.NO_CONSENT)),
        ("content_card", {"consent": {"content_card": "unsubscribed"}}, Drop(Reason.NO_CONSENT)),
        ("email", {"email": None}, Drop(Reason.UNREACHABLE)),
        ("sms", {"phone": None}, Drop(Reason.UNREACHABLE)),
        ("push", {"push_tokens": []}, Drop(Reason.UNREACHABLE)),
        ("push", {"email": None, "phone": None}, Send()),
        *((channel, {"email": None, "phone": None, "push_tokens": []}, Send())
          for channel in ("webhook", "in_app_message", "content_card", "news_feed_card")),
    ],
)  # fmt: skip
def test_consent_and_address(channel: str, user: dict[str, Any], expected: Verdict) -> None:
    """W1: missing consent means subscribed; each channel has its own consent and address."""
    assert evaluate_due_list(_facts(channel=channel, user=user)) == expected


@pytest.mark.parametrize(
    ("now", "channel", "ignore", "expected"),
    [
        ("2026-03-03T00:30:00-05:00", "push", False, Send()),  # case 19: sent Monday 23:00
        ("2026-03-02T23:30:00-05:00", "push", False, Drop(Reason.FREQUENCY_CAPPED)),
        ("2026-03-02T23:30:00-05:00", "push", True, Send()),
        ("2026-03-02T23:30:00-05:00", "email", False, Send()),
    ],
)
def test_frequency_caps(now: str, channel: str, ignore: bool, expected: Verdict) -> None:
    """W2: the workspace's caps apply unless the campaign ignores them (case 19)."""
    facts = _facts(now, channel=channel, workspace={"frequency_caps": PUSH_A_DAY}, ignore_frequency_caps=ignore)
    past = [PastSend("another", "push", _at("2026-03-02T23:00:00-05:00"))]
    assert evaluate_due_list(replace(facts, past_sends=past)) == expected


def test_own_push_does_not_cap_own_email() -> None:
    """W2: a follow-up on several channels counts once for `any`."""
    facts = _facts(channel="email", workspace={"frequency_caps": [{"channel": "any", "at_most": 1, "per": "day"}]})
    sent = [PastSend("own", "push", facts.now)]
    assert evaluate_due_list(replace(facts, past_sends=sent)) == Send()
    assert evaluate_due_list(replace(facts, past_sends=sent, follow_up_id="another")) == Drop(Reason.FREQUENCY_CAPPED)


def test_control_users_are_enrolled_when_a_message_would_be_sent() -> None:
    """W3: at the moment of the message, and not if the message would have been held or dropped."""
    control = Assignment(control=True)
    assert evaluate_due_list(replace(_facts(), assignment=control)) == Control()
    quiet = _facts("2026-03-04T05:30:00-05:00", quiet_hours=NIGHT)
    assert evaluate_due_list(replace(quiet, assignment=control)) == HOLD_TO_SIX


def test_the_newest_live_revision_applies() -> None:
    """P10: the list applies the newest published revision, and no draft."""
    at_noon = {"from": "11:00", "to": "13:00", "then": "drop"}
    facts = _facts()
    entry = _entry(_campaign(), _campaign(quiet_hours=at_noon))
    assert evaluate_due_list(replace(facts, entry=entry)) == Drop(Reason.QUIET_HOURS)
    drafted = replace(entry, revisions=(entry.revisions[0], replace(entry.revisions[1], effective_at=None)))
    assert evaluate_due_list(replace(facts, entry=drafted)) == Send()


def test_zone_of_the_company_for_users_without_one() -> None:
    """D3: hours in the user's zone are the company's for a user without one."""
    hours = {**OFFICE, "zone": "user", "outside": "next"}
    facts = _facts("2026-03-04T01:00:00Z", time_of_day=hours, user={"time_zone": None})
    assert evaluate_due_list(facts) == Hold(_at("2026-03-04T14:00:00Z"))
    tokyo = _facts("2026-03-04T01:00:00Z", time_of_day=hours, user={"time_zone": "Asia/Tokyo"})
    assert evaluate_due_list(tokyo) == Send()


def test_the_list_of_an_original() -> None:
    """A scheduled original has no hours, eligibility or recheck of its own; the workspace's rules apply to it."""
    original = Campaign.model_validate(
        {"campaign": "c", "delivery": {"type": "scheduled", "send": "at_publish"}, "audience": GOLD,
         "messages": {"sms": {"body": "b"}}}
    )  # fmt: skip
    facts = replace(_facts(workspace={"frequency_caps": PUSH_A_DAY}), entry=_entry(original), received_at=_at(NOON))
    assert evaluate_due_list(facts) == Send()
    capped = replace(facts, past_sends=[PastSend("another", "push", facts.now)])
    assert evaluate_due_list(capped) == Drop(Reason.FREQUENCY_CAPPED)
    night = replace(_facts("2026-03-04T05:30:00-05:00", workspace={"quiet_hours": NIGHT}), entry=_entry(original))
    assert evaluate_due_list(night) == HOLD_TO_SIX
