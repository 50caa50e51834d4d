"""Sentences of operations, whose times are shown in the viewer's zone, and values as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from nicegui import ui

from starter.console.elements.page_words import as_sentence
from starter.console.elements.text import text
from starter.console.elements.times import moment

_INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)")


def split_instants(words: str) -> list[str]:
    """Split a text at its instants in UTC: at odd places are the instants."""
    return _INSTANT.split(words)


def sentence(words: str, classes: str = "") -> ui.element:
    """Show a sentence of an operation; its instants are shown in the viewer's zone."""
    with ui.element("div").classes(f"cc-sentence {classes}") as shown:
        for place, part in enumerate(split_instants(as_sentence(words))):
            if place % 2:
                moment(part)
            elif part:
                text(part)
    return shown


def short_json(value: Any) -> str:
    """Return a value as JSON in one line; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def json_text(value: Any) -> None:
    """Show a value as JSON over several lines."""
    text(json.dumps(value, ensure_ascii=False, indent=2), "cc-pre", tag="pre").props('tabindex="0"')
