"""Frequency caps: at most so many messages in so many calendar days (W2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connector.rules.model.campaigns import FrequencyCap
from connector.rules.timing.delays import resolve_zone

CAPPED_CHANNELS = frozenset({"email", "sms", "push", "webhook"})
"""In-app messages and cards neither count nor are capped."""

MAX_CAP_LOOKBACK = timedelta(days=31)
"""How far back a cap can look, with a day's room for zones."""


@dataclass(frozen=True)
class PastSend:
    """A message that went out, may have gone out, or is claimed. `at` is UTC."""

    follow_up_id: str
    channel: str
    at: datetime


def is_capped(
    caps: Sequence[FrequencyCap],
    channel: str,
    past: Sequence[PastSend],
    now: datetime,
    *,
    user_zone: str | None,
    company_zone: str,
    follow_up_id: str,
) -> bool:
    """Whether one more message on this channel would break one of the caps. Arguments as of `full_caps`."""
    return bool(
        full_caps(caps, channel, past, now, user_zone=user_zone, company_zone=company_zone, follow_up_id=follow_up_id)
    )


def full_caps(
    caps: Sequence[FrequencyCap],
    channel: str,
    past: Sequence[PastSend],
    now: datetime,
    *,
    user_zone: str | None,
    company_zone: str,
    follow_up_id: str,
) -> list[tuple[FrequencyCap, list[PastSend]]]:
    """The caps that one more message on this channel would break, each with the sends that fill it.

    Days are the user's calendar days, today the last. A follow-up on several channels counts once for `any`, so its
    own other channels do not cap it.
    """
    if channel not in CAPPED_CHANNELS:
        return []
    zone = resolve_zone("user", user_zone=user_zone, company_zone=company_zone)
    others = [send for send in past if send.follow_up_id != follow_up_id and send.channel in CAPPED_CHANNELS]
    today = now.astimezone(zone).date()
    looked_at = [(cap, _counted(cap, others, today, zone)) for cap in caps if cap.channel in ("any", channel)]
    # One more would be too many; a follow-up counts once.
    return [(cap, sends) for cap, sends in looked_at if len({send.follow_up_id for send in sends}) >= cap.at_most]


def _counted(cap: FrequencyCap, past: Sequence[PastSend], today: date, zone: ZoneInfo) -> list[PastSend]:
    """What went out on what the cap counts, within its calendar days."""
    since = today - timedelta(days=cap.days - 1)
    counted = (send for send in past if cap.channel in ("any", send.channel))
    return [send for send in counted if since <= send.at.astimezone(zone).date() <= today]
