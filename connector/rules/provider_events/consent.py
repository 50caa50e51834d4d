"""Consent and suppressed addresses from providers' events: each statement holds from when it was made.

Providers retry failed calls and report several events at once, so an older statement may arrive after a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.rules.model.addresses import canonical_address
from connector.rules.model.consent import ConsentSource, ConsentStatement, ConsentStatements, choose_statement
from connector.rules.provider_events.effects import EventEffect
from connector.rules.provider_events.events import ProviderEvent

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
    statements: ConsentStatements, events: Iterable[EventWithEffect], now: datetime
) -> dict[str, ConsentStatement]:
    """Return the statements on consent that hold after these events; older ones change nothing."""
    held = dict(statements)
    for event, effect in events:
        if effect.consent is not None:
            new = ConsentStatement(effect.consent, ConsentSource.PROVIDER, statement_time(event, now))
            held[event.channel] = choose_statement(held.get(event.channel), new)
    return held


def statement_time(event: ProviderEvent, now: datetime) -> datetime:
    """Return when the statement was made, UTC; a time in the future counts as now (M7)."""
    return min(event.at.astimezone(UTC), now)
