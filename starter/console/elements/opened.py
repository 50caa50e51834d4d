"""A part of a page that is built when it is opened: a long table costs the server as much as the rest of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from starter.console.elements.text import text


class Opened:
    """A summary, and under it what is built when somebody opens it, and anew when it changes while it is open."""

    def __init__(self, summary: str) -> None:
        self._build: Callable[[], None] | None = None
        self._is_open = self._is_built = False
        details = ui.element("details").classes("cc-details")
        # Not counted: of two changes at once the browser reports only the last.
        details.on("toggle", self._toggle, js_handler="(event) => emit(event.target.open)")
        with details:
            text(summary, tag="summary")
            self._content = ui.element("div").classes("cc-column")

    def show(self, build: Callable[[], None]) -> None:
        """Show what `build` adds, now if it is open, else once it is opened."""
        self._build, self._is_built = build, False
        self._content.clear()
        self._fill()

    def _toggle(self, event: Any) -> None:
        self._is_open = bool(event.args)
        self._fill()

    def _fill(self) -> None:
        if self._is_open and not self._is_built and self._build is not None:
            self._is_built = True
            with self._content:
                self._build()
