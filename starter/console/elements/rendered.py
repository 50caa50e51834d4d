"""A message as it was rendered: HTML in a frame that runs no scripts and loads nothing, everything else as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.console.elements.facts import fact, facts, text_fact
from starter.console.elements.sentences import json_text

_ORDER = ("subject", "from", "title", "body", "text", "link", "url", "method")

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:\">"
)


def rendered_message(channel: str, content: Mapping[str, Any]) -> None:
    """Show the content of a message of a channel."""
    if channel == "webhook":
        json_text(dict(content))
        return
    with ui.element("div").classes("cc-message"):
        with facts():
            for name in _ORDER:
                if isinstance(content.get(name), str):
                    text_fact(name.capitalize(), content[name], classes="cc-lines")
            for name in ("buttons", "pages"):
                if content.get(name):
                    with fact(name.capitalize()):
                        json_text(content[name])
        if isinstance(content.get("html"), str):
            html_frame(content["html"])


def html_frame(html: str, *, title: str = "The email as HTML") -> ui.element:
    """Show HTML of a message in a frame without scripts, forms, windows and origin, and which loads nothing.

    The frame inherits the content security policy of the page; its own also forbids images of our origin, since each
    would be a request with the viewer's cookie.
    """
    frame = ui.element("iframe").classes("cc-frame")
    frame.props["sandbox"] = ""
    frame.props["srcdoc"] = _POLICY + html
    frame.props["title"] = title
    frame.props["referrerpolicy"] = "no-referrer"
    return frame
