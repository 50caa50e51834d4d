"""Attribution: matching a provider's event to our delivery, or to the campaign and user of another system's message.

In this order: by our delivery (its id as an argument, in one of our links, or in the Message-ID; or the provider's id
for it); by the arguments campaign and user; by the argument campaign and the only user whose address is the recipient.
A tag that equals a campaign's id replaces the argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

from connector.rules.model.addresses import canonical_address
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, USER, ProviderEvent, from_tag
from connector.rules.sending.deliveries import DeliveryRecord


class Unmatched(StrEnum):
    """The reason for which an event matches no delivery, campaign or user."""

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
class Attribution:
    """The match of an event: a campaign and a user (the id that services use), and our delivery if it is ours."""

    campaign: str
    user: str
    delivery: DeliveryRecord | None = None


@dataclass(frozen=True)
class ErasedUser:
    """The event matches a user who was erased: nothing of it is kept (guarantee 8)."""


@dataclass(frozen=True)
class AttributionLookup:
    """Everything known that some events name.

    Args:
        deliveries: our deliveries, by their ids.
        by_provider: our deliveries, by the providers' ids for them.
        campaigns: the ids of all campaigns.
        erased: those of the named users who were erased.
        erased_addresses: the recipients' addresses that erased users had, by channel and canonical address.
        holders: the users who have an address, by channel and canonical address.
    """

    deliveries: Mapping[str, DeliveryRecord] = field(default_factory=dict)
    by_provider: Mapping[str, DeliveryRecord] = field(default_factory=dict)
    campaigns: Collection[str] = ()
    erased: Collection[str] = ()
    erased_addresses: Collection[tuple[str, str]] = ()
    holders: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def holders_of(self, event: ProviderEvent) -> Sequence[str]:
        """Return the users who have the recipient's address."""
        return self.holders.get(_address_of(event), ())

    def is_to_erased(self, event: ProviderEvent) -> bool:
        """Return whether the recipient's address was an erased user's, and no user has it now."""
        return _address_of(event) in self.erased_addresses and not self.holders_of(event)


def possible_delivery_ids(event: ProviderEvent, linked_delivery: str | None) -> Iterator[str]:
    """Yield the ids that our delivery may have, most reliable first.

    Args:
        linked_delivery: the delivery of our own link that was clicked.
    """
    if linked_delivery is not None:
        yield linked_delivery
    if argument := event.arguments.get(DELIVERY):
        yield argument
        yield from_tag(argument)
    for id in (event.sent_id, event.message_id):  # ours are <delivery@domain>
        if id and "@" in id:
            yield unquote(id.strip("<>").rpartition("@")[0])


def possible_provider_ids(event: ProviderEvent) -> Iterator[str]:
    """Yield the ids that the provider may use for a message of ours: its own id, or our Message-ID."""
    for id in (event.message_id, event.sent_id):
        if id:
            yield id
            yield f"<{id.strip('<>')}>"


def attribute(
    event: ProviderEvent, lookup: AttributionLookup, linked_delivery: str | None = None
) -> Attribution | ErasedUser | Unmatched:
    """Match an event to a delivery, or to a campaign and user; see the module for the order."""
    delivery = _delivery_of(event, lookup, linked_delivery)
    if delivery is not None:
        return ErasedUser() if not delivery.user else Attribution(delivery.campaign, delivery.user, delivery)
    user = event.arguments.get(USER)
    if user in lookup.erased:
        return ErasedUser()
    found = _match_named(event, lookup)
    return ErasedUser() if isinstance(found, Unmatched) and lookup.is_to_erased(event) else found


def _match_named(event: ProviderEvent, lookup: AttributionLookup) -> Attribution | Unmatched:
    """Match an event that names no delivery of ours."""
    user, campaign = event.arguments.get(USER), _campaign_of(event, lookup)
    if not campaign:
        return Unmatched.UNKNOWN_DELIVERY if event.arguments.get(DELIVERY) else Unmatched.NO_CAMPAIGN
    if campaign not in lookup.campaigns:
        return Unmatched.UNKNOWN_CAMPAIGN
    if user:
        return Attribution(campaign, user) if len(user) <= MAX_TEXT_CHARACTERS else Unmatched.UNKNOWN_USER
    holders = lookup.holders_of(event)
    if len(holders) == 1:
        return Attribution(campaign, holders[0])
    return Unmatched.AMBIGUOUS_USER if holders else Unmatched.UNKNOWN_USER


def _address_of(event: ProviderEvent) -> tuple[str, str]:
    return event.channel, canonical_address(event.channel, event.recipient or "")


def _campaign_of(event: ProviderEvent, lookup: AttributionLookup) -> str | None:
    """Return the campaign that an argument names, else the only one among the tags."""
    tagged = {tag for tag in event.tags if tag in lookup.campaigns}
    return event.arguments.get(CAMPAIGN) or (tagged.pop() if len(tagged) == 1 else None)


def _delivery_of(event: ProviderEvent, lookup: AttributionLookup, linked_delivery: str | None) -> DeliveryRecord | None:
    by_id = (lookup.deliveries.get(id) for id in possible_delivery_ids(event, linked_delivery))
    by_provider_id = (lookup.by_provider.get(id) for id in possible_provider_ids(event))
    deliveries = (delivery for matches in (by_id, by_provider_id) for delivery in matches)
    return next((d for d in deliveries if d is not None and d.channel == event.channel), None)
