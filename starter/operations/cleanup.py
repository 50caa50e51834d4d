"""Clean up at once, or show what a cleanup would delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.app.cleanup_settings import kept_by
from connector.app.store_context import StoreContext
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.store.audit import record_audit
from connector.store.cleanup.cleaning import Cleaned, Cleaning, rows_of


async def clean_up(
    context: StoreContext,
    actor: Actor,
    *,
    dry_run: bool,
    reason: str | None = None,
    progress: Callable[[Cleaned], None] = lambda _cleaned: None,
) -> dict[str, Any]:
    """Delete what is past its use, as a worker does daily, and record who did it; return what was deleted.

    Args:
        dry_run: change nothing, and return what would be deleted.
        progress: called with what was deleted so far, several times a minute.

    Raises:
        CleanupRuns: another process cleans up now.
        StoreUnavailable: the database cannot be used now; what was deleted stays deleted.
    """
    kept = kept_by(context.settings)
    cleaning = Cleaning(context.database, context.cache, context.workspace, kept, progress=progress)
    if dry_run:
        return _view(await cleaning.preview())
    cleaned = await cleaning.clean()
    view = _view(cleaned)
    async with context.database.write(context.workspace, lock="none") as tx:
        await record_audit(tx, actor, Act(AuditAction.CLEAN_UP, None, {"rows": view["rows"]}, reason))
    return view


def _view(cleaned: Cleaned) -> dict[str, Any]:
    return {"rows": rows_of(cleaned), "partitions": dict(sorted(cleaned.days.items())), "faults": cleaned.faults}
