"""Details that are built when somebody opens them: a long table costs the server as much as the rest of the page."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from starter.console.elements.text import text


class LazyDetails:
    """A summary and its details, which are built when somebody opens them, and again if they change while open."""

    def __init__(self, summary: str) -> None:
        self._build: Callable[[], None] | None = None
        self._is_open = self._is_built = False
        with ui.element("details").classes("cc-details").on("toggle", self._toggle):
            text(summary, tag="summary")
            self._content = ui.element("div").classes("cc-column")

    def show(self, build: Callable[[], None]) -> None:
        """Show the details that `build` adds: now if they are open, if not, when they are opened."""
        self._build, self._is_built = build, False
        self._content.clear()
        self._fill()

    def _toggle(self) -> None:
        self._is_open = not self._is_open
        self._fill()

    def _fill(self) -> None:
        if self._is_open and not self._is_built and self._build is not None:
            self._is_built = True
            with self._content:
                self._build()
