"""Campaigns and cards as the API and the command line show them."""

from __future__ import annotations

from typing import Any

from connector.rules.catalogue.catalogue import Entry, Revision
from connector.rules.model.instants import write_instant
from connector.rules.publishing.drafting import written


def view(entry: Entry) -> dict[str, Any]:
    """One entry in JSON values: its state, revisions and windows; times are UTC with `Z`."""
    live = entry.live
    return {
        "id": entry.id,
        "kind": "card" if entry.is_card else "campaign",
        "state": entry.state,
        "live_revision": live.number if live else None,
        "newest_revision": entry.newest.number,
        "effective_at": _time(live),
        "windows": [
            {"opened_at": write_instant(window.opened_at), "closed_at": write_instant(window.closed_at)}
            for window in entry.windows
        ],
    }


def view_with_definition(entry: Entry) -> dict[str, Any]:
    """The same with its newest saved definition, as it was written."""
    return {**view(entry), "definition": written(entry.newest.definition)}


def _time(revision: Revision | None) -> str | None:
    return write_instant(revision.effective_at) if revision else None
