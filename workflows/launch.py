"""One launch of a scheduled original: wait for its time, gather its audience, send, page by page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

from temporalio import workflow

from connector import names
from connector.wire import LaunchPage, LaunchProgress, LaunchStart, LaunchStep
from workflows import activity_calls as calls
from workflows.operator_actions import short

_ORDER = ("waiting", "held", "sending", "sent", "control", "dropped", "failed")


@workflow.defn(name=names.LAUNCH)
class LaunchWorkflow:
    """Keeps the time of a launch. The store knows how far it has come; losing a run of this loses nothing of it."""

    @workflow.init
    def __init__(self, start: LaunchStart) -> None:
        first = LaunchPage(workspace=start.workspace, launch_id=start.launch_id, campaign=start.campaign)
        self._start = start
        self._page = start.page or first
        self._step: LaunchStep | None = None
        self._told = False

    @workflow.run
    async def run(self, start: LaunchStart) -> dict[str, int]:
        """Do one stretch after the other until nothing is left; returns how many users came to which state."""
        while True:
            self._told = False
            step = await calls.launch_page(self._page)
            self._page, self._step = step.next_page, step
            self._show(step)
            if step.phase == "ended":
                return step.progress.users
            await self._wait(step)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(start.model_copy(update={"page": self._page}))

    @workflow.signal(name=names.LOOK, description="An order concerned this campaign (sent by the outbox)")
    def look(self) -> None:
        """Wait no longer; what the order did stands in the store."""
        self._told = True

    @workflow.query(name=names.PROGRESS, description="How many users are in which state")
    def progress(self) -> LaunchProgress:
        """How far it had come after the last stretch."""
        return self._step.progress if self._step else LaunchProgress()

    async def _wait(self, step: LaunchStep) -> None:
        """Until the instant that the stretch named, or until an order concerned it."""
        if step.until is None and step.phase != "paused":
            return
        left = None if step.until is None else step.until - workflow.now()
        if left is not None and left.total_seconds() <= 0:
            return
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._told, timeout=left, timeout_summary=_why(step))

    def _show(self, step: LaunchStep) -> None:
        """What the UI says of it now."""
        counted = step.progress.users
        known = [f"{counted[state]:,} {state}" for state in _ORDER if state in counted]
        whole = "" if step.progress.whole_audience or step.phase == "ended" else " so far"
        people = f"{sum(counted.values()):,} users{whole}" + (f": {', '.join(known)}" if known else "")
        workflow.set_current_details(f"{_words(step.phase, step.until)}\n\n{people}.")


def _why(step: LaunchStep) -> str:
    return "not before" if step.phase == "waits" else "per minute, or a provider's pause"


def _words(phase: str, until: datetime | None) -> str:
    if phase == "paused":
        return "Paused: the campaign is stopped. `connector resume` lets it go on."
    if phase == "ended":
        return "Done."
    doing = {"waits": "Waits", "enrolling": "Gathers its audience", "sending": "Sends"}[phase]
    return f"{doing}, goes on at {short(until)}." if until else f"{doing}."
