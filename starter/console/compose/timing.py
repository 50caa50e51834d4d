"""Steps 2 and 3: what triggers a follow-on or when an original is sent, the delay, exceptions and hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from starter.console.compose.codecs import INTEGER
from starter.console.compose.conditions import Targets, condition_list
from starter.console.compose.form import Form
from starter.console.compose.time_fields import clock_field, duration_field, instant_field
from starter.console.elements.text import heading, text

_DELIVERY: Path = ("delivery",)
_WEEKDAYS = {
    "": {
        day: day.capitalize() for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    }
}
_DELAYS = {
    "": {
        "none": "at once",
        "after": "after a time",
        "next": "on the next weekday, at a time",
        "in_days": "in some days, at a time",
        "yaml": "as the YAML says",
    }
}
_NEW_DELAYS: dict[str, dict[str, Any]] = {
    "after": {"after": "1 day"},
    "next": {"next": "saturday", "at": "10:00"},
    "in_days": {"in_days": 1, "at": "09:00"},
}
_SENDS = {"": {"at_publish": "when it is published", "at": "at a time", "yaml": "as the YAML says"}}
_RETRIGGERS = {"": {"": "it is ignored: the first wait goes on", "restart": "the wait begins again"}}
_QUIET = {"": {"": "the workspace's", "none": "none", "own": "its own", "yaml": "as the YAML says"}}


def trigger_step(form: Form, targets: Targets) -> None:
    """Add the triggers of a follow-on."""
    text("The follow-up of a user begins when somebody does any of these.", "cc-muted")
    condition_list(form, targets, (*_DELIVERY, "trigger"), what="Trigger", add="Add a trigger")
    with ui.element("section").classes("cf-card"):
        heading("A second time", 3)
        with ui.element("div").classes("cf-grid"):
            form.select((*_DELIVERY, "retrigger"), "A trigger during the wait", _RETRIGGERS, wide=True)
            form.text(
                (*_DELIVERY, "key"), "One wait for each", hint="A property of the trigger, like properties.sku"
            )  # fmt: skip


def launch_step(form: Form) -> None:
    """Add the send time of a scheduled original."""
    path = (*_DELIVERY, "send")

    def build() -> None:
        with ui.element("div").classes("cf-grid"):
            form.select(path, "It is sent", _SENDS, read=_send_kind, write=_new_send)
            if _send_kind(form.value(path)) == "at":
                form.text((*path, "at"), "Day and time", hint="Like 2026-04-01 09:00")
                form.select((*path, "zone"), "in the time zone of", {"": {"": "each user", "company": "the company"}})
            form.text((*_DELIVERY, "per_minute"), "Users per minute", codec=INTEGER, hint="Empty: no limit")
            duration_field(
                form, (*_DELIVERY, "stale_after"), "Not later than", hint="After its time; empty: the workspace's"
            )

    text("Everybody in the audience at that moment gets it.", "cc-muted")
    form.section(lambda: _send_kind(form.value(path)), build)


def timing_step(form: Form, targets: Targets, draw: Callable[[], None]) -> None:
    """Add the delay, the exceptions and the hours of a follow-on, with the example that `draw` adds."""
    draw()
    _delay(form)
    with ui.element("section").classes("cf-card"):
        heading("Exceptions", 3)
        text("Any of these cancels the message while it waits. They need a delay.", "cc-muted")
        condition_list(
            form, targets, (*_DELIVERY, "exceptions"), what="Exception", add="Add an exception", has_same=True
        )
    _hours(form)
    with ui.element("section").classes("cf-card"):
        heading("Lifetime", 3)
        with ui.element("div").classes("cf-grid"):
            instant_field(form, (*_DELIVERY, "start"), "From")
            instant_field(form, (*_DELIVERY, "end"), "Until")
            duration_field(
                form, (*_DELIVERY, "stale_after"), "Not later than", hint="After it is due; empty: the workspace's"
            )
            duration_field(
                form, (*_DELIVERY, "spread"), "Spread over", hint="So that many do not go out at one instant"
            )


def _delay(form: Form) -> None:
    path = (*_DELIVERY, "delay")

    def build() -> None:
        kind = _delay_kind(form.value(path))
        form.place(path)
        with ui.element("div").classes("cf-grid"):
            form.select(
                path, "The message is sent", _DELAYS, read=_delay_kind, write=_NEW_DELAYS.get,
                causes=[(*_DELIVERY, "exceptions")] if kind == "none" else [],
            )  # fmt: skip
            if kind == "after":
                duration_field(form, (*path, "after"), "Time after the trigger", hint="Exact: 1 day is 24 hours")
            if kind == "next":
                form.select((*path, "next"), "Weekday", _WEEKDAYS, hint="Never the day of the trigger itself")
            if kind == "in_days":
                form.text((*path, "in_days"), "Days after the trigger's day", codec=INTEGER)
            if kind in ("next", "in_days"):
                clock_field(form, (*path, "at"), "At")
                form.select((*path, "zone"), "in the time zone of", {"": {"": "the user", "company": "the company"}})

    with ui.element("section").classes("cf-card"):
        heading("Delay", 3)
        form.section(lambda: _delay_kind(form.value(path)), build)


def _hours(form: Form) -> None:
    hours, quiet = (*_DELIVERY, "time_of_day"), (*_DELIVERY, "quiet_hours")

    def has_hours(value: Any) -> str:
        return "own" if isinstance(value, dict) else "yaml" if value is not None else ""

    def build() -> None:
        form.place(hours)
        form.place(quiet)
        with ui.element("div").classes("cf-grid"):
            form.select(
                hours, "It may be sent", {"": {"": "at any time of the day", "own": "in some hours of the day"}},
                read=has_hours, write=lambda o: {"from": "09:00", "to": "17:00", "outside": "next"} if o else None,
            )  # fmt: skip
            if has_hours(form.value(hours)) == "own":
                _hour_fields(form, hours)
                form.select(
                    (*hours, "outside"), "Outside these hours", {"": {"": "it is dropped", "next": "it waits for them"}}
                )
        with ui.element("div").classes("cf-grid"):
            form.select(
                quiet, "Quiet hours", _QUIET, read=lambda v: "none" if v == "none" else has_hours(v),
                write=lambda o: {"from": "22:00", "to": "06:00"} if o == "own" else o or None,
            )  # fmt: skip
            if has_hours(form.value(quiet)) == "own":
                _hour_fields(form, quiet)
                form.select((*quiet, "then"), "In them", {"": {"": "it is held", "drop": "it is dropped"}})

    with ui.element("section").classes("cf-card"):
        heading("Hours", 3)
        form.section(lambda: (has_hours(form.value(hours)), has_hours(form.value(quiet))), build)


def _hour_fields(form: Form, path: Path) -> None:
    clock_field(form, (*path, "from"), "From")
    clock_field(form, (*path, "to"), "To")
    form.select((*path, "zone"), "in the time zone of", {"": {"": "the user", "company": "the company"}})


def _delay_kind(value: Any) -> str:
    if value is None:
        return "none"
    return next((kind for kind in _NEW_DELAYS if isinstance(value, dict) and kind in value), "yaml")


def _send_kind(value: Any) -> str:
    if value in (None, "at_publish"):
        return "at_publish"
    return "at" if isinstance(value, dict) else "yaml"


def _new_send(option: str) -> Any:
    return {"at": "2026-04-01 09:00"} if option == "at" else "at_publish"
