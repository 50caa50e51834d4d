"""A list of facts: names, each with its value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from starter.console.elements.text import text


@contextmanager
def facts() -> Iterator[None]:
    """Open a list; every `fact` inside adds one."""
    with ui.element("dl").classes("cc-facts"):
        yield


@contextmanager
def fact(name: str) -> Iterator[None]:
    """Add a fact whose value is built inside."""
    text(name, tag="dt")
    with ui.element("dd"):
        yield


def text_fact(name: str, value: str | None, *, classes: str = "") -> None:
    """Add a fact that is a text; None is shown as a dash."""
    with fact(name):
        text(value if value else "–", classes=classes)
