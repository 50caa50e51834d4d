"""A few hundred of providers' events on their way through one transaction of a fixed number of statements.

Only what mends a message, or tells that a text arrived, costs some of its own. An event told again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from connector.ingest.intake import Intake
from connector.provider_events.delivery_reports import DeliveryReport, DeliveryReports
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.attribution import (
    LONGEST_ID,
    Attribution,
    AttributionLookup,
    ErasedUser,
    MatchedDelivery,
    Unmatched,
    attribute,
    delivery_ids,
    provider_ids,
)
from connector.rules.provider_events.classification import Visit
from connector.rules.provider_events.events import USER, EventKind, ProviderEvent
from connector.rules.provider_events.outcomes import (
    UNDELIVERED,
    Link,
    Outcome,
    fault_of,
    interaction_of,
    is_the_pixels,
    key_of,
    message_of,
    outcome_of,
    visit_of,
)
from connector.rules.sending.deliveries import DeliveryState
from connector.store.engine.transaction import Transaction
from connector.store.provider_events.attribution import (
    find_by_provider,
    find_erased,
    find_holders,
    find_matched_deliveries,
)
from connector.store.provider_events.delivery_reports import note_faults
from connector.store.provider_events.events import (
    Key,
    change_holders,
    change_reasons,
    delete_applied_events,
    delete_unmatched_events,
    keep_unmatched,
    mark_applied,
)
from connector.store.users.users import resolve_and_lock
from connector.tracking.agents import is_crawler
from connector.tracking.own_links import OwnLinks
from connector.tracking.tokens import Kind, Token

_UNSETTLED = (DeliveryState.OPEN, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


@dataclass(frozen=True)
class ProviderEventState:
    """One event on its way.

    Args:
        token: that of our own link, where one was clicked. tracked: whether mails of ours carry a pixel of ours.
        led: where it leads.
    """

    event: ProviderEvent
    token: Token | None
    tracked: bool
    led: Attribution | ErasedUser | Unmatched = Unmatched.NO_CAMPAIGN

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.event.provider, key_of(self.event)

    @property
    def linked(self) -> str | None:
        """The delivery of the link of ours that was clicked."""
        return self.token.delivery_id if self.token else None

    @property
    def outcome(self) -> Outcome:
        """Following a link to unsubscribe is no click of the mail's links: what comes of it is told by itself."""
        outcome = outcome_of(self.event)
        unsubscribes = self.token is not None and self.token.kind is Kind.UNSUBSCRIBE
        makes_nothing = unsubscribes or is_the_pixels(self.event, self.led, tracked=self.tracked)
        return replace(outcome, makes=None) if makes_nothing else outcome

    @property
    def link(self) -> Link | None:
        """The link of ours that was clicked."""
        token = self.token
        return Link(token.link, token.alias, token.url) if token and token.url is not None else None

    @property
    def delivery(self) -> MatchedDelivery | None:
        """The message of ours that it is about."""
        return self.led.delivery if isinstance(self.led, Attribution) else None

    @property
    def message(self) -> str:
        """The message that it is about."""
        return self.delivery.id if self.delivery else message_of(self.event)

    @property
    def arrives_by_carrier(self) -> bool:
        """Whether it says that a text arrived; mail arrives by being handed over (M4)."""
        return self.event.channel == "sms" and self.event.happened in (EventKind.DELIVERED, EventKind.OPENED)


