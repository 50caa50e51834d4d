"""The browser's own choice, which groups its options and which every phone and screen reader knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from nicegui import ui

from starter.console.elements.text import text

Options = Mapping[str, Mapping[str, str]]
"""Labels by value, by group; a group without a name stands by itself."""


def native_select(options: Options, value: str, classes: str = "cf-select") -> ui.element:
    """Add a choice that shows the option with this value."""
    select = ui.element("select").classes(classes)
    with select:
        for group, labels in options.items():
            outer = ui.element("optgroup") if group else nullcontext()
            if isinstance(outer, ui.element):
                outer.props["label"] = group
            with outer:
                for option, label in labels.items():
                    text(label, tag="option").props["value"] = option
    set_option(select, value)
    return select


def set_option(select: ui.element, option: str) -> None:
    """Show an option as chosen."""
    if select.props.get("value") != option:
        select.props["value"] = option


def on_option(select: ui.element, choose: Callable[[str], None]) -> None:
    """Call `choose` with the option that somebody has chosen."""

    def chosen(event: Any) -> None:
        option = str(event.args)
        select.props["value"] = option
        choose(option)

    select.on("change", chosen, js_handler="(event) => emit(event.target.value)")
