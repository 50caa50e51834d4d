"""The buttons and pages of a message."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from starter.console.compose.codecs import KEPT_TEXT
from starter.console.compose.form import Form


def part_list(form: Form, path: Path, what: str, fields: tuple[str, ...]) -> None:
    """Add the buttons or pages of a message; a plain text in the YAML is the id of one."""

    def kinds() -> Any:
        parts = form.value(path)
        return tuple(type(part).__name__ for part in parts) if isinstance(parts, list) else ()

    def build() -> None:
        form.place(path)
        form.each(len(kinds()), show_one)
        ui.button(f"Add a {what.lower()}", icon="add", on_click=add).props("flat dense no-caps").classes("cf-add")

    def show_one(number: int) -> None:
        _part(form, (*path, number), f"{what} {number + 1}", fields if kinds()[number] == "dict" else ())

    def add() -> None:
        number = len(kinds())
        form.put((*path, number), {"id": f"{what.lower()}-{number + 1}", fields[0]: what})
        form.refresh()

    form.section(kinds, build, "cc-column cf-wide")


def _part(form: Form, path: Path, title: str, fields: tuple[str, ...]) -> None:
    def remove() -> None:
        form.put(path, None)
        form.refresh()

    with ui.element("div").classes("cf-part").props('role="group"') as group:
        group.props["aria-label"] = title
        form.text((*path, "id") if fields else path, f"{title}: id", codec=KEPT_TEXT)
        for name in fields:
            form.text((*path, name), name.capitalize())
        button = ui.button(icon="close", on_click=remove).props("flat round dense")
        button.props["aria-label"] = f"Remove {title.lower()}"
