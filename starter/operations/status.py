"""What is live since when, and how follow-ups ended: of all campaigns and cards, and of one with its results."""

from __future__ import annotations

from typing import Any

from connector.app.store_context import StoreContext
from connector.store.engine.database import LONG_SECONDS
from connector.store.follow_ups.tallies import load_counts
from starter.operations.entries import find_entry, view_entry
from starter.operations.results import load_outcomes, load_results, load_retried, view_counts_of


async def read_status(context: StoreContext) -> dict[str, Any]:
    """Return every campaign and card with its follow-ups by state and reason, and the messages that are tried again."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts, retried = await load_counts(tx), await load_retried(tx)
    of_campaigns = view_counts_of(catalogue.entries, counts)
    views = [{**view_entry(catalogue.entries[id]), "follow_ups": of_campaigns[id]} for id in sorted(catalogue.entries)]
    return {"version": catalogue.version, "campaigns": views, "retried": retried}


async def read_campaign_status(context: StoreContext, campaign: str) -> dict[str, Any]:
    """Return one campaign or card with its follow-ups by state and reason, and its results. Raises NotKnown."""
    entry = await find_entry(context, campaign)
    outcomes = await load_outcomes(context, entry)
    return {**view_entry(entry), **outcomes, "results": await load_results(context, entry)}
