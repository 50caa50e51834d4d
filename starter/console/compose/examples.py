"""The example user of step 3: the trigger at a time that is chosen, and its outcome, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from pydantic import ValidationError

from connector.rules.model.campaigns import ActionBased, Workspace
from connector.rules.model.values import parse_clock
from connector.rules.publishing.example_times import example_times
from connector.rules.timing.delays import local_instant
from starter.console.compose.condition_data import describe
from starter.console.compose.timeline import describe_example, draw_example
from starter.console.elements.native_select import native_select, on_option
from starter.console.elements.text import heading, text

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WITHOUT_QUIET_HOURS = frozenset({"in_app_message", "content_card", "news_feed_card"})


class Example:
    """The drawing of one page, with the weekday and the time at which its user triggers."""

    def __init__(self) -> None:
        self._day, self._at = "tuesday", time(10)
        self._last: tuple[Mapping[str, Any], Workspace, datetime] | None = None
        self._box: ui.element | None = None

    def build(self) -> None:
        """Add the drawing here."""
        with ui.element("section").classes("cf-card"):
            heading("An example", 3)
            with ui.element("div").classes("cf-example-choice"):
                text("Somebody does it on")
                day = native_select({"": {day: day.capitalize() for day in _DAYS}}, self._day)
                day.props["aria-label"] = "Weekday of the example"
                text("at")
                at = ui.input(value=f"{self._at:%H:%M}").props("outlined dense type=time debounce=250")
                at.props["aria-label"] = "Time of the example"
            self._box = ui.element("div").classes("cf-drawing")
        on_option(day, self._choose_day)
        at.on_value_change(lambda: self._choose_time(at.value or ""))
        if self._last is not None:
            self.show(*self._last)

    def show(self, definition: Mapping[str, Any], settings: Workspace, now: datetime) -> None:
        """Draw the example of a definition, whose other parts may have faults; `now` is UTC."""
        self._last = (definition, settings, now)
        if self._box is None or self._box.is_deleted:
            return
        self._box.clear()
        with self._box:
            try:
                delivery = ActionBased.model_validate(definition.get("delivery"))
            except ValidationError:
                text("The drawing appears when the trigger and the times have no faults.", "cc-muted")
                return
            messages = definition.get("messages")
            channels = set(messages) if isinstance(messages, dict) else set()
            times = example_times(
                delivery, settings, self._triggered_at(settings.zone, now), user_zone=settings.zone,
                has_quiet_hours=not channels or bool(channels - _WITHOUT_QUIET_HOURS),
            )  # fmt: skip
            trigger = describe(definition["delivery"]["trigger"][0])
            drawn = draw_example(times, settings.zone, trigger, has_exceptions=bool(delivery.exceptions))
            ui.html(drawn, sanitize=False)  # every text in it is escaped
            text(describe_example(times, settings.zone, trigger), "cc-small", tag="p")

    def _triggered_at(self, zone: str, now: datetime) -> datetime:
        today = now.astimezone(ZoneInfo(zone)).date()
        days = (_DAYS.index(self._day) - today.weekday()) % 7
        return local_instant(today + timedelta(days=days), self._at, ZoneInfo(zone)).astimezone(UTC)

    def _choose_day(self, day: str) -> None:
        self._day = day if day in _DAYS else self._day
        self._again()

    def _choose_time(self, at: str) -> None:
        try:
            self._at = parse_clock(at)
        except ValueError:
            return
        self._again()

    def _again(self) -> None:
        if self._last is not None:
            self.show(*self._last)
