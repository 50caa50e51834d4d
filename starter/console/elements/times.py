"""Times in the viewer's zone, with UTC on hover: the page's script converts them, because only the browser knows it."""

from __future__ import annotations

from datetime import datetime

from nicegui.elements.mixins.text_element import TextElement

from connector.rules.model.values import format_instant
from starter.console.elements.text import text


def moment(at: str | datetime | None, absent: str = "–") -> TextElement:
    """Show an instant.

    Args:
        at: RFC 3339, as operations return it, or a datetime with a zone; None: there is none.
        absent: what is shown if there is none.
    """
    if at is None:
        return text(absent, "cc-muted")
    utc = at if isinstance(at, str) else format_instant(at)
    element = text(utc, "cc-time", tag="time")
    element.props["datetime"] = utc
    element.props["title"] = utc.replace("T", " ").replace("Z", " UTC")
    return element
