"""Frequency caps: the most messages that a user gets within some calendar days (W2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connector.rules.model.campaigns import FrequencyCap
from connector.rules.timing.delays import resolve_zone

CAPPED_CHANNELS = frozenset({"email", "sms", "push", "webhook"})
"""The channels that count for caps and are capped, unlike in-app messages and cards (W2)."""

MAX_CAP_LOOKBACK = timedelta(days=31)
"""How far back a cap can count, with one day for time zones."""


@dataclass(frozen=True)
class PastSend:
    """A message that was sent, may have been sent, or is claimed. `at` is UTC."""

    follow_up_id: str
    channel: str
    at: datetime


def find_exceeded_caps(
    caps: Sequence[FrequencyCap],
    channel: str,
    past: Sequence[PastSend],
    now: datetime,
    *,
    user_zone: str | None,
    company_zone: str,
    follow_up_id: str,
) -> list[tuple[FrequencyCap, list[PastSend]]]:
    """Return the caps that one more message on this channel would exceed, each with the sends that fill it.

    Days are the user's calendar days, and today is the last. A follow-up on several channels counts once for `any`, so
    its own other channels do not cap it.

    Args:
        past: the user's sends of the last `MAX_CAP_LOOKBACK`.
        now: UTC.
        follow_up_id: the follow-up that the message belongs to.
    """
    caps = [cap for cap in caps if cap.channel in ("any", channel) and cap.at_most <= len(past)]
    if channel not in CAPPED_CHANNELS or not caps:
        return []
    zone = resolve_zone("user", user_zone=user_zone, company_zone=company_zone)
    oldest = now - timedelta(days=max(cap.days for cap in caps) + 1)  # with one day for time zones
    recent = [send for send in past if send.at > oldest and send.channel in CAPPED_CHANNELS]
    others = [send for send in recent if send.follow_up_id != follow_up_id]
    today = now.astimezone(zone).date()
    counted = [(cap, _counted_sends(cap, others, today, zone)) for cap in caps]
    return [(cap, sends) for cap, sends in counted if len({send.follow_up_id for send in sends}) >= cap.at_most]


def _counted_sends(cap: FrequencyCap, past: Sequence[PastSend], today: date, zone: ZoneInfo) -> list[PastSend]:
    """Return the sends on the cap's channel within its calendar days."""
    since = today - timedelta(days=cap.days - 1)
    on_channel = (send for send in past if cap.channel in ("any", send.channel))
    return [send for send in on_channel if since <= send.at.astimezone(zone).date() <= today]
