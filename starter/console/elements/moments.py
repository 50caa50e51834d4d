"""A field for a time in the viewer's zone, which the server gets in UTC."""

from __future__ import annotations

import json
from collections.abc import Callable

from nicegui import ui

_TO_UTC = "(text => {{ const at = new Date(text); return isNaN(at) ? null : at.toISOString(); }})({text})"
_TO_LOCAL = """(text => {{
    const at = new Date(text); if (isNaN(at)) return null;
    return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}})({text})"""
_ANSWER_SECONDS = 10.0


class MomentField:
    """A field for a date and a time of day; the browser, which knows the viewer's zone, converts them.

    Args:
        instant: what it shows at first, in UTC with `Z`; None, or what is no time: nothing.
    """

    def __init__(self, label: str, instant: str | None = None) -> None:
        self._field = ui.input(label).props("type=datetime-local outlined dense stack-label clearable")
        if instant is not None:
            ui.timer(0.0, lambda: self._show(instant), once=True)

    def on_change(self, call: Callable[[], None]) -> None:
        """Call a function when somebody changes the time."""
        self._field.on_value_change(call)

    async def instant(self) -> str | None:
        """Return the time in UTC with `Z`; None if none is given."""
        if not self._field.value:
            return None
        converted = await ui.run_javascript(_TO_UTC.format(text=json.dumps(self._field.value)), timeout=_ANSWER_SECONDS)
        return str(converted) if converted else None

    async def _show(self, instant: str) -> None:
        self._field.value = await ui.run_javascript(_TO_LOCAL.format(text=json.dumps(instant)), timeout=_ANSWER_SECONDS)
