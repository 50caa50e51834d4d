"""How a user stands on a channel, by what providers tell: each word holds from when it was said, not when it arrived.

Providers tell again what failed, and tell several things at once, so an older word may come after a newer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.rules.model.users import Consent, canonical_address
from connector.rules.provider_events.events import ProviderEvent
from connector.rules.provider_events.outcomes import Outcome

SaidAt = Mapping[str, str]
"""By channel when the last word on the consent was said, UTC, in text."""

Told = tuple[ProviderEvent, Outcome]
"""An event, with what it comes to."""


@dataclass(frozen=True)
class AddressStatement:
    """What was said of an address last: that it is dead, or that it takes messages again. `at` is UTC."""

    channel: str
    address: str
    dead: bool
    at: datetime


def latest_statement(told: Iterable[Told], now: datetime) -> list[AddressStatement]:
    """The last word on each address that these events tell of; of two at one instant the one that is told last."""
    words: dict[tuple[str, str], AddressStatement] = {}
    for event, outcome in told:
        if event.recipient is None or not (outcome.dead or outcome.revives):
            continue
        word = AddressStatement(event.channel, event.recipient, outcome.dead, statement_of(event, now))
        key = (word.channel, canonical_address(word.channel, word.address))
        if key not in words or word.at >= words[key].at:
            words[key] = word
    return list(words.values())


def consent_after(
    consent: Mapping[str, Consent], said_at: SaidAt, told: Iterable[Told], now: datetime
) -> tuple[dict[str, Consent], dict[str, str]]:
    """A user's consent after these events, and when the last word on it was said; an older word changes nothing."""
    new, said_last_at = dict(consent), dict(said_at)
    for event, outcome in told:
        channel, at = event.channel, statement_of(event, now)
        last = said_last_at.get(channel)
        if outcome.consent is not None and (last is None or at >= datetime.fromisoformat(last)):
            new[channel], said_last_at[channel] = outcome.consent, at.isoformat()
    return new, said_last_at


def later_of(one: SaidAt, other: SaidAt) -> dict[str, str]:
    """By channel the later of when two users, who are one from now on, said their last words."""
    return {
        **one,
        **{channel: max(at, one.get(channel, at), key=datetime.fromisoformat) for channel, at in other.items()},
    }


def statement_of(event: ProviderEvent, now: datetime) -> datetime:
    """When it was said, UTC; what is said to be said later was said now (M7)."""
    return min(event.at.astimezone(UTC), now)
