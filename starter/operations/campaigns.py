"""The list of campaigns and cards, and one of them with its newest saved definition."""

from __future__ import annotations

from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Lifecycle
from connector.store.engine.database import LONG_SECONDS
from connector.store.follow_ups.tallies import load_counts
from starter.operations.entries import find_entry, name_of, view_entry
from starter.operations.overview import STATES, find_entries
from starter.operations.results import view_counts_of
from starter.operations.views import view_entry_with_definition

MAX_PAGE = 1000


async def list_campaigns(
    context: StoreContext,
    *,
    state: Lifecycle | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return a page of campaigns and cards by id: which revision is live since when, and their follow-ups by state.

    Args:
        state: only campaigns and cards in this state; None: all, archived ones too.
        search: only those whose id or name contains this text, in any case of letters.
        after: `next` of the previous page.
    """
    catalogue = await context.cache.at_least(context.database)
    entries = find_entries(catalogue, STATES if state is None else (state,), search, after)
    page = entries[:limit]
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts = await load_counts(tx, [entry.id for entry in page]) if page else []
    of_campaigns = view_counts_of([entry.id for entry in page], counts)
    return {
        "campaigns": [
            {**view_entry(entry), "name": name_of(entry), "follow_ups": of_campaigns[entry.id]} for entry in page
        ],
        "has_more": len(entries) > limit,
        "next": page[-1].id if len(entries) > limit else None,
    }


async def read_campaign(context: StoreContext, campaign: str) -> dict[str, Any]:
    """Return the newest saved definition, and which revision is live since when. Raises NotKnown."""
    return view_entry_with_definition(await find_entry(context, campaign))
