"""Ingesting providers' events: into interactions, consent and suppressed addresses, for one workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.ingest.intake import Intake
from connector.provider_events.batch import BatchResult, apply_plan, resolve_batch
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.effects import Link
from connector.rules.provider_events.events import EventKey, EventKind, ProviderEvent, sanitise_event
from connector.rules.provider_events.planning import ClickedLink, EventOutcome, collect_events, plan_events
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.provider_events.events import BEGINNING, load_unmatched
from connector.tracking.agents import is_crawler
from connector.tracking.tokens import LinkKind, OwnLinks, open_own_links

_BATCH_EVENTS = 500
_DROPPED = (EventOutcome.STALE, EventOutcome.ERASED)
_LEFT = (EventOutcome.UNMATCHED, EventOutcome.REFUSED)

CountEvents = Callable[[str, str, int], None]
"""Called with a provider, an outcome (see `EventOutcome`), and the number of events."""

CountUnmatched = Callable[[str, str], None]
"""Called with the provider and the reason of an event that is kept from now on."""


@dataclass(frozen=True)
class RetryResult:
    """The result of retrying the unmatched events. `connector reports --retry --json` prints these fields.

    Args:
        led_back: how many match now.
        dropped: how many were deleted: too old, or about users who were erased.
        left: how many are still unmatched, or refused by intake.
    """

    led_back: int
    dropped: int
    left: int


class ProviderEventIntake:
    """Ingests providers' events for one workspace.

    Args:
        links: reads our own links among those that providers report as clicked.
        retention: how long the log and unmatched events are kept; older events are stale.
        counted: called with the number of events by provider and outcome.
        unmatched: called for each event that is newly unmatched.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        intake: Intake,
        workspace: str,
        *,
        links: OwnLinks,
        retention: timedelta,
        counted: CountEvents = lambda _provider, _outcome, _number: None,
        unmatched: CountUnmatched = lambda _provider, _reason: None,
    ) -> None:
        self._database, self._cache, self._intake, self._workspace = database, cache, intake, workspace
        self._links, self._retention = links, retention
        self._counted, self._unmatched = counted, unmatched

    async def ingest(self, events: Sequence[ProviderEvent]) -> bool:
        """Ingest events that are known to come from their provider; return whether follow-ups may have changed.

        Raises:
            StoreUnavailable: some events may have been ingested; all may be sent again.
        """
        has_changes = False
        for start in range(0, len(events), _BATCH_EVENTS):
            batch = [sanitise_event(event) for event in events[start : start + _BATCH_EVENTS]]
            result = await self._ingest_batch(batch)
            for (provider, outcome), number in result.counts().items():
                self._counted(provider, outcome, number)
            for provider, reason in result.newly_unmatched:
                self._unmatched(provider, reason)
            has_changes = has_changes or result.has_changes
        return has_changes

    async def retry(self, provider: str | None = None) -> RetryResult:
        """Match the unmatched events again, of one provider or of all: a campaign may have been applied since."""
        outcomes, after = Counter[EventOutcome](), BEGINNING
        while True:
            async with self._database.read(self._workspace) as tx:
                page = await load_unmatched(tx, provider=provider, after=after, limit=_BATCH_EVENTS)
            if not page:
                break
            retried = frozenset(kept.key for kept in page)
            result = await self._ingest_batch([kept.event for kept in page], retried)
            outcomes.update(result.outcomes.values())
            after = page[-1].position
        dropped, left = (sum(outcomes[outcome] for outcome in which) for which in (_DROPPED, _LEFT))
        return RetryResult(outcomes.total() - dropped - left, dropped, left)

    async def _ingest_batch(
        self, events: Sequence[ProviderEvent], retried: frozenset[EventKey] = frozenset()
    ) -> BatchResult:
        async def run(tx: Transaction, catalogue: Catalogue) -> BatchResult:
            retention, has_pixel = self._retention, self._links.are_configured
            batch = collect_events(events, self._clicked_link, now=tx.now, retention=retention)
            lookup = await resolve_batch(tx, catalogue, batch)
            plan = plan_events(
                batch, lookup, now=tx.now, retention=retention, has_pixel=has_pixel, is_crawler=is_crawler
            )
            return await apply_plan(tx, catalogue, plan, intake=self._intake, retention=retention, retried=retried)

        return await with_current_catalogue(self._database, self._cache, self._workspace, run)

    def _clicked_link(self, event: ProviderEvent) -> ClickedLink | None:
        token = self._links.read(event.url, event.at) if event.happened is EventKind.CLICKED else None
        if token is None:
            return None
        link = Link(token.link, token.alias, token.url) if token.url is not None else None
        return ClickedLink(token.delivery_id, link, is_unsubscribe=token.kind is LinkKind.UNSUBSCRIBE)


def open_provider_event_intake(
    settings: Settings,
    database: Database,
    cache: CatalogueCache,
    intake: Intake,
    *,
    counted: CountEvents = lambda _provider, _outcome, _number: None,
    unmatched: CountUnmatched = lambda _provider, _reason: None,
) -> ProviderEventIntake:
    """Create the intake from the settings; see `ProviderEventIntake`."""
    return ProviderEventIntake(
        database,
        cache,
        intake,
        settings.workspace,
        links=open_own_links(settings),
        retention=settings.retention,
        counted=counted,
        unmatched=unmatched,
    )
