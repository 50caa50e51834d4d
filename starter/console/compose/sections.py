"""The parts of a form, each built again when its shape changes, with the places at which its problems are shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager

from nicegui import ui

from starter.console.compose.problems import Place


class Section:
    """A part of the form that is built again when its shape changes, and whose fields are refreshed otherwise.

    Args:
        within: opens the block in which what is built is added to this section.
        shape: by what the section is built.
    """

    def __init__(self, within: Within, shape: Callable[[], Hashable], build: Callable[[], None], classes: str) -> None:
        self._within, self._shape, self._build = within, shape, build
        self.refreshers: list[Callable[[], None]] = []
        self.places: list[Place] = []
        self.children: list[Section] = []
        self.element = ui.element("div").classes(classes)
        self._built = shape()
        self._fill()

    def refresh(self) -> None:
        """Show the values of now."""
        shape = self._shape()
        if shape != self._built:
            self._built = shape
            self.element.clear()
            self._fill()
            return
        for refresh in self.refreshers:
            refresh()
        for child in self.children:
            child.refresh()

    def all_places(self) -> list[Place]:
        """Return the places at which problems can be shown."""
        return [*self.places, *(place for child in self.children for place in child.all_places())]

    def _fill(self) -> None:
        self.refreshers, self.places, self.children = [], [], []
        with self._within(self), self.element:
            self._build()


Within = Callable[[Section], AbstractContextManager[None]]
