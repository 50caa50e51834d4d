"""Confirmations: what an action will do, in numbers, before it does it."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.dialogs import buttons, dialog, reason_field, reason_in
from starter.console.elements.text import text


async def confirm(title: str, lines: Sequence[str], *, action: str) -> bool:
    """Ask whether to go on, and return whether the person agreed; Escape and a click beside it mean no.

    Args:
        lines: what will happen, with numbers, a sentence each.
        action: the label of the button that does it, a verb: "Stop", not "OK".
    """
    return await _ask(title, lines, action, is_dangerous=False, with_reason=False) is not None


async def confirm_with_reason(
    title: str, lines: Sequence[str], *, action: str, is_dangerous: bool = False
) -> tuple[bool, str | None]:
    """Ask as `confirm` does, and for a reason for the audit trail; return whether the person agreed, and the reason.

    Args:
        is_dangerous: the button is red, and the other one has the focus.
    """
    answer = await _ask(title, lines, action, is_dangerous=is_dangerous, with_reason=True)
    return answer is not None, answer or None


async def _ask(title: str, lines: Sequence[str], action: str, *, is_dangerous: bool, with_reason: bool) -> str | None:
    """Return the reason, empty if none was given or asked for; None if the person did not agree."""
    with dialog(title) as opened:
        for line in lines:
            text(line, "cc-paragraph", tag="p")
        reason = reason_field() if with_reason else None
        with buttons():
            decline = ui.button("Do nothing", on_click=opened.close).props("flat")
            agree = ui.button(action, on_click=lambda: opened.submit("" if reason is None else reason_in(reason) or ""))
            agree.props(f"unelevated {'color=negative' if is_dangerous else ''}")
    (decline if is_dangerous else agree).props("autofocus")
    answer: str | None = await opened
    return answer
