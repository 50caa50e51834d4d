"""Find campaigns and cards, and show them as JSON values, in the form in which API and command line show them."""

from __future__ import annotations

from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign
from connector.rules.model.values import format_instant
from starter.operations.errors import NotKnown


async def find_entry(context: StoreContext, id: str) -> Entry:
    """Return a campaign or card. Raises NotKnown."""
    return entry_in(await context.cache.at_least(context.database), id)


def entry_in(catalogue: Catalogue, id: str) -> Entry:
    """Return a campaign or card of a catalogue. Raises NotKnown."""
    entry = catalogue.entries.get(id)
    if entry is None:
        raise NotKnown(f"the campaign or card {id} is not known; apply its definition first")
    return entry


def name_of(entry: Entry) -> str | None:
    """Return the name of a campaign, by its newest revision; None if it has none, and of cards."""
    definition = entry.newest.definition
    return definition.name if isinstance(definition, Campaign) else None


def view_entry(entry: Entry) -> dict[str, Any]:
    """Return a campaign or card with its state, revisions and windows; times are UTC with `Z`."""
    live = entry.live
    return {
        "id": entry.id,
        "kind": "card" if entry.is_card else "campaign",
        "state": entry.state,
        "live_revision": live.number if live else None,
        "newest_revision": entry.newest.number,
        "effective_at": format_instant(live.effective_at) if live else None,
        "windows": [
            {"opened_at": format_instant(window.opened_at), "closed_at": format_instant(window.closed_at)}
            for window in entry.windows
        ],
    }
