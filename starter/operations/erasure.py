"""Erase a user: one transaction that runs alone, with its entry in the audit trail."""

from __future__ import annotations

import logging
from typing import Literal

from connector.app.store_context import StoreContext
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.store.audit import record_audit
from connector.store.engine.database import LONG_SECONDS, database_now
from connector.store.erasure import erase_user
from connector.store.users.marks import find_erased_ids

Erased = Literal["erased", "erased_before", "unknown"]
"""The result. `unknown`: no report and no description ever named the id, and nothing is kept of it."""

_log = logging.getLogger(__name__)


async def erase(context: StoreContext, id: str, actor: Actor, *, reason: str | None = None) -> Erased:
    """Erase a user for good, by any of the user's ids. Repeated, it changes nothing.

    Like an order, it waits for the transactions that run and lets none begin meanwhile, so that none of them writes
    back what it has read (guarantee 8).

    Raises:
        StoreUnavailable: nothing was erased.
    """
    async with context.database.write(context.workspace, lock="exclusive", seconds=LONG_SECONDS) as tx:
        user_key = await erase_user(tx, id, await database_now(tx))
        if user_key is None:
            return "erased_before" if await find_erased_ids(tx, [id]) else "unknown"
        await record_audit(tx, actor, Act(AuditAction.ERASE_USER, user_key, reason=reason))
    if not await context.database.truncate_log():
        note = "SQLite's log keeps old pages until its readers have ended"
        _log.warning("erasure_log_not_truncated", extra={"note": note})
    return "erased"
