"""Chips for states: of campaigns, of follow-ups and of keys. The word says it; the colour only helps."""

from __future__ import annotations

from nicegui.elements.mixins.text_element import TextElement

from starter.console.elements.text import text

_TONES = {
    **dict.fromkeys(("active", "live", "sent", "done"), "good"),
    **dict.fromkeys(("waiting", "sending", "held", "requested", "scheduled"), "wait"),
    **dict.fromkeys(("failed", "refused", "send_failed", "send_unknown", "revoked", "overdue"), "bad"),
    **dict.fromkeys(("draft", "expires", "excepted"), "warn"),
}


def chip(state: str) -> TextElement:
    """Show a state, such as `waiting` or `active`; one that is not known gets a neutral colour."""
    return text(state.replace("_", " "), f"cc-chip {_TONES.get(state, '')}")
