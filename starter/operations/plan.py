"""Plan definitions: what `apply` and then `publish` of them would do, as JSON values; nothing is changed."""

from __future__ import annotations

from functools import partial
from typing import Any

from connector.app.store_context import StoreContext
from connector.definitions import Definitions
from connector.rules.publishing.preview import DefinitionPreview
from connector.store.engine.database import LONG_SECONDS, database_now
from connector.templating.threads import run_in_thread
from starter.operations.change_previews import Preview, preview_changes, view_audience
from starter.operations.drafts import check_workspace
from starter.operations.text_sizes import measure_texts


async def plan_definitions(
    context: StoreContext, definitions: Definitions, *, allow_missed: bool = False
) -> dict[str, Any]:
    """Return what would change key by key, the order of the publication, its refusals and warnings, and who waits.

    `texts` has the number of segments of each text message, with its values left out.

    Raises:
        DefinitionError: they are about another workspace.
        OrderRefused: `apply` would refuse them; names every problem.
    """
    check_workspace(context.workspace, definitions.all)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        preview = await preview_changes(
            tx,
            definitions.all,
            allow_missed=allow_missed,
            sources=definitions.sources,
            providers=context.settings.provided_channels,
        )
        now = await database_now(tx)
    texts = await run_in_thread(partial(measure_texts, definitions.all, context.settings, now))
    return {**_view(preview), "texts": [vars(text) for text in texts]}


def _view(preview: Preview) -> dict[str, Any]:
    return {
        "changes": [_view_definition(one) for one in preview.definitions if one.change != "unchanged"],
        "unchanged": [one.id for one in preview.definitions if one.change == "unchanged"],
        "elsewhere": [{"id": entry.id, "state": entry.state} for entry in preview.other_entries],
        "order": list(preview.order),
        "refusals": list(preview.refusals),
        "warnings": list(preview.warnings),
        "waits": [vars(wait) for wait in preview.waits],
        "audiences": [view_audience(size) for size in preview.audiences],
    }


def _view_definition(drafting: DefinitionPreview) -> dict[str, Any]:
    return {**vars(drafting), "differences": [vars(difference) for difference in drafting.differences]}
