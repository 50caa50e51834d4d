"""One run of the cleanup: what is past goes, table by table, in transactions so short that ingest hardly notices.

Each transaction decides again what is past, by the catalogue and the database's clock of that moment, so the next run
continues one that was killed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import uuid4

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.look_backs import LookBacks, look_backs
from connector.rules.model.errors import ConnectorError
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import read_head
from connector.store.cleanup.deletions import BEGINNING, Counts, Deletion, count_past, delete_batch, plan_deletions
from connector.store.cleanup.horizons import Horizons, Kept
from connector.store.cleanup.past_days import PastDay, default_deletions, drop_day, find_past_days
from connector.store.cleanup.runs import end_run, renew_lease, take_lease
from connector.store.engine.database import LONG_SECONDS, Database, StoreUnavailable, database_now
from connector.store.engine.outages import Outage
from connector.store.engine.partitions import (
    MAX_SCANNED_BYTES,
    ensure_partitions,
    retry_while_locked,
    shorten_lock_waits,
)
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.tallies import recount_refusals

_T = TypeVar("_T")

_FIRST_BATCH, _SMALLEST_BATCH, _LARGEST_BATCH = 100, 20, 5_000
_TARGET_SECONDS = 0.02
"""The target duration of a batch with its commit: on SQLite every other writer waits for it."""
_PAUSE_FACTOR = 3
"""The pause after a batch, in durations of the batch. On SQLite a waiting writer looks only now and then whether it is
its turn, so that with short pauses it would rarely find one."""
_RENEWAL_SECONDS = 20.0
_PAUSES_SECONDS = (1.0, 5.0, 15.0)
"""The pauses between attempts at a batch while the database is busy."""
_TOO_MANY = -1
"""Instead of the number of moved rows: there are more than may be moved under the lock."""


class CleanupRuns(ConnectorError):
    """Another process cleans up now."""


class CleanupDone(ConnectorError):
    """A run of today has succeeded already."""


class _OutOfTime(Exception):
    """The run has used its time."""


@dataclass
class Cleaned:
    """What a run deleted, or would delete.

    Args:
        rows: by table; those of dropped partitions are estimates.
        days: the partitions that were dropped, with their bytes.
        faults: what could not be done, in words.
        has_more: the run ended because of its time; another one continues it.
    """

    rows: Counts = field(default_factory=Counter)
    days: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    has_more: bool = False


class Cleaning:
    """Cleans up one workspace.

    Args:
        progress: called with what was deleted so far, several times a minute.
        seconds: the time that a run may use, about; None: as long as it takes.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        workspace: str,
        kept: Kept,
        *,
        progress: Callable[[Cleaned], None] = lambda _cleaned: None,
        seconds: float | None = None,
    ) -> None:
        self._seconds = math.inf if seconds is None else seconds
        self._database, self._cache, self._workspace, self._kept = database, cache, workspace, kept
        self._progress, self._holder = progress, uuid4().hex
        self._looked_back: tuple[Catalogue, LookBacks] | None = None
        self._cleaned, self._renewed_at, self._ends_at = Cleaned(), 0.0, math.inf

    async def clean(self, *, once_a_day: bool = False) -> Cleaned:
        """Delete everything that is past.

        Args:
            once_a_day: only if no run of today (UTC) has succeeded.

        Raises:
            CleanupRuns: another process does.
            CleanupDone: a run of today has succeeded.
            StoreUnavailable: the database cannot be used now; what was deleted stays deleted.
        """
        await self._take_lease(once_a_day)
        self._cleaned, self._ends_at = Cleaned(), time.monotonic() + self._seconds
        try:
            await self._create_partitions()
            await self._recount()
            await self._drop_days()
            for number in range(len(await self._deletions())):
                await self._delete(number)
        except _OutOfTime:
            self._cleaned.has_more = True
        except BaseException as error:
            with suppress(StoreUnavailable):
                await asyncio.shield(self._end(f"it was interrupted ({type(error).__name__})"))
            raise
        unfinished = ["its time was up, and there is more to delete"] if self._cleaned.has_more else []
        await self._end("; ".join([*self._cleaned.faults, *unfinished]) or None)
        return self._cleaned

    async def preview(self) -> Cleaned:
        """Return what a run would delete; nothing is changed."""
        found = Cleaned()
        catalogue = await self._cache.at_least(self._database)
        async with self._database.read(self._workspace, seconds=LONG_SECONDS) as tx:
            horizons = self._horizons(await database_now(tx), catalogue)
            days = await find_past_days(tx, horizons)
            for deletion in (*self._plan(horizons), *(one for day in days for one in day.deletions)):
                found.rows.update(await count_past(tx, deletion, horizons))
        found.days = {day.name: day.bytes for day in days}
        return found

    async def _create_partitions(self) -> None:
        async with self._database.read(self._workspace) as tx:
            today = (await database_now(tx)).date()
        failed = await ensure_partitions(self._database, today, max_scanned_bytes=MAX_SCANNED_BYTES)
        if failed:
            problem = (
                "could not be created: this user of the database does not own the tables, other transactions hold "
                "locks, or the default partition is large; run `connector setup` daily as their owner, or once at a "
                "quiet time"
            )
            self._cleaned.faults.append(f"{', '.join(failed)} {problem}")

    async def _recount(self) -> None:
        """Put the counts of refusals right; the lease's row is locked meanwhile, so that no other run does it too."""
        if self._database.dialect == "sqlite":  # no row leaves without a trigger there
            return
        async with self._database.write(self._workspace, lock="none", seconds=LONG_SECONDS) as tx:
            if not await renew_lease(tx, self._holder, self._cleaned.rows):
                raise CleanupRuns("another process has taken over the cleanup")
            await recount_refusals(tx)

    async def _drop_days(self) -> None:
        for day in await self._with_horizons(find_past_days):
            drop = partial(self._with_horizons, partial(self._drop, day), LONG_SECONDS)
            moved = await retry_while_locked(drop) if day.may_drop else _TOO_MANY
            if moved is None:
                self._cleaned.faults.append(f"{day.name} could not be dropped: other transactions hold locks")
            elif moved != _TOO_MANY:
                self._cleaned.days[day.name] = day.bytes
                self._cleaned.rows[day.daily.table.name] += max((day.rows or 0) - moved, 0)
            else:
                for deletion in day.deletions:
                    await self._delete_all(deletion)
            await self._renew()

    @staticmethod
    async def _drop(day: PastDay, tx: Transaction, horizons: Horizons) -> int:
        await shorten_lock_waits(tx)
        moved = await drop_day(tx, day, horizons)
        return _TOO_MANY if moved is None else moved

    async def _deletions(self) -> list[Deletion]:
        async def plan(_: Transaction, horizons: Horizons) -> list[Deletion]:
            return self._plan(horizons)

        return await self._with_horizons(plan)

    def _plan(self, horizons: Horizons) -> list[Deletion]:
        if self._database.dialect == "sqlite":
            return plan_deletions(horizons, with_daily=True)
        return [*plan_deletions(horizons, with_daily=False), *default_deletions(horizons)]

    async def _delete(self, number: int) -> None:
        await self._delete_all((await self._deletions())[number])

    async def _delete_all(self, deletion: Deletion) -> None:
        """Delete the rows in batches as large as fit into the target time, with a pause after each."""
        since, limit = BEGINNING, _FIRST_BATCH
        next_since: datetime | None = since
        while next_since is not None:
            counts, next_since, began = await self._patiently(partial(self._batch, deletion, next_since, limit))
            seconds = time.monotonic() - began
            self._cleaned.rows.update(counts)
            limit = _next_limit(limit, seconds)
            await asyncio.sleep(seconds * _PAUSE_FACTOR)
            await self._renew()

    @staticmethod
    async def _batch(
        deletion: Deletion, since: datetime, limit: int, tx: Transaction, horizons: Horizons
    ) -> tuple[Counts, datetime | None, float]:
        """Delete a batch; return also when it began, after its own waits: others may wait from then to its commit."""
        began = time.monotonic()
        counts, next_since = await delete_batch(tx, deletion, horizons, since, limit)
        return counts, next_since, began

    async def _patiently(self, act: Callable[[Transaction, Horizons], Awaitable[_T]]) -> _T:
        """Call `act` as `_with_horizons` does; while others keep the database busy, wait and try again."""
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return await self._with_horizons(act)
            except StoreUnavailable as error:
                if error.outage is not Outage.BUSY:
                    raise
            await asyncio.sleep(pause_seconds)
            await self._renew()
        return await self._with_horizons(act)

    async def _with_horizons(
        self, act: Callable[[Transaction, Horizons], Awaitable[_T]], seconds: float | None = None
    ) -> _T:
        """Call `act` in a transaction under the shared catalogue lock: no order changes what is needed meanwhile."""
        version: int | None = None
        while True:
            catalogue = await self._cache.at_least(self._database, version)
            async with self._database.write(self._workspace, seconds=seconds) as tx:
                head = await read_head(tx)
                if head.version == catalogue.version:
                    return await act(tx, self._horizons(replace(tx, head=head).now, catalogue))
            version = head.version

    def _horizons(self, now: datetime, catalogue: Catalogue) -> Horizons:
        if self._looked_back is None or self._looked_back[0] is not catalogue:
            self._looked_back = catalogue, look_backs(catalogue)
        return self._kept.horizons(now, self._looked_back[1])

    async def _take_lease(self, once_a_day: bool) -> None:
        async with self._database.write(self._workspace, lock="none") as tx:
            now = await database_now(tx)
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            refused_by = await take_lease(tx, self._holder, unless_since=today if once_a_day else None)
        if refused_by is not None:
            if not refused_by.is_running:
                raise CleanupDone("a run of today has succeeded")
            until = f"if it was killed, another one can begin at {refused_by.leased_until:%H:%M:%S} UTC"
            raise CleanupRuns(f"another process cleans up now; {until}")
        self._renewed_at = time.monotonic()

    async def _renew(self) -> None:
        """Renew the lease, now and then.

        Raises:
            CleanupRuns: another process has taken it. _OutOfTime: the run must end.
        """
        if time.monotonic() >= self._ends_at:
            raise _OutOfTime
        if time.monotonic() - self._renewed_at < _RENEWAL_SECONDS:
            return
        self._progress(self._cleaned)
        async with self._database.write(self._workspace, lock="none") as tx:
            if not await renew_lease(tx, self._holder, self._cleaned.rows):
                raise CleanupRuns("another process has taken over the cleanup")
        self._renewed_at = time.monotonic()

    async def _end(self, fault: str | None) -> None:
        async with self._database.write(self._workspace, lock="none") as tx:
            await end_run(tx, self._holder, self._cleaned.rows, fault)


def _next_limit(limit: int, seconds: float) -> int:
    """Return the size of the next batch after one of `limit` rows took `seconds`: from half to twice as many."""
    factor = min(max(_TARGET_SECONDS / max(seconds, 0.001), 0.5), 2)
    return min(max(int(limit * factor), _SMALLEST_BATCH), _LARGEST_BATCH)


def rows_of(cleaned: Cleaned) -> Mapping[str, int]:
    """Return the tables of which rows were deleted, with their numbers."""
    return {name: rows for name, rows in sorted(cleaned.rows.items()) if rows}
