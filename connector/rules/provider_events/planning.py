"""Planning what a batch of providers' events changes, before anything is written.

The store looks up everything that the batch names (`AttributionLookup`); `plan_events` decides; the store then applies
the `EventPlan`. Only two things are left to the store, under its locks: whether an interaction or a statement is a
duplicate, and whether a delivery report changes its message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.rules.provider_events.attribution import (
    Attribution,
    AttributionLookup,
    ErasedUser,
    Unmatched,
    attribute,
)
from connector.rules.provider_events.classification import Visit
from connector.rules.provider_events.delivery_reports import DeliveryReport, may_be_settled
from connector.rules.provider_events.effects import (
    UNDELIVERED,
    EventEffect,
    Link,
    build_interaction,
    build_visit,
    identify_message,
    interpret_event,
    is_left_to_our_pixel,
    read_fault,
)
from connector.rules.provider_events.events import USER, EventKey, EventKind, ProviderEvent, identify_event
from connector.rules.sending.deliveries import DeliveryRecord


class EventOutcome(StrEnum):
    """The outcome of one event. The values are metric labels and CLI output."""

    ACCEPTED = "accepted"
    """It made an interaction."""

    APPLIED = "heeded"
    """Its statement about an address was applied."""

    NOTED = "noted"
    """It needs no action."""

    DUPLICATE = "duplicate"
    """It was ingested before."""

    REFUSED = "refused"
    """Its interaction is invalid."""

    STALE = "stale"
    """It is older than the retention."""

    ERASED = "erased"
    """It is about a user who was erased; nothing of it is kept."""

    UNMATCHED = "unmatched"
    """It matches no campaign and user; it is kept, to be retried."""


@dataclass(frozen=True)
class ClickedLink:
    """One of our own links that a provider reports as clicked. `link` is None for a link without a target."""

    delivery_id: str
    link: Link | None
    is_unsubscribe: bool


@dataclass(frozen=True)
class EventBatch:
    """The events of one batch in the order in which they happened, each once.

    Args:
        current: the events that are not older than the retention.
        links: by event, our own link that was clicked.
        stale: the older events.
    """

    current: Mapping[EventKey, ProviderEvent]
    links: Mapping[EventKey, ClickedLink]
    stale: Sequence[EventKey]

    def linked_delivery(self, key: EventKey) -> str | None:
        """Return the delivery of our own link that was clicked."""
        return self.links[key].delivery_id if key in self.links else None


@dataclass(frozen=True)
class Statement:
    """A statement about an address, and the ids of the users whom it concerns."""

    event: ProviderEvent
    effect: EventEffect
    users: frozenset[str]


@dataclass(frozen=True)
class EventPlan:
    """The changes of one batch.

    Args:
        outcomes: of every event, unless applying the plan finds another one.
        unmatched: the events to keep, each with its reason.
        users: the ids of all users concerned, who are to be locked.
        stored_users: those of them that no event names: they were read from the store.
        reports: reports that may change the state of a message, by event.
        faults: why settled messages did not arrive, by delivery.
        interactions: in wire form, by event.
        statements: statements about addresses, by event.
    """

    outcomes: Mapping[EventKey, EventOutcome]
    unmatched: Mapping[EventKey, tuple[ProviderEvent, Unmatched]]
    users: frozenset[str]
    stored_users: frozenset[str]
    reports: Mapping[EventKey, DeliveryReport]
    faults: Mapping[str, str]
    interactions: Mapping[EventKey, dict[str, Any]]
    statements: Mapping[EventKey, Statement]


@dataclass(frozen=True)
class _MatchedEvent:
    """An event with its attribution, and the users whom it changes something for."""

    key: EventKey
    event: ProviderEvent
    attribution: Attribution | ErasedUser | Unmatched
    effect: EventEffect
    link: Link | None
    users: frozenset[str]

    @property
    def delivery(self) -> DeliveryRecord | None:
        return self.attribution.delivery if isinstance(self.attribution, Attribution) else None

    @property
    def message(self) -> str:
        return self.delivery.id if self.delivery else identify_message(self.event)

    @property
    def has_effect(self) -> bool:
        return self.effect.is_about_address or self.effect.interaction is not None or self.delivery is not None

    @property
    def unmatched(self) -> Unmatched | None:
        """The reason for which the event is kept; a statement about an address lacks only a user."""
        if not isinstance(self.attribution, Unmatched) or not self.has_effect or self.users:
            return None
        return Unmatched.UNKNOWN_USER if self.effect.is_about_address else self.attribution

    @property
    def outcome(self) -> EventOutcome:
        """The outcome, unless applying the plan finds another one."""
        if isinstance(self.attribution, ErasedUser):
            return EventOutcome.ERASED
        return EventOutcome.NOTED if self.unmatched is None else EventOutcome.UNMATCHED


def collect_events(
    events: Iterable[ProviderEvent],
    read_link: Callable[[ProviderEvent], ClickedLink | None],
    *,
    now: datetime,
    retention: timedelta,
) -> EventBatch:
    """Order events by when they happened, drop repetitions within the batch, and separate the stale events.

    Args:
        read_link: returns our own link that an event reports as clicked.
        now: the time of receipt, UTC; a later event happened now (M7).
    """
    unique = {identify_event(event): event for event in sorted(events, key=lambda event: min(event.at, now))}
    current = {key: event for key, event in unique.items() if event.at >= now - retention}
    links = {key: link for key, event in current.items() if (link := read_link(event)) is not None}
    return EventBatch(current, links, [key for key in unique if key not in current])


def plan_events(
    batch: EventBatch,
    lookup: AttributionLookup,
    *,
    now: datetime,
    retention: timedelta,
    has_pixel: bool,
    is_crawler: Callable[[str], bool],
) -> EventPlan:
    """Decide what a batch changes.

    Args:
        lookup: everything known that the batch names.
        now: the time of receipt, UTC.
        retention: how long the log is kept; faults of older messages are not noted.
        has_pixel: whether our mails carry our pixel.
        is_crawler: whether a user agent is a known program's.
    """
    events = [_match(key, event, batch.links.get(key), lookup, has_pixel) for key, event in batch.current.items()]
    relevant = [event for event in events if event.users]
    about_address = [event for event in relevant if event.effect.is_about_address]
    users = frozenset[str]().union(*(event.users for event in relevant))
    return EventPlan(
        outcomes=dict.fromkeys(batch.stale, EventOutcome.STALE) | {event.key: event.outcome for event in events},
        unmatched={event.key: (event.event, reason) for event in events if (reason := event.unmatched) is not None},
        users=users,
        stored_users=users - {event.event.arguments.get(USER) for event in relevant},
        reports={event.key: report for event in relevant if (report := _report_of(event)) is not None},
        faults=_faults_of(relevant, since=now - retention),
        interactions=_interactions_of(relevant, is_crawler),
        statements={event.key: Statement(event.event, event.effect, event.users) for event in about_address},
    )


def _match(
    key: EventKey, event: ProviderEvent, clicked: ClickedLink | None, lookup: AttributionLookup, has_pixel: bool
) -> _MatchedEvent:
    attribution = attribute(event, lookup, clicked.delivery_id if clicked else None)
    effect = interpret_event(event)
    # Unsubscribing by our own link is recorded when the page is used; the click is none of the mail's links.
    is_unsubscribe = clicked is not None and clicked.is_unsubscribe
    if is_unsubscribe or is_left_to_our_pixel(event, attribution, has_pixel=has_pixel):
        effect = replace(effect, interaction=None)
    matched = _MatchedEvent(key, event, attribution, effect, clicked.link if clicked else None, frozenset())
    return replace(matched, users=_users_of(matched, lookup))


def _users_of(event: _MatchedEvent, lookup: AttributionLookup) -> frozenset[str]:
    """Return the users concerned: the matched user and, if it is about an address, the named user and all holders."""
    if isinstance(event.attribution, ErasedUser) or not event.has_effect:
        return frozenset()
    users = {event.attribution.user} if isinstance(event.attribution, Attribution) else set()
    if event.effect.is_about_address:
        named = event.event.arguments.get(USER)
        users.update(lookup.holders_of(event.event))
        users.update([named] if named and len(named) <= MAX_TEXT_CHARACTERS else [])
    return frozenset(users)


def _report_of(event: _MatchedEvent) -> DeliveryReport | None:
    """Return the report, if the event may settle a message, or a text has arrived (M4)."""
    delivery, kind, is_sms = event.delivery, event.event.happened, event.event.channel == "sms"
    if delivery is None or kind is EventKind.OTHER or not (may_be_settled(delivery) or _is_arrival(event)):
        return None
    has_failed = is_sms and kind in UNDELIVERED
    arrived = False if has_failed else (_is_arrival(event) or not is_sms or None)
    return DeliveryReport(delivery.id, event.event.message_id if is_sms else None, arrived, read_fault(event.event))


def _is_arrival(event: _MatchedEvent) -> bool:
    """Return whether a text arrived; mail counts as received when it is handed to its provider (M4)."""
    return event.event.channel == "sms" and event.event.happened in (EventKind.DELIVERED, EventKind.OPENED)


def _faults_of(events: Sequence[_MatchedEvent], *, since: datetime) -> dict[str, str]:
    """Return the new faults of settled messages, by delivery.

    Messages from before `since` are left out: the log may no longer hold that they arrived.
    """
    faults: dict[str, str] = {}
    for event in events:
        delivery, fault = event.delivery, read_fault(event.event)
        if delivery is None or fault is None or _report_of(event) is not None:
            continue
        if delivery.claimed_at is None or delivery.claimed_at >= since:
            faults[delivery.id] = fault
    known = {event.delivery.id: event.delivery.fault for event in events if event.delivery is not None}
    return {id: fault for id, fault in faults.items() if fault != known[id]}


def _interactions_of(
    events: Sequence[_MatchedEvent], is_crawler: Callable[[str], bool]
) -> dict[EventKey, dict[str, Any]]:
    """Return the interactions, each click classified with the other clicks of its message."""
    clicks: dict[str, list[Visit]] = {}
    for event in events:
        if event.effect.interaction == "click":
            clicks.setdefault(event.message, []).append(build_visit(event.event, event.link))
    interactions = {}
    for event in events:
        if isinstance(event.attribution, Attribution) and event.effect.interaction is not None:
            visits = clicks.get(event.message, ())
            interactions[event.key] = build_interaction(event.event, event.attribution, event.link, visits, is_crawler)
    return {key: item for key, item in interactions.items() if item is not None}
