"""Confirmations: what an action will do, in numbers, before it does it."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.text import heading, text


async def confirm(title: str, lines: Sequence[str], *, action: str, is_dangerous: bool = False) -> bool:
    """Ask whether to go on, and return whether the person agreed; Escape and a click beside it mean no.

    Args:
        lines: what will happen, with numbers, a sentence each.
        action: the label of the button that does it, a verb: "Stop", not "OK".
        is_dangerous: the button is red, and the other one has the focus.
    """
    with ui.dialog() as dialog, ui.card().classes("cc-dialog"):
        heading(title)
        for line in lines:
            text(line, tag="p")
        with ui.element("div").classes("cc-row"):
            agree = ui.button(action, on_click=lambda: dialog.submit(True))
            agree.props(f"unelevated {'color=negative' if is_dangerous else ''}")
            decline = ui.button("Do nothing", on_click=lambda: dialog.submit(False)).props("outline")
    (decline if is_dangerous else agree).props("autofocus")
    dialog.props["aria-label"] = title
    agreed = await dialog
    dialog.delete()
    return bool(agreed)
