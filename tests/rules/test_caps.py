"""Frequency caps: the most messages that a user gets within some calendar days (W2)."""

from __future__ import annotations

from datetime import datetime

import pytest

from connector.rules.model.campaigns import Workspace
from connector.rules.timing.caps import CAPPED_CHANNELS, PastSend, find_exceeded_caps

NEW_YORK = "America/New_York"
PUSH_A_DAY = {"channel": "push", "at_most": 1, "per": "day"}
ANY_A_DAY = {"channel": "any", "at_most": 1, "per": "day"}
MONDAY_NIGHT = "2026-03-02T23:00:00-05:00"
TUESDAY_EARLY = "2026-03-03T00:30:00-05:00"
TUESDAY_NOON = "2026-03-03T12:00:00-05:00"

Sent = tuple[str, str, str]


def _is_capped(
    caps: list[dict[str, object]],
    channel: str,
    past: list[Sent],
    now: str,
    user_zone: str | None = NEW_YORK,
    own: str = "own",
) -> bool:
    exceeded = find_exceeded_caps(
        Workspace.model_validate({"frequency_caps": caps}).frequency_caps,
        channel,
        [PastSend(follow_up, by, datetime.fromisoformat(at)) for follow_up, by, at in past],
        datetime.fromisoformat(now),
        user_zone=user_zone,
        company_zone="UTC",
        follow_up_id=own,
    )
    return bool(exceeded)


@pytest.mark.parametrize(
    ("past", "now", "expected"),
    [
        ([("a", "push", MONDAY_NIGHT)], TUESDAY_EARLY, False),
        ([("a", "push", MONDAY_NIGHT), ("b", "push", TUESDAY_EARLY)], TUESDAY_NOON, True),
    ],
)
def test_a_day_is_the_users_calendar_day(past: list[Sent], now: str, expected: bool) -> None:
    """W2: a day is from midnight to midnight, not 24 hours (case 19)."""
    assert _is_capped([PUSH_A_DAY], "push", past, now) is expected


@pytest.mark.parametrize(("user_zone", "expected"), [(NEW_YORK, False), (None, True), ("Mars/Olympus", True)])
def test_without_a_zone_days_are_the_companys(user_zone: str | None, expected: bool) -> None:
    """W2: both instants are Tuesday in the company's UTC, and two days in New York."""
    assert _is_capped([PUSH_A_DAY], "push", [("a", "push", MONDAY_NIGHT)], TUESDAY_EARLY, user_zone) is expected


@pytest.mark.parametrize(
    ("per", "sent_on", "expected"),
    [
        ("day", "2026-03-10", True),
        ("day", "2026-03-09", False),
        ("week", "2026-03-04", True),
        ("week", "2026-03-03", False),
        ({"days": 3}, "2026-03-08", True),
        ({"days": 3}, "2026-03-07", False),
        ({"days": 30}, "2026-02-09", True),
        ({"days": 30}, "2026-02-08", False),
    ],
)
def test_today_is_the_last_of_the_days(per: object, sent_on: str, expected: bool) -> None:
    """W2: a week is 7 days that end with today, even if clocks change in it."""
    cap: dict[str, object] = {"channel": "push", "at_most": 1, "per": per}
    past = [("a", "push", f"{sent_on}T12:00:00-04:00")]
    assert _is_capped([cap], "push", past, "2026-03-10T00:30:00-04:00") is expected


@pytest.mark.parametrize(
    ("cap", "channel", "past_channel", "expected"),
    [
        (PUSH_A_DAY, "push", "push", True),
        (PUSH_A_DAY, "push", "email", False),
        (PUSH_A_DAY, "email", "push", False),
        (ANY_A_DAY, "email", "push", True),
        (ANY_A_DAY, "sms", "webhook", True),
        (ANY_A_DAY, "email", "in_app_message", False),
        (ANY_A_DAY, "email", "content_card", False),
        (ANY_A_DAY, "in_app_message", "email", False),
        (ANY_A_DAY, "news_feed_card", "email", False),
        ({**PUSH_A_DAY, "channel": "in_app_message"}, "in_app_message", "in_app_message", False),
    ],
)
def test_which_channels_count(cap: dict[str, object], channel: str, past_channel: str, expected: bool) -> None:
    """W2: a cap counts its own channel or any; in-app messages and cards neither count nor are capped."""
    assert _is_capped([cap], channel, [("a", past_channel, TUESDAY_EARLY)], TUESDAY_NOON) is expected


def test_several_channels_count_once_for_any() -> None:
    """W2: one follow-up on two channels counts once for `any`, and two follow-ups count twice."""
    cap = {**ANY_A_DAY, "at_most": 2}
    both = [("a", "push", TUESDAY_EARLY), ("a", "email", TUESDAY_EARLY)]
    assert not _is_capped([cap], "sms", both, TUESDAY_NOON)
    assert _is_capped([cap], "sms", [*both, ("b", "push", TUESDAY_EARLY)], TUESDAY_NOON)


def test_own_other_channel_does_not_cap() -> None:
    """W2: a follow-up's push does not cap its own email for `any`; it caps another follow-up's."""
    past = [("own", "push", TUESDAY_NOON)]
    assert not _is_capped([ANY_A_DAY], "email", past, TUESDAY_NOON)
    assert _is_capped([ANY_A_DAY], "email", past, TUESDAY_NOON, own="another")


@pytest.mark.parametrize("full", [0, 1])
def test_all_caps_must_hold(full: int) -> None:
    """W2: one full cap is enough, whatever its place in the list."""
    caps: list[dict[str, object]] = [{**PUSH_A_DAY, "at_most": 5}, {**PUSH_A_DAY, "at_most": 5}]
    past = [("a", "push", TUESDAY_EARLY)]
    assert not _is_capped(caps, "push", past, TUESDAY_NOON)
    caps[full] = PUSH_A_DAY
    assert _is_capped(caps, "push", past, TUESDAY_NOON)


def test_no_caps_and_a_cap_of_zero() -> None:
    """W2: without caps nothing is capped; with `at_most: 0` every message of a capped channel is."""
    assert not _is_capped([], "push", [("a", "push", TUESDAY_NOON)], TUESDAY_NOON)
    assert {c: _is_capped([{**ANY_A_DAY, "at_most": 0}], c, [], TUESDAY_NOON) for c in CAPPED_CHANNELS} == {
        "email": True, "sms": True, "push": True, "webhook": True,
    }  # fmt: skip
