"""Campaigns and cards as JSON values, in the form in which the API and the command line show them."""

from __future__ import annotations

from typing import Any

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.values import format_instant


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
