"""A catalogue in which one campaign is supposed to be live, for previews: nothing is published."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window

_WINDOW_ID = 0
"""Window ids of the store begin at 1."""


def suppose_live(catalogue: Catalogue, id: str, revision: Revision, now: datetime) -> Catalogue:
    """Return the catalogue with this revision of a campaign in effect since `now` (UTC), whatever its state is.

    Its earlier publications stay, by which users were assigned to the control group and to variants.
    """
    entry = catalogue.entries[id]
    earlier = (one for one in entry.revisions if one.effective_at is not None and one.number != revision.number)
    before = tuple(one for one in earlier if one.effective_at is not None and one.effective_at < now)
    live = Entry(id, "active", (*before, replace(revision, effective_at=now)), (Window(_WINDOW_ID, now),))
    return catalogue.with_entries([live], version=catalogue.version)