@dataclass
class ProviderBatch:
    """A few hundred events on their way through one transaction."""

    tx: Transaction
    catalogue: Catalogue
    intake: Intake
    reports: DeliveryReports
    links: OwnLinks
    changed: bool = False
    became: dict[Key, str] = field(default_factory=dict)
    unmatched: dict[Key, tuple[ProviderEvent, Unmatched]] = field(default_factory=dict)
    newly_unmatched: list[tuple[str, str]] = field(default_factory=list)

    def outcomes(self) -> Counter[tuple[str, str]]:
        """How many events came to what, by (provider, fate)."""
        return Counter((provider, fate) for (provider, _), fate in self.became.items())

    async def run(self, events: Sequence[ProviderEvent], now: datetime, retention: timedelta, *, again: bool) -> None:
        """Take them in, in the order in which they happened, whatever the one in which they are told.

        Args:
            again: they were kept, and are let go of unless they lead nowhere still, or intake refuses them.
        """
        events = sorted(events, key=lambda event: min(event.at, now))
        fresh = {key: told for key, told in self._read(events).items() if told.event.at >= now - retention}
        self.became |= {(e.provider, key_of(e)): "stale" for e in events if (e.provider, key_of(e)) not in fresh}
        ground = await self._ground(list(fresh.values()))
        every = [replace(told, led=attribute(told.event, ground, told.linked)) for told in fresh.values()]
        wanted = [told for told in every if self._is_wanted(told, ground)]
        if wanted:
            users = {user for told in wanted for user in _concerned(told, ground)}
            keys = await resolve_and_lock(self.tx, sorted(users), now)
            await self._report(wanted, now - retention)
            await self._interact(wanted)
            await self._heed(wanted, ground, keys, now)
        await self._keep(now, {(e.provider, key_of(e)) for e in events} if again else set())
        if self.unmatched or "heeded" in self.became.values():
            await delete_applied_events(self.tx, now - retention)

    def _read(self, events: Sequence[ProviderEvent]) -> dict[Key, ProviderEventState]:
        """The events by what they are known by; one that is told twice in a batch is one."""
        clicked = ((e, e.url if e.happened is EventKind.CLICKED else None) for e in events)
        tracked = self.links.are_set_up
        return {
            (e.provider, key_of(e)): ProviderEventState(e, self.links.read(url, e.at), tracked) for e, url in clicked
        }

    async def _ground(self, every: Sequence[ProviderEventState]) -> AttributionLookup:
        """What is known of all that they name, in a fixed number of statements; only who is needed is looked for."""
        tx = self.tx
        ids = {id for told in every for id in delivery_ids(told.event, told.linked)}
        ours = await find_matched_deliveries(tx, ids)
        others = [t for t in every if not any(id in ours for id in delivery_ids(t.event, t.linked))]
        taken = await find_by_provider(tx, {id for t in others for id in provider_ids(t.event)})
        others = [t for t in others if not any(id in taken for id in provider_ids(t.event))]
        users = {user for told in others if (user := told.event.arguments.get(USER))}
        unnamed = [t.event for t in others if not t.event.arguments.get(USER)]
        about = [told.event for told in every if told.outcome.is_about_the_address]
        holders: dict[tuple[str, str], list[str]] = {}
        for channel in ("email", "sms"):
            addresses = {e.recipient for e in (*unnamed, *about) if e.recipient and e.channel == channel}
            holders |= await find_holders(tx, channel, addresses)
        campaigns = {name for name, entry in self.catalogue.entries.items() if not entry.is_card}
        return AttributionLookup(ours, taken, campaigns, await find_erased(tx, users), holders)

    def _is_wanted(self, told: ProviderEventState, ground: AttributionLookup) -> bool:
        """Whether it leads somewhere and comes to something; what becomes of all others is decided here."""
        outcome = told.outcome
        if isinstance(told.led, ErasedUser):
            self.became[told.key] = "erased"
        elif not outcome.is_about_the_address and outcome.makes is None and told.delivery is None:
            self.became[told.key] = "noted"
        elif _concerned(told, ground):
            self.became[told.key] = "noted"
            return True
        elif isinstance(told.led, Unmatched):
            reason = Unmatched.UNKNOWN_USER if outcome.is_about_the_address else told.led
            self.became[told.key], self.unmatched[told.key] = "unmatched", (told.event, reason)
        return False

    async def _report(self, wanted: Sequence[ProviderEventState], since: datetime) -> None:
        """What they say of messages of ours: that one was taken after all, that it arrived, or why it did not.

        What is settled takes no more than its fault, and that in one statement for all; of messages from before
        `since` nothing is believed, for the log may have forgotten that it was told.
        """
        faults: dict[str, str] = {}
        for told in wanted:
            delivery, fault = told.delivery, fault_of(told.event)
            if delivery is None or told.event.happened is EventKind.OTHER:
                continue
            if delivery.state in _UNSETTLED or told.arrives_by_carrier:
                await self._mend(told, delivery, fault)
            elif fault is not None and (delivery.claimed_at is None or delivery.claimed_at >= since):
                faults[delivery.id] = fault
        known = {told.delivery.id: told.delivery.fault for told in wanted if told.delivery is not None}
        new = {id: fault for id, fault in faults.items() if fault != known[id]}
        await note_faults(self.tx, new)

    async def _mend(self, told: ProviderEventState, delivery: MatchedDelivery, fault: str | None) -> None:
        event, by_carrier = told.event, told.event.channel == "sms"
        did_not = by_carrier and event.happened in UNDELIVERED
        arrived = False if did_not else (told.arrives_by_carrier or not by_carrier or None)
        report = DeliveryReport(delivery.id, event.message_id if by_carrier else None, arrived, fault)
        taken = await self.reports.ingest_in_transaction(self.tx, self.catalogue, report)
        if taken == "received":
            self.changed, self.became[told.key] = True, "accepted"

    async def _interact(self, wanted: Sequence[ProviderEventState]) -> None:
        """The interactions that they make, taken in together."""
        visits: dict[str, list[Visit]] = {}
        for told in wanted:
            if told.outcome.makes == "click":
                visits.setdefault(told.message, []).append(visit_of(told.event, told.link))
        made: dict[Key, dict[str, Any]] = {}
        for told in wanted:
            if isinstance(told.led, Attribution) and told.outcome.makes is not None:
                others = visits.get(told.message, ())
                item = interaction_of(told.event, told.led, told.link, others, is_crawler)
                if item is not None:
                    made[told.key] = item
        if not made:
            return
        taken = await self.intake.ingest_in_transaction(self.tx, self.catalogue, list(made.values()))
        self.changed = self.changed or taken.changed
        for key, result in zip(made, taken.results, strict=True):
            self.became[key] = "refused" if result.status == "invalid" else result.status

    async def _heed(
        self, wanted: Sequence[ProviderEventState], ground: AttributionLookup, keys: Mapping[str, str], now: datetime
    ) -> None:
        """What they say of addresses holds for all who have them, and what readers said also for whom it leads to."""
        about = [told for told in wanted if told.outcome.is_about_the_address]
        new = await mark_applied(self.tx, [told.event for told in about], now)
        said: dict[str, list[tuple[ProviderEvent, Outcome]]] = {}
        for told in about:
            self.became[told.key] = "heeded" if told.key in new else "duplicate"
            for user in _concerned(told, ground) & keys.keys() if told.key in new else ():
                said.setdefault(keys[user], []).append((told.event, told.outcome))
        await change_holders(self.tx, said, now)

    async def _keep(self, now: datetime, kept: set[Key]) -> None:
        """Keep what leads nowhere; of what was kept before, let go of the rest."""
        if kept:
            refused = {key for key, fate in self.became.items() if fate == "refused"}
            await delete_unmatched_events(self.tx, kept - self.unmatched.keys() - refused)
            reasons = {key: reason for key, (_, reason) in self.unmatched.items()}
            await change_reasons(self.tx, reasons)
        elif self.unmatched:
            new = await keep_unmatched(self.tx, self.unmatched, now)
            self.newly_unmatched = [(key[0], self.unmatched[key][1].value) for key in sorted(new)]


def _concerned(told: ProviderEventState, ground: AttributionLookup) -> set[str]:
    """The users whom an event is about: whom it leads to or names and, where it is about an address, who has it."""
    users = {told.led.user} if isinstance(told.led, Attribution) else set()
    if not told.outcome.is_about_the_address:
        return users
    named = told.event.arguments.get(USER)
    by_name = {named} if named and len(named) <= LONGEST_ID else set()
    return users | set(ground.holders_of(told.event)) | by_name
