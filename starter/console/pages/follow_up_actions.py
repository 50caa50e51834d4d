"""Actions on many follow-ups of a list: what each would do in numbers, a confirmation, progress and the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.api.requests.errors import HANDLED_ERRORS
from starter.console.bulk_progress import BulkNumbers, run_bulk
from starter.console.elements.dialogs import buttons, dialog, duration_in, reason_field, reason_in
from starter.console.elements.errors import notify_error
from starter.console.elements.moments import MomentField
from starter.console.elements.native_select import native_select, on_option
from starter.console.elements.sentences import sentence
from starter.console.elements.text import link, text
from starter.console.paths import follow_up_path
from starter.console.state import Viewer
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria

_VERBS: Mapping[str, tuple[str, str, str, str, str]] = {
    "send_now": ("Send now", "flash_on", "sent now, if the rules of their due time allow it", "due already", ""),
    "postpone": ("Postpone", "update", "postponed", "waiting at least that long already", ""),
    "cancel": ("Cancel", "event_busy", "cancelled", "cancelled before", "A cancelled follow-up cannot be restored."),
    "resend": (
        "Send again",
        "replay",
        "sent again",
        "being sent again already",
        "Only messages that failed are sent again, as new messages for their provider.",
    ),
    "resolve": (
        "Settle",
        "rule",
        "settled",
        "known to have this result already",
        "Ask the provider first. Only messages whose result is unknown are settled, all of them in the same way: sent "
        "ones count as received and may start follow-ups; those that were not sent can be sent again.",
    ),
}
"""By verb: the label, the icon, what happens to those that it changes, why others are unchanged, and a note."""
_WITH_OPTIONS = ("postpone", "resolve")
"""The verbs with options that the viewer sets before the numbers can be shown."""
_VERDICTS = {
    "": "Choose what the provider says",
    "sent": "They were sent",
    "not_sent": "They were not sent",
}


@dataclass
class Selection:
    """The follow-ups that the viewer has ticked on this page; none: the action concerns all that match."""

    ids: dict[str, None] = field(default_factory=dict)
    on_change: list[Callable[[], None]] = field(default_factory=list)
    _boxes: dict[str, ui.checkbox] = field(default_factory=dict)

    def box(self, one: Mapping[str, Any]) -> None:
        """Add the box of a row."""
        box = ui.checkbox(on_change=lambda event: self._tick(one["id"], ticked=event.value)).props("dense")
        box.props["aria-label"] = f"Select the follow-up {one['id']} of {one['user'] or one['user_key']}"
        self._boxes[one["id"]] = box

    def tick_all(self) -> None:
        """Tick every row of the page, or none if all are ticked."""
        ticked = len(self.ids) < len(self._boxes)
        for box in self._boxes.values():
            box.value = ticked

    def _tick(self, id: str, *, ticked: bool) -> None:
        if ticked:
            self.ids[id] = None
        else:
            self.ids.pop(id, None)
        for call in self.on_change:
            call()


def action_bar(viewer: Viewer, criteria: Criteria, selection: Selection) -> None:
    """Add the buttons of the actions. The caller shows them to viewers with `manage` only."""
    with ui.element("div").classes("cc-row").props('role="group" aria-label="Actions"'):
        what = text("All that match", classes="cc-strong")
        what.props["aria-live"] = "polite"

        def count() -> None:
            what.set_text(f"{len(selection.ids)} selected" if selection.ids else "All that match")

        selection.on_change.append(count)
        ui.button("Select this page", icon="checklist", on_click=selection.tick_all).props("flat dense")
        for verb, (label, icon, *_) in _VERBS.items():
            ui.button(f"{label}…", icon=icon, on_click=lambda verb=verb: _ask(viewer, criteria, selection, verb)).props(
                "outline dense"
            )


def _ask(viewer: Viewer, criteria: Criteria, selection: Selection, verb: str) -> None:
    ActionDialog(viewer, verb, criteria, tuple(selection.ids))


class ActionDialog:
    """The dialog of one action: its options, the numbers of a dry run, the run with its progress, and the result."""

    def __init__(self, viewer: Viewer, verb: str, criteria: Criteria, ids: tuple[str, ...]) -> None:
        self._viewer, self._verb, self._criteria, self._ids = viewer, verb, criteria, ids
        self._stopped = self._is_busy = self._has_changed = False
        self._label, _, self._done, self._unchanged, note = _VERBS[verb]
        whom = f"{len(ids)} selected" if len(ids) > 1 else "this follow-up" if ids else "all that match"
        with dialog(f"{self._label}: {whom}", is_persistent=True) as self._dialog:
            if note:
                text(note, "cc-muted", tag="p")
            if criteria.channel is not None and verb in ("resend", "resolve"):
                text(f"Only messages by {criteria.channel.replace('_', ' ')}, as the filter says.", "cc-muted", tag="p")
            self._verdict = ""
            if verb == "postpone":
                self._by = ui.input("By", on_change=self._reset).props("outlined dense")
                self._by.props["hint"] = "Such as 2 hours: counted from the original due time"
                self._until = MomentField("Or until")
                self._until.on_change(self._reset)
            if verb == "resolve":
                verdict = native_select({"": _VERDICTS}, "", "cc-input")
                verdict.props["aria-label"] = "What the provider says about the messages"
                on_option(verdict, self._choose)
            self._note = reason_field("How you know" if verb == "resolve" else "Reason")
            self._result = ui.element("div").classes("cc-column").props('aria-live="polite"')
            with buttons():
                self._close = ui.button("Close", on_click=self._leave).props("flat")
                self._check = ui.button("Show what it would do", on_click=lambda: self._run(dry_run=True))
                self._act = ui.button(self._label, on_click=lambda: self._run(dry_run=False), color="negative")
                self._act.set_visibility(False)
            if verb not in _WITH_OPTIONS:
                self._check.set_visibility(False)
                ui.timer(0.0, lambda: self._run(dry_run=True), once=True)

    async def _run(self, *, dry_run: bool) -> None:
        self._set_busy(True)
        self._stopped = False
        numbers = BulkNumbers()
        try:
            action = await self._action()
            async for numbers in run_bulk(self._viewer.context, self._who, action, dry_run=dry_run):
                self._show(numbers, dry_run=dry_run, is_over=False)
                if self._stopped:
                    break
            self._show(numbers, dry_run=dry_run, is_over=True)
        except HANDLED_ERRORS as error:
            notify_error(error)
        else:
            self._has_changed |= not dry_run
            verdict = f" as {self._verdict.replace('_', ' ')}" if self._verdict else ""
            self._act.set_text(f"{self._label}{verdict}: {numbers.done:,}")
            self._act.set_visibility(dry_run and numbers.done > 0)
            self._check.set_visibility(dry_run and self._verb in _WITH_OPTIONS)
        self._set_busy(False)

    def _choose(self, verdict: str) -> None:
        self._verdict = verdict
        self._reset()

    def _reset(self) -> None:
        """Hide the numbers and the button, which belong to the options before."""
        self._result.clear()
        self._act.set_visibility(False)
        self._check.set_visibility(True)

    async def _who(self) -> Any:
        return await self._viewer.actor(Scope.MANAGE)

    async def _action(self) -> BulkAction:
        to: datetime | timedelta | None = None
        if self._verb == "postpone":
            until = await self._until.instant()
            to = datetime.fromisoformat(until) if until else None
            to = to or duration_in("by", self._by.value)
        is_sent = {"sent": True, "not_sent": False}.get(self._verdict)
        criteria = Criteria(channel=self._criteria.channel) if self._ids else self._criteria
        return BulkAction(self._verb, criteria, to, reason_in(self._note), self._ids, is_sent)  # type: ignore[arg-type]

    def _show(self, numbers: BulkNumbers, *, dry_run: bool, is_over: bool) -> None:
        self._result.clear()
        with self._result:
            if not is_over:
                text(f"{numbers.total:,} evaluated so far…", tag="div", classes="cc-muted")
            text(f"{numbers.done:,} {'would be ' if dry_run else ''}{self._done}", tag="div", classes="cc-strong")
            if numbers.unchanged:
                text(f"{numbers.unchanged:,} unchanged: {self._unchanged}", tag="div")
            for why, count in numbers.by_number():
                with ui.element("div").classes("cc-refusal"):
                    sentence(f"{count:,} refused: {numbers.texts[why]}")
                    link("for example", follow_up_path(numbers.examples[why]), is_foreign=True)

    def _set_busy(self, is_busy: bool) -> None:
        self._close.set_text("Stop after this page" if is_busy else "Close")
        self._check.set_enabled(not is_busy)
        self._act.set_enabled(not is_busy)
        self._is_busy = is_busy

    def _leave(self) -> None:
        if self._is_busy:
            self._stopped = True
            return
        self._dialog.close()
        if self._has_changed:
            ui.navigate.reload()
