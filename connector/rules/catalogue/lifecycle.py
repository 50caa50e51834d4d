"""The effect of an order on a catalogue: windows open and close, revisions become live (P2, P5, P9, P10).

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
    """Return the catalogue after an order on these ids that `rules.publishing` allowed.

    Args:
        at: the instant at which the order takes effect, UTC, the same for all ids.
    """
    next_id = 1 + max((w.window_id for entry in catalogue.entries.values() for w in entry.windows), default=0)
    changed = [_apply(catalogue.entries[name], verb, at, next_id + n) for n, name in enumerate(sorted(ids))]
    if not changed:
        return catalogue
    return catalogue.with_entries(changed, version=catalogue.version + 1, changed_at=at)


def _apply(entry: Entry, verb: OrderVerb, at: datetime, window_id: int) -> Entry:
    state = STATE_AFTER[verb]
    revisions = _make_newest_live(entry.revisions, at) if verb == "publish" else entry.revisions
    windows = _open_window(entry.windows, at, window_id) if state == "active" else _close_windows(entry.windows, at)
    return replace(entry, state=state, revisions=revisions, windows=windows)


def _make_newest_live(revisions: tuple[Revision, ...], at: datetime) -> tuple[Revision, ...]:
    """Give the newest revision its `effective_at`; a revision that was published before keeps its own."""
    newest = revisions[-1]
    return revisions if newest.effective_at is not None else (*revisions[:-1], replace(newest, effective_at=at))


def _open_window(windows: tuple[Window, ...], at: datetime, window_id: int) -> tuple[Window, ...]:
    """Open a window unless a window is open already: a window stays open across revisions (P10)."""
    is_open = any(window.closed_at is None for window in windows)
    return windows if is_open else (*windows, Window(window_id, at))


def _close_windows(windows: tuple[Window, ...], at: datetime) -> tuple[Window, ...]:
    return tuple(window if window.closed_at is not None else replace(window, closed_at=at) for window in windows)
