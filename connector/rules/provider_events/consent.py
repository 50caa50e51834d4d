"""Consent and suppressed addresses from providers' events: each statement holds from when it was made.

Providers retry failed calls and report several events at once, so an older statement may arrive after a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.rules.model.users import Consent, canonical_address
from connector.rules.provider_events.effects import EventEffect
from connector.rules.provider_events.events import ProviderEvent

StatementTimes = Mapping[str, str]
"""By channel, when the user's latest statement on consent was made, UTC, RFC 3339."""

EventWithEffect = tuple[ProviderEvent, EventEffect]


@dataclass(frozen=True)
class AddressStatement:
    """The latest statement about an address: that it is suppressed, or accepts messages again. `at` is UTC."""

    channel: str
    address: str
    is_suppressed: bool
    at: datetime


def latest_statements(events: Iterable[EventWithEffect], now: datetime) -> list[AddressStatement]:
    """Return the latest statement about each address in these events; at the same instant, the last in order."""
    latest: dict[tuple[str, str], AddressStatement] = {}
    for event, effect in events:
        if event.recipient is None or not (effect.suppresses_address or effect.restores_address):
            continue
        at = statement_time(event, now)
        statement = AddressStatement(event.channel, event.recipient, effect.suppresses_address, at)
        key = (event.channel, canonical_address(event.channel, event.recipient))
        if key not in latest or at >= latest[key].at:
            latest[key] = statement
    return list(latest.values())


def apply_consent(
    consent: Mapping[str, Consent], times: StatementTimes, events: Iterable[EventWithEffect], now: datetime
) -> tuple[dict[str, Consent], dict[str, str]]:
    """Return a user's consent after these events, and the times of the latest statements; older ones change nothing."""
    new_consent, new_times = dict(consent), dict(times)
    for event, effect in events:
        at, latest = statement_time(event, now), new_times.get(event.channel)
        if effect.consent is not None and (latest is None or at >= datetime.fromisoformat(latest)):
            new_consent[event.channel], new_times[event.channel] = effect.consent, at.isoformat()
    return new_consent, new_times


def latest_times(one: StatementTimes, other: StatementTimes) -> dict[str, str]:
    """Return, by channel, the later of two users' statement times, for users who are merged."""
    return {
        **one,
        **{channel: max(at, one.get(channel, at), key=datetime.fromisoformat) for channel, at in other.items()},
    }


def statement_time(event: ProviderEvent, now: datetime) -> datetime:
    """Return when the statement was made, UTC; a time in the future counts as now (M7)."""
    return min(event.at.astimezone(UTC), now)
