"""Dialogs: a title that readers of screens get too, content, and a row of buttons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from nicegui import ui

from connector.rules.model.audit import MAX_REASON_CHARACTERS
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import parse_duration
from starter.console.elements.text import heading


@contextmanager
def dialog(title: str, *, is_wide: bool = False, is_persistent: bool = False) -> Iterator[ui.dialog]:
    """Open a dialog with what is built inside; once it is closed, it is gone.

    Args:
        is_persistent: Escape and a click beside it do not close it.
    """
    with ui.dialog() as opened, ui.card().classes("cc-dialog wide" if is_wide else "cc-dialog"):
        opened.props["aria-label"] = title
        opened.props["persistent"] = is_persistent
        heading(title)
        yield opened
    opened.on("hide", opened.delete)
    opened.open()


def reason_field(label: str = "Reason") -> ui.input:
    """Add a field for the reason that the audit trail keeps."""
    field = ui.input(label).props(f"outlined dense maxlength={MAX_REASON_CHARACTERS}")
    field.props["hint"] = "The audit trail keeps it for good: do not name users"
    return field


def as_reason(value: object) -> str | None:
    """Return the reason in what a browser sent as the value of a field; only browsers have checked its length."""
    return str(value or "").replace("\0", "").strip()[:MAX_REASON_CHARACTERS] or None


def reason_in(field: ui.input) -> str | None:
    """Return what was written, as long as the audit trail keeps it; None: nothing."""
    return as_reason(field.value)


def duration_in(name: str, written: str | None) -> timedelta | None:
    """Return the duration that was written into a field; None: nothing. Raises DefinitionError with its name."""
    if not (written or "").strip():
        return None
    try:
        return parse_duration((written or "").strip())
    except ValueError as error:
        raise DefinitionError([Fault(name, str(error))]) from None


@contextmanager
def buttons() -> Iterator[None]:
    """Open the row of buttons at the end of a dialog."""
    with ui.element("div").classes("cc-row cc-end"):
        yield
