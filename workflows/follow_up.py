"""One follow-up: wait out the delay, listen for what calls it off, send."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError

from connector import names
from connector.wire import Ended, FollowUpStart, FollowUpStatus, SendOutcome
from workflows import calls

_STATE = SearchAttributeKey.for_keyword(names.STATE_ATTRIBUTE)
_WEIGHT = ("sent", "control", "excepted", "failed", "dropped")


@workflow.defn(name=names.FOLLOW_UP)
class FollowUp:
    """One user's passage through one follow-on. The store decides; this workflow keeps the time."""

    @workflow.init
    def __init__(self, start: FollowUpStart) -> None:
        self._start = start
        self._ended: Ended | None = None
        self._reported: deque[dict[str, Any]] = deque()
        self._waits: dict[str, datetime] = {}
        self._in_hand: set[str] = set()
        self._all_sent = False

    @workflow.run
    async def run(self, start: FollowUpStart) -> str:
        """Wait, then send on every channel, listening all the while; returns the final state."""
        listening = asyncio.create_task(self._listen())
        await self._wait(start.due_at, "schedule delay")
        outcomes = await self._deliver(start.channels)
        self._all_sent = True
        await listening
        return self._conclude(outcomes)

    @workflow.signal(name=names.ENDED, description="The store ended this follow-up (sent by the outbox)")
    def end(self, ended: Ended) -> None:
        """Stop waiting; what the store decided stands already."""
        self._ended = self._ended or ended

    @workflow.signal(name=names.EXCEPTION, description="An interaction as reported; intake decides what comes of it")
    def report(self, item: dict[str, Any]) -> None:
        """Have an interaction of this user taken in, in the wire form without `user`."""
        self._reported.append(item)

    @workflow.query(name=names.STATUS, description="What it waits for, and what ended it")
    def status(self) -> FollowUpStatus:
        """What an operator asks first."""
        return FollowUpStatus(waits=self._waits, sending=tuple(sorted(self._in_hand)), ended=self._ended)

    async def _wait(self, until: datetime, why: str) -> None:
        """Wait until then, or until it has ended. When timer and signal meet, either may wake us: both are read."""
        self._waits[why] = until
        workflow.set_current_details(f"Waits until {until:%Y-%m-%d %H:%M:%S}Z: {why}.")
        while self._ended is None and (left := until - workflow.now()) > timedelta(0):
            with suppress(asyncio.TimeoutError):
                await workflow.wait_condition(lambda: self._ended is not None, timeout=left, timeout_summary=why)
        del self._waits[why]

    async def _listen(self) -> None:
        """Hand what is reported to intake, one after the other, for as long as there is something to call off."""
        while True:
            await workflow.wait_condition(lambda: bool(self._reported) or self._all_sent)
            if not self._reported:
                return
            try:
                taken = await calls.report_exception(self._start, self._reported[0])
                workflow.logger.info("reported exception is %s", taken)
            except ActivityError:
                workflow.logger.warning("a reported exception could not be taken in")
            self._reported.popleft()

    async def _deliver(self, channels: Iterable[str]) -> list[SendOutcome]:
        """Send on these channels at the same time, but on none that is in hand already."""
        begun = [channel for channel in channels if channel not in self._in_hand]
        self._in_hand.update(begun)
        outcomes = await asyncio.gather(*(self._send(channel) for channel in begun))
        return [outcome for several in outcomes for outcome in several]

    async def _send(self, channel: str) -> list[SendOutcome]:
        """One channel, judged by itself, and again as often as it is held; newer content may move it to others."""
        while await self._nothing_speaks_against_it():
            outcome = await calls.send(self._start, channel)
            if outcome.outcome == "held" and outcome.until is not None:
                await self._wait(outcome.until, f"{channel} is held")
                continue
            self._in_hand.discard(channel)
            return await self._deliver(outcome.channels) if outcome.outcome == "moved" else [outcome]
        self._in_hand.discard(channel)
        return []

    async def _nothing_speaks_against_it(self) -> bool:
        """Intake has seen all that was reported so far, and the store has ended nothing."""
        await workflow.wait_condition(lambda: not self._reported or self._ended is not None)
        return self._ended is None

    def _conclude(self, outcomes: list[SendOutcome]) -> str:
        """The state of all channels together: sent where at least one went out."""
        states = {self._ended.state} if self._ended else {outcome.state for outcome in outcomes}
        final = next((state for state in _WEIGHT if state in states), "dropped")
        workflow.upsert_search_attributes([_STATE.value_set(final)])
        workflow.set_current_details(f"Ended: {final}.")
        return final
