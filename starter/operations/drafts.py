"""Save definitions as drafts, with an entry of the audit trail for each that changed."""

from __future__ import annotations

from collections.abc import Sequence

from connector.app.store_context import StoreContext
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.campaigns import AnyDefinition
from connector.rules.publishing.drafting import DraftChange, draft_warnings
from connector.store.audit import record_audit
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now


async def save_definitions(
    context: StoreContext, actor: Actor, definitions: Sequence[AnyDefinition], *, reason: str | None = None
) -> tuple[list[DraftChange], list[str]]:
    """Save all of the definitions or none; return their changes, in their order, and what `publish` would refuse.

    Raises:
        OrderRefused: as `save_drafts` raises it.
    """
    async with context.database.write(context.workspace) as tx:
        now = await database_now(tx)
        saved = await save_drafts(tx, definitions, now)
        await record_audit(tx, actor, *(_act(one, reason) for one in saved if one.change != "unchanged"))
    catalogue = await context.cache.at_least(context.database)
    return saved, draft_warnings(definitions, catalogue, now)


def _act(saved: DraftChange, reason: str | None) -> Act:
    return Act(AuditAction.APPLY, saved.id, {"change": saved.change, "revision": saved.revision}, reason)
