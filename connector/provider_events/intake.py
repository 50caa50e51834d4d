"""Taking in what providers tell: led back to deliveries, campaigns and users, and made into what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.ingest.intake import Intake
from connector.provider_events.batch import ProviderBatch
from connector.provider_events.delivery_reports import DeliveryReports
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.events import ProviderEvent
from connector.rules.provider_events.texts import cleaned
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.provider_events.events import BEGINNING, load_unmatched
from connector.tracking.own_links import OwnLinks

_BATCH = 500
_DROPPED, _LEFT = ("stale", "erased"), ("unmatched", "refused")

Counted = Callable[[str, str, int], None]
"""Told the provider, what became of its events (see `ProviderEventIntake`), and of how many."""


@dataclass(frozen=True)
class RetryResult:
    """What became of the reports that were kept.

    Args:
        led_back: how many lead somewhere now. dropped: were let go of, too old or of somebody who was erased.
        left: lead nowhere still, or were refused by intake.
    """

    led_back: int
    dropped: int
    left: int


class ProviderEventIntake:
    """Takes providers' events in for one workspace.

    Args:
        links: reads our own links among those that were clicked.
        retention: how long the log and what could not be led back are kept; what is older is not taken.
        counted: told of every event what became of it: `accepted` (an interaction), `heeded` (a word on an address),
            `noted` (nothing is to be done), `duplicate`, `refused` (by intake), `stale`, `erased` or `unmatched`.
        unmatched: told the provider and the reason of each report that is kept from now on.
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
        counted: Counted = lambda _provider, _fate, _number: None,
        unmatched: Callable[[str, str], None] = lambda _provider, _reason: None,
    ) -> None:
        self._database, self._cache, self._intake, self._workspace = database, cache, intake, workspace
        self._links, self._retention = links, retention
        self._counted, self._unmatched = counted, unmatched
        self._reports = DeliveryReports(database, cache, intake, workspace, retention=retention)

    async def ingest(self, events: Sequence[ProviderEvent]) -> bool:
        """Take events in, which are known to come from their provider; returns whether follow-ups may have changed.

        Raises:
            StoreUnavailable: some may have been taken in; all may be told again.
        """
        changed = False
        for start in range(0, len(events), _BATCH):
            batch = await self._take([cleaned(event) for event in events[start : start + _BATCH]], again=False)
            for (provider, fate), number in batch.outcomes().items():
                self._counted(provider, fate, number)
            for provider, reason in batch.newly_unmatched:
                self._unmatched(provider, reason)
            changed = changed or batch.changed
        return changed

    async def retry(self, provider: str | None = None) -> RetryResult:
        """Try to lead back what was kept, of one provider or of all: a campaign may have been applied since."""
        fates, after = Counter[str](), BEGINNING
        while True:
            async with self._database.read(self._workspace) as tx:
                page = await load_unmatched(tx, provider=provider, after=after, limit=_BATCH)
            if not page:
                dropped, left = (sum(fates[fate] for fate in which) for which in (_DROPPED, _LEFT))
                return RetryResult(fates.total() - dropped - left, dropped, left)
            batch = await self._take([kept.event for kept in page], again=True)
            fates.update(batch.became.values())
            after = page[-1].place

    async def _take(self, events: Sequence[ProviderEvent], *, again: bool) -> ProviderBatch:
        async def run(tx: Transaction, catalogue: Catalogue) -> ProviderBatch:
            batch = ProviderBatch(tx, catalogue, self._intake, self._reports, self._links)
            await batch.run(events, tx.now, self._retention, again=again)
            return batch

        return await with_current_catalogue(self._database, self._cache, self._workspace, run)
