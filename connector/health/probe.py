"""The readiness of an installation for any number of probes, which share one load of the facts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from connector.health.check_log import CheckLog
from connector.health.checks import CheckName
from connector.health.database_facts import DatabaseProbe
from connector.health.facts import DatabaseFacts, InstallationFacts, OutboxFacts, TemporalFacts
from connector.health.readiness import Readiness
from connector.health.temporal_facts import load_temporal_facts
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.store.engine.revision import NEWEST_REVISION
from connector.temporal.client import EXPECTED_ATTRIBUTES, TemporalLink

PROBE_SECONDS = 3.0
"""How long database and Temporal may take, at the same time, to answer a probe."""
_KEEP_SECONDS, _KEEP_PROBLEMS_SECONDS = 10.0, 1.0
"""For how long Temporal's answers, which take a dozen calls, are reused; shorter while a check fails, so that its end
shows soon."""


class Probe:
    """The readiness of this process's installation.

    Args:
        refusal: returns what Temporal answers to every start of a follow-up, None if it refuses none; None instead of
            a function: this process has no outbox.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        workspace: str,
        temporal: TemporalLink,
        *,
        refusal: Callable[[], str | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = DatabaseProbe(database, cache, workspace)
        self._workspace, self._temporal, self._clock = workspace, temporal, clock
        self._refusal, self._log = refusal, CheckLog(clock)
        self._running: asyncio.Task[Readiness] | None = None
        self._kept: TemporalFacts | None = None
        self._kept_until = 0.0

    async def read(self) -> Readiness:
        """Return the readiness within about three seconds. Callers share a load that is in progress."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._read(PROBE_SECONDS))
        return await asyncio.shield(self._running)

    async def read_now(self, timeout_seconds: float) -> Readiness:
        """Return the readiness by facts that are loaded now, within another deadline."""
        self._kept = None
        return await self._read(timeout_seconds)

    async def _read(self, timeout_seconds: float) -> Readiness:
        is_kept = self._kept is not None and self._clock() < self._kept_until
        database, temporal = await asyncio.gather(
            self._database.load(timeout_seconds), self._load_temporal(timeout_seconds, is_kept=is_kept)
        )
        outbox = OutboxFacts(self._refusal()) if self._refusal is not None else None
        facts = InstallationFacts(database, temporal, EXPECTED_ATTRIBUTES, NEWEST_REVISION, outbox)
        readiness = Readiness.of(facts)
        self._log.record(readiness.checks)
        if not is_kept:
            is_good = all(readiness.is_ok(name) for name in _TEMPORAL_CHECKS)
            self._kept_until = self._clock() + (_KEEP_SECONDS if is_good else _KEEP_PROBLEMS_SECONDS)
        return readiness

    async def _load_temporal(self, timeout_seconds: float, *, is_kept: bool) -> TemporalFacts:
        if self._kept is None or not is_kept:
            self._kept = await load_temporal_facts(self._temporal, self._workspace, timeout_seconds)
        return self._kept


async def examine_without_database(
    database: DatabaseFacts, temporal: TemporalLink, workspace: str, timeout_seconds: float
) -> Readiness:
    """Return the readiness if the facts of the database are known without opening it: its folder is missing."""
    found = await load_temporal_facts(temporal, workspace, timeout_seconds)
    return Readiness.of(InstallationFacts(database, found, EXPECTED_ATTRIBUTES, NEWEST_REVISION))


_TEMPORAL_CHECKS = (
    CheckName.TEMPORAL,
    CheckName.NAMESPACE,
    CheckName.SEARCH_ATTRIBUTES,
    CheckName.WORKER,
    CheckName.WORKFLOW_TASKS,
)
