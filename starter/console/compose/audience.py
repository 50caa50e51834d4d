"""Step 4: the audience, the control group, conversions and limits."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from connector.rules.model.predicates import OPERATORS
from starter.console.compose.audience_data import (
    KINDS,
    join,
    kind_of,
    leaf_of,
    leaf_path,
    new_leaf,
    operator_of,
    part_path,
    parts_of,
    with_operator,
    with_parts,
)
from starter.console.compose.codecs import INTEGER, KEPT_TEXT, LIST, SCALAR
from starter.console.compose.conditions import Targets, condition_fields
from starter.console.compose.form import Form
from starter.console.compose.time_fields import duration_field
from starter.console.elements.text import heading, text

_AUDIENCE: Path = ("audience",)
_DELIVERY: Path = ("delivery",)
_JOINS = {"": {"everyone": "everybody", "all": "who meets all of these", "any": "who meets any of these"}}
_WORDS = {
    "is": "is", "is_not": "is not", "in": "is one of", "not_in": "is none of", "more_than": "is more than",
    "at_least": "is at least", "less_than": "is less than", "at_most": "is at most", "contains": "contains",
    "exists": "is known",
}  # fmt: skip
_ELIGIBLE = {"": {"": "never", "always": "always", "after": "after some time", "yaml": "as the YAML says"}}


def audience_step(form: Form, targets: Targets, *, is_follow_on: bool, is_sent: bool) -> None:
    """Add who gets the campaign, and how often.

    Args:
        is_sent: whether this system sends it, so that it has an audience and a control group.
    """
    if is_sent:
        with ui.element("section").classes("cf-card"):
            heading("Audience", 3)
            _audience(form, targets)
        with ui.element("section").classes("cf-card"):
            heading("Control group and limits", 3)
            with ui.element("div").classes("cf-grid"):
                form.text(
                    ("control_group",), "Control group, per cent", codec=INTEGER,
                    hint="These users get no message, for comparison",
                )  # fmt: skip
                if is_follow_on:
                    _eligible_again(form)
            if is_follow_on:
                form.switch((*_DELIVERY, "ignore_frequency_caps"), "Ignore the workspace's frequency caps")
                form.switch((*_DELIVERY, "recheck_audience"), "Check the audience again when the message is due")
    with ui.element("section").classes("cf-card"):
        heading("Conversions", 3)
        text("Up to four events that count as a success. The first is the primary one, A.", "cc-muted")
        _conversions(form, targets)


def _eligible_again(form: Form) -> None:
    path = (*_DELIVERY, "eligible_again")

    def read(value: Any) -> str:
        if isinstance(value, dict):
            return "after"
        return value if value in ("always", "yaml") else "" if value in (None, "never") else "yaml"

    def build() -> None:
        form.select(
            path, "Who received it gets it again", _ELIGIBLE, read=read,
            write=lambda option: {"after": "30 days"} if option == "after" else option or None,
        )  # fmt: skip
        if read(form.value(path)) == "after":
            duration_field(form, (*path, "after"), "At the earliest")

    form.section(lambda: read(form.value(path)), build, "cf-subgrid")


def _audience(form: Form, targets: Targets) -> None:
    def shape() -> Hashable:
        audience = form.value(_AUDIENCE)
        return join(audience), tuple(kind_of(part) for part in parts_of(audience))

    def build() -> None:
        audience = form.value(_AUDIENCE)
        form.place(_AUDIENCE)
        form.select(
            _AUDIENCE, "It is for", _JOINS, read=join,
            write=lambda option: with_parts(option, parts_of(form.value(_AUDIENCE)) or [new_leaf("attribute")]),
        )  # fmt: skip
        form.each(len(parts_of(audience)), partial(_part, form, targets))
        if join(audience) != "everyone":
            with ui.element("div").classes("cc-row"):
                for kind, words in KINDS.items():
                    ui.button(words, icon="add", on_click=lambda kind=kind: add(kind)).props("outline dense no-caps")

    def add(kind: str) -> None:
        audience = form.value(_AUDIENCE)
        parts = parts_of(audience)
        path = part_path(audience, len(parts))
        new = new_leaf(kind)
        form.put(*((path, new) if path != _AUDIENCE else (path, {join(audience): [*parts, new]})))
        form.refresh()

    form.section(shape, build)


def _part(form: Form, targets: Targets, number: int) -> None:
    """Add one condition of the audience."""
    audience = form.value(_AUDIENCE)
    part = parts_of(audience)[number]
    kind, is_negated = kind_of(part)
    path = leaf_path(audience, number)

    def remove() -> None:
        form.put(part_path(form.value(_AUDIENCE), number), None)
        form.refresh()

    def negate() -> None:
        now = form.value(_AUDIENCE)
        old = parts_of(now)[number]
        form.put(part_path(now, number), leaf_of(old) if is_negated else {"not": old})
        form.refresh()

    with ui.element("fieldset").classes("cf-card"):
        text(f"Condition {number + 1}", "cf-legend", tag="legend")
        button = ui.button(icon="delete", on_click=remove).props("flat round dense").classes("cf-remove")
        button.props["aria-label"] = f"Remove condition {number + 1}"
        form.place(path)
        if kind == "yaml":
            text("A combination of conditions, shown only in the YAML, and kept.", "cf-yaml-only")
            return
        ui.checkbox("Not:", value=is_negated, on_change=negate).props("dense")
        if kind == "attribute":
            _attribute(form, path)
        else:
            word = "did" if kind == "did" else "interacted"
            only = "event" if kind == "did" else "interaction"
            condition_fields(form, targets, (*path, word), only=only)
            duration_field(form, (*path, word, "within"), "Within the last", hint="Empty: at any time")


def _attribute(form: Form, path: Path) -> None:
    def build() -> None:
        operator = operator_of(form.value(path))
        with ui.element("div").classes("cf-grid"):
            form.text((*path, "attribute"), "Attribute", codec=KEPT_TEXT, hint="Like tier, email or time_zone")
            form.select(
                path, "Comparison", {"": {name: _WORDS[name] for name in OPERATORS}}, read=operator_of,
                write=lambda option: with_operator(form.value(path), option),
            )  # fmt: skip
            if operator == "exists":
                form.select(
                    (*path, "exists"), "Value", {"": {"yes": "yes", "no": "no"}},
                    read=lambda value: "no" if value is False else "yes", write=lambda option: option == "yes",
                )  # fmt: skip
            elif operator in ("in", "not_in"):
                form.text((*path, operator), "Values", codec=LIST, hint="With commas between them")
            elif operator:
                form.text((*path, operator), "Value", codec=SCALAR)

    form.section(lambda: operator_of(form.value(path)), build)


def _conversions(form: Form, targets: Targets) -> None:
    path: Path = ("conversions",)

    def conversions() -> list[Any]:
        value = form.value(path)
        return value if isinstance(value, list) else []

    def build() -> None:
        form.place(path)
        form.each(len(conversions()), partial(_conversion, form, targets))
        if len(conversions()) < 4:
            ui.button("Add a conversion", icon="add", on_click=add).props("outline no-caps").classes("cf-add")

    def add() -> None:
        form.put((*path, len(conversions())), {"event": "make_purchase", "within": "3 days"})
        form.refresh()

    form.section(lambda: len(conversions()), build)


def _conversion(form: Form, targets: Targets, number: int) -> None:
    path: Path = ("conversions", number)

    def remove() -> None:
        form.put(path, None)
        form.refresh()

    with ui.element("fieldset").classes("cf-card"):
        text(f"Conversion {'ABCD'[number : number + 1]}", "cf-legend", tag="legend")
        button = ui.button(icon="delete", on_click=remove).props("flat round dense").classes("cf-remove")
        button.props["aria-label"] = f"Remove conversion {number + 1}"
        condition_fields(form, targets, path, only="event")
        duration_field(form, (*path, "within"), "Within", hint="Of the receipt; 3 days if empty")
