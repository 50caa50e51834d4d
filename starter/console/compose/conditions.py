"""The fields of conditions: triggers, exceptions, past interactions and conversions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from connector.rules.model.errors import ConnectorError
from starter.console.compose.codecs import KEPT_TEXT, LIST, SCALAR, TEXT
from starter.console.compose.condition_data import (
    WHATS,
    interaction_options,
    only_in_yaml,
    refinements_of,
    shape_of,
    suggestions_of,
    what_of,
    with_interaction,
    with_what,
)
from starter.console.compose.form import Form
from starter.console.elements.text import text

_REFINEMENT_LABELS = {
    "button": "Which button",
    "url": "Which link (its address)",
    "alias": "Which link (its alias)",
    "opens": "Whose opens",
    "page": "Which page of the story",
    "conversion": "Which conversion",
}
_OPENS = {"": {"": "any open", "human": "opens by people", "machine": "opens by machines"}}
_CONVERSIONS = {"": {"": "A, the primary one", "B": "B", "C": "C", "D": "D"}}

Suggestions = Callable[[str], Awaitable[Sequence[tuple[str, str]]]]
"""From what is written in a field to values with their labels."""


@dataclass(frozen=True)
class Targets:
    """The catalogue, as the fields of targets search it.

    Args:
        search: returns campaigns and cards by words, with the keys of `search_targets`.
        read: returns one with its parts, or None if it does not exist.
    """

    search: Callable[[str], Awaitable[Sequence[dict[str, Any]]]]
    read: Callable[[str], Awaitable[dict[str, Any] | None]]


def condition_list(form: Form, targets: Targets, path: Path, *, what: str, add: str, has_same: bool = False) -> None:
    """Add the conditions of a list with a button that adds one.

    Args:
        what: what one of them is, such as "Trigger"; `add` is the label of the button.
        has_same: whether a condition can compare properties with the trigger's.
    """

    def build() -> None:
        form.place(path)
        conditions = form.value(path)
        if conditions is not None and not isinstance(conditions, list):
            text("This list is written in a way that the form cannot show. It is kept.", "cf-yaml-only")
            return
        form.each(len(conditions or ()), show_one)
        ui.button(add, icon="add", on_click=lambda: add_one(conditions or [])).props("outline no-caps").classes(
            "cf-add"
        )

    def show_one(number: int) -> None:
        _condition_card(form, targets, (*path, number), f"{what} {number + 1}", has_same=has_same)

    def add_one(conditions: Sequence[Any]) -> None:
        new = {"event": ""} if what == "Exception" else {"interaction": "open_email", "campaign": ""}
        form.put((*path, len(conditions)), new)
        form.refresh()

    def shape() -> Any:
        conditions = form.value(path)
        return len(conditions) if isinstance(conditions, list) else repr(type(conditions))

    form.section(shape, build)


def _condition_card(form: Form, targets: Targets, path: Path, title: str, *, has_same: bool) -> None:
    with ui.element("fieldset").classes("cf-card"):
        text(title, "cf-legend", tag="legend")

        def remove() -> None:
            form.put(path, None)
            form.refresh()

        button = ui.button(icon="delete", on_click=remove).props("flat round dense").classes("cf-remove")
        button.props["aria-label"] = f"Remove {title.lower()}"
        condition_fields(form, targets, path, has_same=has_same)


def condition_fields(form: Form, targets: Targets, path: Path, *, has_same: bool = False, only: str = "") -> None:
    """Add the fields of one condition.

    Args:
        only: "event" or "interaction": conditions of one kind, such as conversions.
    """

    def build() -> None:
        condition = form.value(path)
        kind = what_of(condition)
        form.place(path)
        with ui.element("div").classes("cf-grid"):
            if only != "event":
                whats = {name: words for name, words in WHATS.items() if only != "interaction" or name != "event"}
                form.select(
                    path, "Somebody", {"": whats},
                    read=what_of, write=lambda what: with_what(form.value(path) or {}, what),
                )  # fmt: skip
            if kind == "event":
                form.text((*path, "event"), "Event", codec=KEPT_TEXT, hint="make_purchase, start_session, or your own")
            elif kind:
                _interaction_fields(form, targets, path, kind)
            if has_same:
                form.text(
                    (*path, "same"), "Only with the same", codec=LIST,
                    hint="Properties that equal the trigger's, like sku",
                )  # fmt: skip
        if kind:
            _where_fields(form, (*path, "where"))
        hidden = only_in_yaml(condition) if isinstance(condition, dict) else ["this condition"]
        if hidden:
            text(f"Only in the YAML, and kept: {', '.join(hidden)}", "cf-yaml-only")

    form.section(lambda: shape_of(form.value(path)), build)


def _interaction_fields(form: Form, targets: Targets, path: Path, kind: str) -> None:
    type = str((form.value(path) or {}).get("interaction"))
    form.select(
        path, "does what", interaction_options(kind),
        read=lambda condition: str((condition or {}).get("interaction")),
        write=lambda option: with_interaction(form.value(path) or {}, option),
    )  # fmt: skip

    async def find(words: str) -> list[tuple[str, str]]:
        found = await targets.search(words)
        fitting = [one for one in found if one["kind"] == kind]
        return [(one["id"], f"{one['name'] or one['id']} · {one['state']}") for one in fitting[:6]]

    suggesting_field(form, (*path, kind), "Campaign" if kind == "campaign" else "Card", find, is_kept=True)
    for name in refinements_of(type):
        if name == "opens":
            form.select((*path, name), _REFINEMENT_LABELS[name], _OPENS)
        elif name == "conversion":
            form.select((*path, name), _REFINEMENT_LABELS[name], _CONVERSIONS)
        else:
            _refinement_field(form, targets, path, kind, name, type)


def _refinement_field(form: Form, targets: Targets, path: Path, kind: str, name: str, type: str) -> None:
    async def find(words: str) -> list[tuple[str, str]]:
        target = await targets.read(str((form.value(path) or {}).get(kind) or ""))
        values = suggestions_of(name, type, target["parts"]) if target else []
        return [(value, "") for value in values if words in value][:8]

    suggesting_field(form, (*path, name), _REFINEMENT_LABELS[name], find, hint="Offered: those of the target")


def suggesting_field(
    form: Form, path: Path, label: str, find: Suggestions, *, hint: str = "", is_kept: bool = False
) -> None:
    """Add a field for a text with what could be written in it below, as buttons."""
    with ui.element("div").classes("cf-suggesting"):
        field = form.text(path, label, codec=KEPT_TEXT if is_kept else TEXT, hint=hint, props="autocomplete=off")
        offers = ui.element("div").classes("cf-offers")
        offers.props["aria-label"] = "Suggestions"
        offers.props["role"] = "group"

    shown: list[tuple[str, str]] = []

    def choose(value: str) -> None:
        shown.clear()
        offers.clear()
        field.set_value(value)

    async def offer() -> None:
        written = field.value or ""
        try:
            found = await find(written)
        except ConnectorError:
            found = []
        if offers.is_deleted:
            return
        offered = [] if written in {value for value, _ in found} else list(found)
        if offered == shown:
            return  # somebody may be clicking one of them: what was typed arrives when the field loses the focus
        shown[:] = offered
        offers.clear()
        with offers:
            for value, words in offered:
                label = f"{value}  {words}" if words else value
                ui.button(label, on_click=lambda value=value: choose(value)).props("flat dense no-caps align=left")

    field.on("focus", offer)
    field.on_value_change(offer)


def _where_fields(form: Form, path: Path) -> None:
    """Add the filters of a condition by its properties."""
    where = form.value(path)
    if where is not None and not isinstance(where, dict):
        return
    names = [name for name, value in (where or {}).items() if not isinstance(value, dict | list)]

    def show_one(name: str) -> None:
        with ui.element("div").classes("cf-where-row"):
            form.text((*path, name), f"only if {name} is", codec=SCALAR)
            button = ui.button(icon="close", on_click=lambda: remove(name)).props("flat round dense")
            button.props["aria-label"] = f"Remove the filter on {name}"

    with ui.element("div").classes("cf-where"):
        form.each(len(names), lambda number: show_one(names[number]))
        with ui.element("div").classes("cf-where-row"):
            new = ui.input(placeholder="property, like sku").props("outlined dense hide-bottom-space")
            new.props["aria-label"] = "Property to filter by"
            new.on("keydown.enter", lambda: add())
            ui.button("Add a filter", icon="filter_alt", on_click=lambda: add()).props("flat dense no-caps")

    def add() -> None:
        name = (new.value or "").strip()
        if name and form.put((*path, name), ""):
            form.refresh()

    def remove(name: str) -> None:
        form.put((*path, name), None)
        form.refresh()
