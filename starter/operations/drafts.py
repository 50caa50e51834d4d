"""Save definitions as drafts, with an entry of the audit trail for each that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from connector.app.store_context import StoreContext
from connector.definitions import Definitions
from connector.definitions.publish_facts import NO_SOURCES, gather_facts_in_time
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.campaigns import AnyDefinition, Workspace
from connector.rules.model.errors import DefinitionError, Fault, Source
from connector.rules.publishing.drafting import DraftChange, draft_warnings
from connector.store.audit import record_audit
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.templating.threads import run_in_thread


async def apply_definitions(
    context: StoreContext,
    actor: Actor,
    definitions: Definitions,
    *,
    reason: str | None = None,
    bases: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Save all of the definitions as drafts, or none; return what changed, and what `publish` would refuse.

    Args:
        bases: as for `save_definitions`.

    Raises:
        DefinitionError: they are about another workspace.
        OrderRefused: one is archived, or of the other kind before; names every problem.
        DraftConflict: somebody else saved one of them meanwhile.
    """
    check_workspace(context.workspace, definitions.all)
    saved, warnings = await save_definitions(
        context, actor, definitions.all, reason=reason, sources=definitions.sources, bases=bases
    )
    return {"saved": [vars(change) for change in saved], "warnings": warnings}


def check_workspace(workspace: str, definitions: Sequence[AnyDefinition]) -> None:
    """Check that the definitions are of this workspace. Raises DefinitionError."""
    for definition in definitions:
        if isinstance(definition, Workspace) and definition.workspace != workspace:
            problem = f"is {definition.workspace}, but this is {workspace}; set CONNECTOR_WORKSPACE to change it"
            raise DefinitionError([Fault("workspace", problem)])


async def save_definitions(
    context: StoreContext,
    actor: Actor,
    definitions: Sequence[AnyDefinition],
    *,
    reason: str | None = None,
    sources: Mapping[str, Source] = NO_SOURCES,
    bases: Mapping[str, int] | None = None,
) -> tuple[list[DraftChange], list[str]]:
    """Save all of the definitions or none; return their changes, in their order, and what `publish` would refuse.

    Args:
        sources: where they were read from, by id; the workspace by ''.
        bases: the revisions that they were edited from, by id, so that nobody else's edit is replaced; None: any.
            An id that is missing was new.

    Raises:
        OrderRefused: as `save_drafts` raises it.
    """
    async with context.database.write(context.workspace) as tx:
        now = await database_now(tx)
        saved = await save_drafts(tx, definitions, now, sources, bases)
        await record_audit(tx, actor, *(_act(one, reason) for one in saved if one.change != "unchanged"))
    catalogue = await context.cache.at_least(context.database)
    facts = await gather_facts_in_time(
        context.database,
        context.workspace,
        catalogue,
        [definition.id for definition in definitions if not isinstance(definition, Workspace)],
        providers=context.settings.provided_channels,
        sources=sources,
    )
    # In a thread: a proof that a schedule never delivers may take a second.
    return saved, await run_in_thread(partial(draft_warnings, definitions, catalogue, now, facts))


def _act(saved: DraftChange, reason: str | None) -> Act:
    return Act(AuditAction.APPLY, saved.id, {"change": saved.change, "revision": saved.revision}, reason)
