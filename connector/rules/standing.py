"""How a user stands on a channel, by what providers tell: each word holds from when it was said, not when it arrived.

Providers tell again what failed, and tell several things at once, so an older word may come after a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.rules.addresses import Unreachable, bare
from connector.rules.provider_events import ProviderEvent
from connector.rules.provider_outcomes import Outcome
from connector.rules.users import Consent

SaidAt = Mapping[str, str]
"""When the last word on each was said, UTC, in text: by `consent CHANNEL`, and by `address CHANNEL ADDRESS` for the one
address of a channel that was spoken of last."""


@dataclass(frozen=True)
class Standing:
    """A user's consent and dead addresses, by channel, and when that was said."""

    consent: Mapping[str, Consent]
    unreachable: Unreachable
    said_at: SaidAt


def heard(standing: Standing, event: ProviderEvent, outcome: Outcome, address: str | None, now: datetime) -> Standing:
    """How one holder of the recipient's address, or whom it leads to, stands after an event.

    A word that is older than the last one changes nothing. What is said of an address that they no longer have says
    nothing of the one that they have.

    Args:
        address: the user's on the event's channel.
        now: UTC; what is said to be said later was said now (M7).
    """
    consent, unreachable, said = dict(standing.consent), dict(standing.unreachable), dict(standing.said_at)
    channel, told, at = event.channel, event.recipient, min(event.at.astimezone(UTC), now)
    if outcome.consent is not None and _is_newest(said, key := said_of_consent(channel), at):
        consent[channel], said[key] = outcome.consent, at.isoformat()
    spoken_of = told if address is None or (told and bare(channel, told) == bare(channel, address)) else None
    if spoken_of and (outcome.dead or outcome.revives):
        prefix = f"address {channel} "
        key = prefix + bare(channel, spoken_of)
        if _is_newest(said, key, at):
            said = {name: when for name, when in said.items() if not name.startswith(prefix)} | {key: at.isoformat()}
            unreachable.pop(channel, None)
            if outcome.dead:
                unreachable[channel] = address or spoken_of
    return Standing(consent, unreachable, said)


def said_of_consent(channel: str) -> str:
    """The name of the last word on a channel's consent in `SaidAt`."""
    return f"consent {channel}"


def _is_newest(said: SaidAt, key: str, at: datetime) -> bool:
    return key not in said or at >= datetime.fromisoformat(said[key])
