"""Count the users of an audience who can be reached now, by channel (P8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connector.rules.model.campaigns import Campaign
from connector.rules.model.users import SuppressedAddresses, User
from connector.rules.publishing.facts import Reach
from connector.rules.sending.due_list import reachable
from connector.rules.targeting.audience import History, is_in_audience


@dataclass(frozen=True)
class KnownUser:
    """A user with the past items that audiences need and the suppressed addresses, by channel."""

    user: User
    history: History
    unreachable: SuppressedAddresses


def measure_reach(campaign: Campaign, users: Iterable[KnownUser], now: datetime) -> Reach:
    """Count who is in the audience at `now` (UTC), and who of them has consent and an address, by channel."""
    channels: list[str] = sorted({channel for content in campaign.contents for channel in content.channels})
    by_channel: dict[str, int] = dict.fromkeys(channels, 0)
    in_audience = reached = 0
    for known in users:
        if not is_in_audience(campaign.audience, known.user, known.history, now):
            continue
        open_channels = [channel for channel in channels if _is_open(known, channel)]
        in_audience += 1
        reached += bool(open_channels)
        for channel in open_channels:
            by_channel[channel] += 1
    return Reach(in_audience, reached, by_channel)


def _is_open(known: KnownUser, channel: str) -> bool:
    is_unsubscribed = known.user.consent.get(channel) == "unsubscribed"  # type: ignore[call-overload]
    return not is_unsubscribed and reachable(known.user, channel, known.unreachable)
