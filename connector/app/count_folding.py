"""Adds up, in every worker, the differences by which PostgreSQL's transactions change the counts of follow-ups."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from connector.store.engine.database import Database, StoreUnavailable
from connector.store.follow_ups.tallies import FOLDED_AT_ONCE, fold_counts

_log = structlog.get_logger("counts")
FOLD_SECONDS = 30.0
"""How often: a thousand differences a second are then added up by every question about counts, in milliseconds."""


async def fold_until(database: Database, workspace: str, stopped: asyncio.Event) -> None:
    """Fold every half minute until `stopped`; on SQLite there is nothing to fold. Several workers may do so at once."""
    while database.dialect == "postgresql" and not stopped.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), FOLD_SECONDS)
        try:
            while await _fold(database, workspace) == FOLDED_AT_ONCE:
                pass
        except StoreUnavailable:
            pass  # the checks report it; the counts stay exact, and the next round folds them
        except Exception:  # a defect here must not stop the messages
            _log.exception("count_folding_broke")


async def _fold(database: Database, workspace: str) -> int:
    async with database.write(workspace, lock="none") as tx:
        return await fold_counts(tx)
