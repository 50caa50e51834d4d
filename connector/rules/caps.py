"""Frequency caps: at most so many messages in so many calendar days (W2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.rules.campaigns import FrequencyCap
from connector.rules.delays import zone_of

CAPPED_CHANNELS = frozenset({"email", "sms", "push", "webhook"})
"""In-app messages and cards neither count nor are capped."""

LONGEST = timedelta(days=31)
"""How far back a cap can look, with a day's room for zones."""


@dataclass(frozen=True)
class PastSend:
    """A message that went out, may have gone out, or is claimed. `at` is UTC."""

    follow_up_id: str
    channel: str
    at: datetime


def capped(
    caps: Sequence[FrequencyCap],
    channel: str,
    past: Sequence[PastSend],
    now: datetime,
    *,
    user_zone: str | None,
    company_zone: str,
    follow_up_id: str,
) -> bool:
    """Whether one more message on this channel would break one of the caps.

    Days are the user's calendar days, today the last. A follow-up on several channels counts once for `any`, so its
    own other channels do not cap it.
    """
    if channel not in CAPPED_CHANNELS:
        return False
    zone = zone_of("user", user_zone=user_zone, company_zone=company_zone)
    today = now.astimezone(zone).date()
    for cap in caps:
        if cap.channel not in ("any", channel):
            continue
        first_day = today - timedelta(days=cap.days - 1)
        counted = {
            send.follow_up_id
            for send in past
            if send.channel in CAPPED_CHANNELS
            and cap.channel in ("any", send.channel)
            and first_day <= send.at.astimezone(zone).date() <= today
        }
        if len(counted - {follow_up_id}) >= cap.at_most:
            return True
    return False
