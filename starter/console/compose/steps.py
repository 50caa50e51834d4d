"""The four steps of the form, for each kind of definition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from starter.console.compose.audience import audience_step
from starter.console.compose.codecs import KEPT_TEXT
from starter.console.compose.composition import MAX_VALUES
from starter.console.compose.conditions import Targets
from starter.console.compose.form import Form
from starter.console.compose.messages import Preview, card_step, messages_step
from starter.console.compose.starts import DELIVERIES, STARTS
from starter.console.compose.timing import launch_step, timing_step, trigger_step
from starter.console.elements.text import text

_TITLES = ("Messages", "Trigger", "Delay and exceptions", "Audience and limits")


def kind_of(form: Form) -> str:
    """Return the kind of the definition: `card`, a type of delivery, or "" if the form cannot show it."""
    if form.composition.kind == "card":
        return "card"
    type = form.value(("delivery", "type"))
    is_known = form.composition.kind == "campaign" and isinstance(type, str) and type in DELIVERIES
    return str(type) if is_known else ""


def build_form(form: Form, targets: Targets, preview: Preview, draw: Callable[[], None]) -> None:
    """Build the whole form as its outermost section.

    Args:
        preview: adds the preview of a message; `draw` adds the example of the timing.
    """

    def build() -> None:
        kind = kind_of(form)
        form.place(("delivery",))
        if not kind:
            words = f"The form shows campaigns and cards of up to {MAX_VALUES:,} values."
            text(f"{words} The YAML is something else, or larger, at the moment; change it there.")
            return
        _head(form, kind)
        if kind == "card":
            with ui.element("section").classes("cc-card"):
                card_step(form, preview)
        else:
            _steps(form, targets, preview, draw, kind)

    form.section(lambda: (form.composition.number, kind_of(form)), build)


def _head(form: Form, kind: str) -> None:
    word = "card" if kind == "card" else "campaign"
    with ui.element("section").classes("cc-card"), ui.element("div").classes("cf-grid"):
        form.text((word,), "Id", codec=KEPT_TEXT, hint="Letters, digits, dots, dashes, underscores")
        if kind != "card":
            form.text(("name",), "Name", hint="For people")
            kinds = {name: STARTS[name][0] for name in DELIVERIES}
            form.select(
                ("delivery",), "Kind", {"": kinds}, wide=True,
                read=lambda value: str(value.get("type")) if isinstance(value, dict) else "",
                write=lambda option: dict(DELIVERIES[option]),
            )  # fmt: skip


def _steps(form: Form, targets: Targets, preview: Preview, draw: Callable[[], None], kind: str) -> None:
    names = [title for title in _TITLES if kind == "action_based" or title in ("Messages", _TITLES[3])]
    if kind == "scheduled":
        names.insert(1, "Send time")
    with ui.tabs().props("dense no-caps align=left outside-arrows mobile-arrows").classes("cf-tabs") as tabs:
        entries = [(ui.tab(name, label=f"{n} {name}"), f"{n} {name}", name) for n, name in enumerate(names, 1)]
    with ui.tab_panels(tabs, value=names[0], animated=False, keep_alive=True).classes("cf-panels"):
        for tab, title, name in entries:
            with ui.tab_panel(name).classes("cf-panel"):
                form.step(tab, title, partial(_step, form, targets, preview, draw, kind, name))


def _step(form: Form, targets: Targets, preview: Preview, draw: Callable[[], None], kind: str, name: str) -> None:
    if name == "Messages":
        messages_step(form, preview)
    elif name == "Trigger":
        trigger_step(form, targets)
    elif name == "Send time":
        launch_step(form)
    elif name == "Delay and exceptions":
        timing_step(form, targets, draw)
    else:
        audience_step(form, targets, is_follow_on=kind == "action_based", is_sent=kind != "external")
