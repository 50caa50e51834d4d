"""The daily cleanup of a worker: it deletes what is past its use, and creates PostgreSQL's partitions ahead.

Every worker starts one; a lease in the database lets one of them work at a time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from connector.app.cleanup_settings import kept_by
from connector.app.shutdown import run_unless_stopped
from connector.metrics import CLEANUP_ROWS
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.cleanup.cleaning import Cleaned, Cleaning, CleanupDone, CleanupRuns, rows_of
from connector.store.engine.database import Database, StoreUnavailable

_log = structlog.get_logger("cleanup")
CHECK_SECONDS = 600.0
"""How often a worker looks whether a run is due: one that failed, or whose process died, is repeated after it."""


class DailyCleanup:
    """Cleans up one workspace at the start of a worker and once a day (UTC), whichever worker does it."""

    def __init__(self, database: Database, cache: CatalogueCache, settings: Settings) -> None:
        self._cleaning = Cleaning(database, cache, settings.workspace, kept_by(settings), progress=self._log_progress)

    async def run(self, stopped: asyncio.Event) -> None:
        """Clean up until `stopped`; what is interrupted then, the next run continues."""
        while not stopped.is_set():
            await run_unless_stopped(self.clean_if_due(), stopped)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), CHECK_SECONDS)

    async def clean_if_due(self) -> None:
        """Clean up unless a run of today has succeeded, or another process does; failures are logged."""
        try:
            cleaned = await self._cleaning.clean(once_a_day=True)
        except (CleanupDone, CleanupRuns):
            return
        except StoreUnavailable as error:
            _log.warning("cleanup_failed", reason=str(error))
        except Exception:  # a defect of the cleanup must not stop the messages; readiness shows that no run succeeds
            _log.exception("cleanup_broke")
        else:
            for table, rows in rows_of(cleaned).items():
                CLEANUP_ROWS.labels(table=table).inc(rows)
            _log.info("cleanup_done", rows=rows_of(cleaned), dropped=sorted(cleaned.days))
            if cleaned.faults:
                _log.warning("cleanup_incomplete", faults=cleaned.faults)

    @staticmethod
    def _log_progress(cleaned: Cleaned) -> None:
        _log.info("cleanup_goes_on", rows=rows_of(cleaned), dropped=len(cleaned.days))
