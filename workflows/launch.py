"""The launch workflow: wait for a scheduled original's time, select its audience, send, page by page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

from temporalio import workflow

from connector import names
from connector.wire import LaunchPage, LaunchProgress, LaunchStart, LaunchStep
from workflows import activity_calls as calls
from workflows.operator_actions import format_to_second

_ORDER = ("waiting", "held", "sending", "sent", "control", "dropped", "failed")


@workflow.defn(name=names.LAUNCH)
class LaunchWorkflow:
    """Keeps the time of one launch. Its progress is in the store, so losing a run of the workflow loses nothing."""

    @workflow.init
    def __init__(self, start: LaunchStart) -> None:
        first = LaunchPage(workspace=start.workspace, launch_id=start.launch_id, campaign=start.campaign)
        self._start = start
        self._page = start.page or first
        self._step: LaunchStep | None = None
        self._is_signalled = False

    @workflow.run
    async def run(self, start: LaunchStart) -> dict[str, int]:
        """Work in time slices until every user was sent to or dropped; returns the number of users by state."""
        while True:
            self._is_signalled = False
            step = await calls.launch_page(self._page)
            self._page, self._step = step.next_page, step
            self._show(step)
            if step.phase == "ended":
                return step.progress.users
            await self._wait(step)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(start.model_copy(update={"page": self._page}))

    @workflow.signal(name=names.LOOK, description="An order concerned this campaign (sent by the outbox)")
    def wake(self) -> None:
        """Stop waiting: the store has the order's changes."""
        self._is_signalled = True

    @workflow.query(name=names.PROGRESS, description="How many users are in which state")
    def progress(self) -> LaunchProgress:
        """Return the launch's progress after the last time slice."""
        return self._step.progress if self._step else LaunchProgress()

    async def _wait(self, step: LaunchStep) -> None:
        """Wait until the instant that the time slice named, or until an order concerns the campaign."""
        if step.until is None and step.phase != "paused":
            return
        left = None if step.until is None else step.until - workflow.now()
        if left is not None and left.total_seconds() <= 0:
            return
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._is_signalled, timeout=left, timeout_summary=_why(step))

    def _show(self, step: LaunchStep) -> None:
        """Show in the UI what the launch does now."""
        counts = step.progress.users
        by_state = [f"{counts[state]:,} {state}" for state in _ORDER if state in counts]
        so_far = "" if step.progress.whole_audience or step.phase == "ended" else " so far"
        users = f"{sum(counts.values()):,} users{so_far}" + (f": {', '.join(by_state)}" if by_state else "")
        workflow.set_current_details(f"{_in_words(step.phase, step.until)}\n\n{users}.")


def _why(step: LaunchStep) -> str:
    return "not before" if step.phase == "waits" else "per minute, or a provider's pause"


def _in_words(phase: str, until: datetime | None) -> str:
    if phase == "paused":
        return "Paused: the campaign is stopped; continue the launch with `connector resume`."
    if phase == "ended":
        return "Done."
    doing = {"waits": "Waits", "enrolling": "Selects its audience", "sending": "Sends"}[phase]
    return f"{doing}, continues at {format_to_second(until)}." if until else f"{doing}."
