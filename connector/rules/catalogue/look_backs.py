"""What the log must keep beyond its retention: the items that audiences look back to (design 8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.interactions import LogEntry
from connector.rules.targeting.matching import LoggedType, logged_type_of

LookBacks = Mapping[LoggedType, timedelta | None]
"""How far audiences look back from the evaluation of a trigger, by type of item; None: to the beginning."""


def look_backs(catalogue: Catalogue) -> LookBacks:
    """Return the longest look-back to each type of item, of all published revisions that are not archived.

    A trigger may be as old as the retention, so an item is needed for the retention and the look-back together.
    """
    longest: dict[LoggedType, timedelta | None] = {}
    for entry in catalogue.entries.values():
        if entry.state == "archived":
            continue
        for type, within in entry.history_types.items():
            known = longest.get(type, timedelta(0))
            longest[type] = None if known is None or within is None else max(known, within)
    return longest


def is_kept(logged: LogEntry, horizon: datetime, looked_back: LookBacks) -> bool:
    """Return whether a rule may still need the item: it was received since the horizon (UTC), or audiences look so far.

    Deletions of the store follow the same rule (`connector.store.cleanup.expired`).
    """
    if logged.received_at >= horizon:
        return True
    type = logged_type_of(logged.item)
    if type not in looked_back:
        return False
    within = looked_back[type]
    return within is None or logged.t >= horizon - within
