"""The settings of the workspace: its zone, frequency caps, quiet hours, and the rest of its definition."""

from __future__ import annotations

from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.publishing.drafting import as_written


async def read_workspace(context: StoreContext) -> dict[str, Any]:
    """Return the settings of the workspace as they were written, with its id, and all of them with their defaults."""
    catalogue = await context.cache.at_least(context.database)
    settings = catalogue.workspace
    return {
        "workspace": context.workspace,
        "version": catalogue.version,
        "definition": {"workspace": context.workspace, **as_written(settings)},
        "settings": settings.model_dump(mode="json", by_alias=True) | {"workspace": context.workspace},
    }
