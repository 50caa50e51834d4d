"""Where a provider's event leads back to: our delivery, or the campaign and user of another system's message.

In this order: by our delivery (its id as an argument, in a link of ours, or in the Message-ID; or the provider's id for
it); by the arguments campaign and user; by the argument campaign and the only user whose address is the recipient.
A tag that is a campaign's id stands for the argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote

from connector.rules.model.users import canonical_address
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, USER, ProviderEvent
from connector.rules.provider_events.tags import from_tag
from connector.rules.sending.deliveries import DeliveryState

LONGEST_ID = 255
"""Characters of a user's id."""


class Unmatched(StrEnum):
    """Why an event could not be led back."""

    NO_CAMPAIGN = "no_campaign"
    """It names neither a delivery nor a campaign."""

    UNKNOWN_CAMPAIGN = "unknown_campaign"
    """The campaign that it names has not been applied."""

    UNKNOWN_USER = "unknown_user"
    """Nobody has the recipient's address, or the user's id cannot be one."""

    AMBIGUOUS_USER = "ambiguous_user"
    """Several users have the recipient's address."""

    UNKNOWN_DELIVERY = "unknown_delivery"
    """The delivery that it names is not ours, and it names no campaign."""


@dataclass(frozen=True)
class MatchedDelivery:
    """A message of ours and whom it went to. `user` is None where they were erased; `claimed_at` is UTC."""

    id: str
    campaign: str
    channel: str
    state: DeliveryState
    claimed_at: datetime | None
    provider_id: str | None
    fault: str | None
    user: str | None


@dataclass(frozen=True)
class Attribution:
    """Where an event leads: to a campaign and a user, by the id that services use; to our delivery if it is ours."""

    campaign: str
    user: str
    delivery: MatchedDelivery | None = None


@dataclass(frozen=True)
class ErasedUser:
    """It leads to somebody who was erased: nothing is kept of it (guarantee 8)."""


@dataclass(frozen=True)
class AttributionLookup:
    """What is known of everything that some events name.

    Args:
        deliveries: ours, by their ids. by_provider: by the providers' ids for them.
        campaigns: all that are known. erased: those of the named users who were erased.
        holders: the users who have an address, by channel and `canonical_address` address.
    """

    deliveries: Mapping[str, MatchedDelivery] = field(default_factory=dict)
    by_provider: Mapping[str, MatchedDelivery] = field(default_factory=dict)
    campaigns: Collection[str] = ()
    erased: Collection[str] = ()
    holders: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def holders_of(self, event: ProviderEvent) -> Sequence[str]:
        """The users who have the recipient's address."""
        return self.holders.get((event.channel, canonical_address(event.channel, event.recipient or "")), ())


def delivery_ids(event: ProviderEvent, linked: str | None) -> Iterator[str]:
    """The ids under which our delivery may be known that an event is about, surest first.

    Args:
        linked: the delivery of our own link that was clicked.
    """
    if linked is not None:
        yield linked
    if argument := event.arguments.get(DELIVERY):
        yield argument
        yield from_tag(argument)
    for id in (event.sent_id, event.message_id):  # ours are <delivery@domain>
        if id and "@" in id:
            yield unquote(id.strip("<>").rpartition("@")[0])


def provider_ids(event: ProviderEvent) -> Iterator[str]:
    """The ids under which the provider may have taken a message of ours: its own, or our Message-ID."""
    for id in (event.message_id, event.sent_id):
        if id:
            yield id
            yield f"<{id.strip('<>')}>"


def attribute(
    event: ProviderEvent, ground: AttributionLookup, linked: str | None = None
) -> Attribution | ErasedUser | Unmatched:
    """Where an event leads by what is known; see the module for the order."""
    delivery = _delivery(event, ground, linked)
    if delivery is not None:
        return ErasedUser() if delivery.user is None else Attribution(delivery.campaign, delivery.user, delivery)
    user, campaign = event.arguments.get(USER), _campaign(event, ground)
    if user in ground.erased:
        return ErasedUser()
    if not campaign:
        return Unmatched.UNKNOWN_DELIVERY if event.arguments.get(DELIVERY) else Unmatched.NO_CAMPAIGN
    if campaign not in ground.campaigns:
        return Unmatched.UNKNOWN_CAMPAIGN
    if user:
        return Attribution(campaign, user) if len(user) <= LONGEST_ID else Unmatched.UNKNOWN_USER
    holders = ground.holders_of(event)
    if len(holders) == 1:
        return Attribution(campaign, holders[0])
    return Unmatched.AMBIGUOUS_USER if holders else Unmatched.UNKNOWN_USER


def _campaign(event: ProviderEvent, ground: AttributionLookup) -> str | None:
    """The one that an argument names; else the only one that it is tagged with."""
    named = event.arguments.get(CAMPAIGN)
    tagged = {tag for tag in event.tags if tag in ground.campaigns}
    return named or (tagged.pop() if len(tagged) == 1 else None)


def _delivery(event: ProviderEvent, ground: AttributionLookup, linked: str | None) -> MatchedDelivery | None:
    named = (ground.deliveries.get(id) for id in delivery_ids(event, linked))
    told = (ground.by_provider.get(id) for id in provider_ids(event))
    found = (one for ways in (named, told) for one in ways if one is not None and one.channel == event.channel)
    return next(found, None)
