"""A choice of the definition that the form shows, if a text has several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from starter.console.compose.composition import KINDS, Composition
from starter.console.elements.native_select import native_select, on_option

_MAX_OFFERED = 200


class DocumentChoice:
    """A choice between the definitions of a text, added here; it is hidden while there is only one.

    Args:
        chosen: called after another definition was chosen.
    """

    def __init__(self, composition: Composition, chosen: Callable[[], None]) -> None:
        self._composition, self._chosen = composition, chosen
        self._offered: list[str] = []
        self._box = ui.element("div")
        self.refresh()

    def refresh(self) -> None:
        """Offer the definitions that the text has now."""
        names = [_id_of(data) or f"number {n}" for n, data in enumerate(self._composition.documents, 1)]
        if names == self._offered:
            return
        self._offered = names
        self._box.clear()
        self._box.set_visibility(len(names) > 1)
        with self._box:
            options = {str(number): name for number, name in enumerate(names[:_MAX_OFFERED])}
            select = native_select({"": options}, str(self._composition.number))
            select.props["aria-label"] = "Definition in the form"
        on_option(select, self._choose)

    def _choose(self, option: str) -> None:
        self._composition.number = int(option)
        self._chosen()


def _id_of(data: Any) -> str:
    ids = [data[kind] for kind in KINDS if isinstance(data, dict) and isinstance(data.get(kind), str)]
    return ids[0] if ids else ""
