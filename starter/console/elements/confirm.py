"""Confirmations: what an action will do, in numbers, before it does it."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.dialogs import as_reason
from starter.console.elements.text import heading, text


async def confirm(title: str, lines: Sequence[str], *, action: str, is_dangerous: bool = False) -> bool:
    """Ask whether to go on, and return whether the person agreed; Escape and a click beside it mean no.

    Args:
        lines: what will happen, with numbers, a sentence each.
        action: the label of the button that does it, a verb: "Stop", not "OK".
        is_dangerous: the button is red, and the other one has the focus.
    """
    return await _ask(title, lines, action, is_dangerous, with_reason=False) is not None


async def confirm_with_reason(
    title: str, lines: Sequence[str], *, action: str, is_dangerous: bool = False
) -> tuple[bool, str | None]:
    """Ask as `confirm` does, and for a reason for the audit trail; return whether the person agreed, and the reason."""
    answer = await _ask(title, lines, action, is_dangerous, with_reason=True)
    return answer is not None, as_reason(answer)


async def _ask(title: str, lines: Sequence[str], action: str, is_dangerous: bool, *, with_reason: bool) -> str | None:
    """Return the reason, empty if none was given or asked for; None if the person did not agree."""
    with ui.dialog() as dialog, ui.card().classes("cc-dialog"):
        heading(title)
        for line in lines:
            text(line, "cc-paragraph", tag="p")
        reason = (
            ui.input("Why, for the audit trail (do not name users)").props("outlined dense") if with_reason else None
        )
        with ui.element("div").classes("cc-row"):
            agree = ui.button(action, on_click=lambda: dialog.submit("" if reason is None else reason.value or ""))
            agree.props(f"unelevated {'color=negative' if is_dangerous else ''}")
            decline = ui.button("Do nothing", on_click=dialog.close).props("outline")
    if reason is not None:
        reason.classes("cc-grow")
    (decline if is_dangerous else agree).props("autofocus")
    dialog.props["aria-label"] = title
    answer: str | None = await dialog
    dialog.delete()
    return answer
