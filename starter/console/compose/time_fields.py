"""The fields of a form for durations, times of the day and instants."""

from __future__ import annotations

from nicegui import ui

from connector.definitions.yaml_editing import Path
from starter.console.compose.codecs import UNITS, read_duration, write_duration
from starter.console.compose.form import Form, labelled_field
from starter.console.elements.native_select import native_select, on_option, set_option


def duration_field(form: Form, path: Path, label: str, *, hint: str = "") -> None:
    """Add a field for a duration: a number and a unit."""
    with labelled_field(label, hint) as caption:
        with ui.element("div").classes("cf-duration"):
            number = ui.input().props("outlined dense debounce=250 inputmode=numeric")
            unit = native_select({"": {one: one for one in UNITS}}, "days")
            unit.props["aria-label"] = f"Unit of: {label}"
        fault = form.place(path)
    caption.props["for"] = number.html_id
    number.props["aria-describedby"] = fault.html_id

    def refresh() -> None:
        shown = read_duration(form.value(path))
        number.set_enabled(shown is not None)
        text, named = shown or ("", "")
        if named:
            set_option(unit, named)
        if number.value != text:
            number.set_value(text)

    def edit(option: str | None = None) -> None:
        shown = read_duration(form.value(path))
        if shown is None or (option is None and (number.value or "") == shown[0]):
            return  # it is only shown now, perhaps without a unit
        new = write_duration(number.value or "", option or unit.props["value"])
        if shown != read_duration(new):
            form.put(path, new)

    refresh()
    number.on_value_change(lambda: edit())
    on_option(unit, edit)
    form.on_refresh(refresh)


def clock_field(form: Form, path: Path, label: str) -> None:
    """Add a field for a time of the day, which is always written in quotes."""
    form.text(path, label, props="type=time")


def instant_field(form: Form, path: Path, label: str) -> None:
    """Add a field for an instant with its zone."""
    form.text(path, label, hint="With its zone, like 2026-04-01T09:00:00+02:00")
