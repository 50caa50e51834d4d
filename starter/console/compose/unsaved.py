"""What was written and not saved outlives a reload of the page, in the storage of the browser's tab.

A reload happens without a click too: when the connection was away for long, or the console was restarted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nicegui import ui

_READ = "return sessionStorage.getItem('compose ' + location.pathname + location.search)"
_KEEP = "try {{ sessionStorage.setItem('compose ' + location.pathname + location.search, {0}) }} catch (full) {{ }}"
_FORGET = "sessionStorage.removeItem('compose ' + location.pathname + location.search)"
_SECONDS = 30.0


async def read_unsaved() -> tuple[str, dict[str, int]] | None:
    """Return the text that this page had, with the revisions that it began from; None if the browser has none."""
    try:
        await ui.context.client.connected(timeout=_SECONDS)
        kept: Any = await ui.run_javascript(_READ, timeout=_SECONDS)
    except TimeoutError:
        return None
    try:
        text, bases = json.loads(kept)
        return str(text), {str(id): int(revision) for id, revision in bases.items()}
    except (TypeError, ValueError, AttributeError):
        return None


def keep_unsaved(text: str, bases: Mapping[str, int]) -> None:
    """Keep a text for the next load of this page."""
    value = json.dumps(json.dumps([text, dict(bases)])).replace("<", "\\u003c")
    ui.run_javascript(_KEEP.format(value))


def forget_unsaved() -> None:
    """Forget the text of this page, because it was saved or given up."""
    ui.run_javascript(_FORGET)
