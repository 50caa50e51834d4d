"""One follow-up: wait out the delay, listen for what calls it off, send."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

from connector import names
from connector.wire import Ended, FollowUpStart, ReportedException, SendOutcome, SendRequest
from workflows import steps

_STATE = SearchAttributeKey.for_keyword(names.STATE_ATTRIBUTE)
_SEND_TIMEOUT = timedelta(seconds=30)
"""Longer than any provider's own timeout, so that a slow provider's answer is still heard (guarantee 4)."""
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5))
"""Without an end: each attempt judges anew, and drops what has become stale (D4)."""


@workflow.defn(name=names.FOLLOW_UP)
class FollowUp:
    """One user's passage through one follow-on. The store decides; this workflow keeps the time."""

    @workflow.init
    def __init__(self, start: FollowUpStart) -> None:
        self._start = start
        self._until = start.due_at
        self._ended: Ended | None = None
        self._reported: list[dict[str, Any]] = []

    @workflow.run
    async def run(self, start: FollowUpStart) -> str:
        """Wait, then send on every channel; returns the final state."""
        await self._wait(start.due_at, "schedule delay")
        channels = list(start.channels)
        results = await asyncio.gather(*(self._deliver(channel) for channel in channels))
        state = self._ended.state if self._ended else _weigh(results)
        workflow.upsert_search_attributes([_STATE.value_set(state)])
        return state

    @workflow.signal(name=names.ENDED, description="The store ended this follow-up (sent by the outbox)")
    def end(self, ended: Ended) -> None:
        """Stop waiting; what the store decided stands already."""
        self._ended = self._ended or ended

    @workflow.signal(name=names.EXCEPTION, description="An interaction as reported; intake decides what comes of it")
    def report(self, item: dict[str, Any]) -> None:
        """Hand an interaction to intake, which decides whether it calls this off."""
        self._reported.append(item)

    @workflow.query(name=names.STATUS, description="Until when it waits, and how it ended")
    def status(self) -> dict[str, Any]:
        """What an operator asks first."""
        return {"waits_until": self._until.isoformat(), "ended": self._ended and self._ended.model_dump()}

    async def _deliver(self, channel: str) -> SendOutcome:
        """One channel, judged by itself as often as it is held."""
        while self._ended is None:
            outcome = await self._send(channel)
            if outcome.outcome == "held" and outcome.until is not None:
                await self._wait(outcome.until, f"{channel} is held")
            elif outcome.outcome == "moved":
                moved = await asyncio.gather(*(self._deliver(other) for other in outcome.channels))
                return SendOutcome(outcome="moved", state=_weigh(moved))
            else:
                return outcome
        return SendOutcome(outcome="ended", state=self._ended.state, reason=self._ended.reason)

    async def _send(self, channel: str) -> SendOutcome:
        request = SendRequest(
            workspace=self._start.workspace,
            follow_up_id=self._start.follow_up_id,
            campaign=self._start.campaign,
            channel=channel,
        )
        return await workflow.execute_activity(
            steps.send,
            request,
            task_queue=names.channel_queue(self._start.workspace, channel),
            start_to_close_timeout=_SEND_TIMEOUT,
            retry_policy=_RETRY,
            summary=channel,
        )

    async def _wait(self, until: datetime, why: str) -> None:
        """Wait until then, or until it has ended; what is reported meanwhile goes to intake at once."""
        self._until = until
        while self._ended is None and (left := until - workflow.now()) > timedelta(0):
            with suppress(asyncio.TimeoutError):
                await workflow.wait_condition(
                    lambda: self._ended is not None or bool(self._reported), timeout=left, timeout_summary=why
                )
            while self._reported:
                await self._hand_to_intake(self._reported.pop(0))

    async def _hand_to_intake(self, item: dict[str, Any]) -> None:
        await workflow.execute_activity(
            steps.report_exception,
            ReportedException(workspace=self._start.workspace, user_key=self._start.user_key, item=item),
            start_to_close_timeout=_SEND_TIMEOUT,
            retry_policy=_RETRY,
            summary="report exception",
        )


_WEIGHT = ("sent", "control", "excepted", "failed", "dropped")


def _weigh(results: list[SendOutcome]) -> str:
    """The state of several channels together: sent where at least one went out."""
    states = {result.state for result in results if result.state is not None}
    return next((state for state in _WEIGHT if state in states), "dropped")
