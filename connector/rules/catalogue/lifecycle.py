"""What a judged order makes of a catalogue: windows opened and closed, revisions made live (P2, P5, P9, P10).

The store does the same to its tables (`connector.store.catalogue.orders`); a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window

OrderVerb = Literal["publish", "stop", "resume", "archive"]

STATE_AFTER: dict[OrderVerb, Lifecycle] = {
    "publish": "active",
    "resume": "active",
    "stop": "stopped",
    "archive": "archived",
}


def apply_order(catalogue: Catalogue, verb: OrderVerb, ids: Iterable[str], at: datetime) -> Catalogue:
    """The catalogue after an order on these ids, which `rules.publishing` has judged.

    Args:
        at: the instant at which it takes effect, UTC; one for all of them.
    """
    fresh = 1 + max((w.window_id for entry in catalogue.entries.values() for w in entry.windows), default=0)
    changed = [_changed(catalogue.entries[name], verb, at, fresh + n) for n, name in enumerate(sorted(ids))]
    if not changed:
        return catalogue
    return catalogue.with_entries(changed, version=catalogue.version + 1, changed_at=at)


def _changed(entry: Entry, verb: OrderVerb, at: datetime, window_id: int) -> Entry:
    state = STATE_AFTER[verb]
    revisions = _with_newest_live(entry.revisions, at) if verb == "publish" else entry.revisions
    windows = _opened(entry.windows, at, window_id) if state == "active" else _closed(entry.windows, at)
    return replace(entry, state=state, revisions=revisions, windows=windows)


def _with_newest_live(revisions: tuple[Revision, ...], at: datetime) -> tuple[Revision, ...]:
    """One that was published before and stopped since keeps the instant at which it first took effect."""
    newest = revisions[-1]
    return revisions if newest.effective_at is not None else (*revisions[:-1], replace(newest, effective_at=at))


def _opened(windows: tuple[Window, ...], at: datetime, window_id: int) -> tuple[Window, ...]:
    """The open window of an active entry stays, across its revisions (P10)."""
    is_open = any(window.closed_at is None for window in windows)
    return windows if is_open else (*windows, Window(window_id, at))


def _closed(windows: tuple[Window, ...], at: datetime) -> tuple[Window, ...]:
    return tuple(window if window.closed_at is not None else replace(window, closed_at=at) for window in windows)
