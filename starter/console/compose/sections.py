"""The parts of a form, each built again when its shape changes, with the places at which its problems are shown."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from nicegui import ui

from starter.console.compose.problems import Place

MAX_ITEMS = 50
"""How many parts of a list the form shows."""
_AT_ONCE = 30
"""How many sections are built without a pause: each takes milliseconds, a text can need thousands, and others wait."""


class Section:
    """A part of the form that is built again when its shape changes, and whose fields are refreshed otherwise.

    It is empty until it is filled.

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
        self._built: Hashable = None
        self._is_filled = False

    def fill(self) -> None:
        """Build what is in the section now."""
        self._built, self._is_filled = self._shape(), True
        self.refreshers, self.places, self.children = [], [], []
        self.element.clear()
        with self._within(self), self.element:
            self._build()

    def refresh(self) -> None:
        """Show the current values, if it was filled."""
        if not self._is_filled:
            return
        if self._shape() != self._built:
            self.fill()
            return
        for refresh in self.refreshers:
            refresh()
        for child in self.children:
            child.refresh()

    def all_places(self) -> list[Place]:
        """Return the places at which problems can be shown."""
        return [*self.places, *(place for child in self.children for place in child.all_places())]


class SectionTree:
    """All sections of a form, from the outermost one."""

    def __init__(self) -> None:
        self._root: Section | None = None
        self._section: Section | None = None
        self._room = _AT_ONCE
        self._later: deque[Section] = deque()

    @contextmanager
    def within(self, section: Section) -> Iterator[None]:
        """Add what is built in the block to this section."""
        outer, self._section = self._section, section
        try:
            yield
        finally:
            self._section = outer

    def section(self, shape: Callable[[], Hashable], build: Callable[[], None], classes: str = "cc-column") -> Section:
        """Build a section here, or leave it to `finish`; if `shape` returns another value later, it is built again."""
        outer = self._section
        section = Section(self.within, shape, build, classes)
        if outer is None:
            self._root = section
        else:
            outer.children.append(section)
        if self._room:
            self._room -= 1
            section.fill()
        else:
            self._later.append(section)
        return section

    def each(self, count: int, build: Callable[[int], None]) -> None:
        """Build a section for each part of a list, by its number, and say how many more only the YAML shows."""
        for number in range(min(count, MAX_ITEMS)):
            self.section(lambda: None, partial(build, number))
        if count > MAX_ITEMS:
            ui.label(f"{count - MAX_ITEMS:,} more are shown only in the YAML, and kept.").classes("cf-yaml-only")

    async def finish(self) -> None:
        """Build the sections that are left, with a pause after each for the work of others."""
        while self._later:
            section, self._room = self._later.popleft(), 0
            if not section.element.is_deleted:
                section.fill()
            await asyncio.sleep(0)

    def refresh_sections(self) -> None:
        """Show the current values in every section that is built."""
        self._room = _AT_ONCE
        if self._root is not None:
            self._root.refresh()

    def all_places(self) -> list[Place]:
        """Return the places at which problems can be shown."""
        return self._root.all_places() if self._root is not None else []

    @property
    def here(self) -> Section:
        """The section that is being built."""
        assert self._section is not None  # noqa: S101 - fields are built within sections
        return self._section


Within = Callable[[Section], AbstractContextManager[None]]
