"""The follow-up workflow: wait out the delay, listen for exceptions, send."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from connector import names
from connector.rules.model.reasons import OPEN_STATES, Reason
from connector.rules.model.values import canonical_json
from connector.rules.sending.deliveries import worst_reason
from connector.rules.sending.operating import in_words
from connector.wire import (
    FollowUpEnd,
    FollowUpMove,
    FollowUpResult,
    FollowUpStart,
    FollowUpStatus,
    OperationResult,
    OperatorRequest,
    Postponement,
    SendOutcome,
)
from workflows import activity_calls as calls
from workflows.operator_actions import NO_INPUT, OperatorActions, format_to_second, parse_until, refused

_log = workflow.LoggerAdapter(logging.getLogger("workflow"), None)
"""Logs nothing during a replay. The workflow is a fact of each line, beside the name of the event."""
_log.workflow_info_on_message = False
_STATE = SearchAttributeKey.for_keyword(names.STATE_ATTRIBUTE)
_REASON = SearchAttributeKey.for_keyword(names.REASON_ATTRIBUTE)
_MAX_REPORT_BYTES = 2_000_000
"""With more, the activity's input could exceed Temporal's 2 MiB, and no workflow task would ever complete."""
_STATES_BY_PRECEDENCE = ("sent", "control", "excepted", "failed", "dropped")


@workflow.defn(name=names.FOLLOW_UP)
class FollowUpWorkflow:
    """One user's run through one follow-on. The store decides; this workflow keeps the time."""

    @workflow.init
    def __init__(self, start: FollowUpStart) -> None:
        self._start, self._due_at = start, start.due_at
        self._ended: FollowUpEnd | None = None
        self._reported: deque[dict[str, Any]] = deque()
        self._waits: dict[str, datetime] = {}
        self._in_progress: set[str] = set()
        self._held: set[str] = set()
        self._sent: list[str] = []
        self._all_sent = False
        self._operator = OperatorActions(start, self._check_open, self._apply_operated)

    @workflow.run
    async def run(self, start: FollowUpStart) -> FollowUpResult:
        """Wait, listen and send; returns the end. A cancellation in Temporal is an operator's `cancel`."""
        follow_up = asyncio.create_task(self._wait_listen_send(start))
        try:
            return await asyncio.shield(follow_up)
        except asyncio.CancelledError:  # the UI's Cancel, or `temporal workflow cancel`
            with suppress(ApplicationError):
                await self._operator.operate("cancel", workflow.cancellation_reason())
            final = await follow_up
            if self._ended is not None and self._ended.reason == Reason.CANCELLED_BY_OPERATOR:
                raise
            return final

    async def _wait_listen_send(self, start: FollowUpStart) -> FollowUpResult:
        listening = asyncio.create_task(self._listen())
        await self._wait(self._due_at, "schedule delay")
        outcomes = await self._send_all(start.channels)
        self._all_sent = True
        await listening
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._end_with(outcomes)

    @workflow.signal(name=names.ENDED, description="The store ended this follow-up (sent by the outbox)")
    def end(self, ended: FollowUpEnd) -> None:
        """Stop waiting: the row has already ended."""
        self._ended = self._ended or ended

    @workflow.signal(name=names.MOVED, description="An operator moved its wait in the store (sent by the outbox)")
    def move(self, moved: FollowUpMove) -> None:
        """Wait until another instant; what is being sent now is evaluated by the row, which has that instant too."""
        self._due_at = moved.next_at
        self._waits = dict.fromkeys(self._waits, moved.next_at)
        if not self._all_sent:
            self._show()

    @workflow.signal(name=names.EXCEPTION, description="An interaction of this user; ingest decides what it changes")
    def report(self, *arguments: Any) -> None:
        """Ingest an interaction of this user, in the wire form without `user`; anything else is dropped.

        Anybody can send a signal with any payload, so no payload may stop the workflow's tasks.
        """
        match arguments:
            case [dict(item)] if len(canonical_json(item).encode()) <= _MAX_REPORT_BYTES:
                self._reported.append(item)
            case _:
                _log.warning("reported_exception_is_dropped")

    @workflow.update(name=names.SEND_NOW, description="Send it now; the rules of the due time still apply")
    async def send_now(self, request: OperatorRequest = NO_INPUT) -> OperationResult:
        """End the wait now; quiet hours and other rules may hold the message again."""
        return await self._operator.operate("send_now", request.note)

    @workflow.update(name=names.POSTPONE, description='Wait until another time: {"until": "2026-03-02T09:00:00Z"}')
    async def postpone(self, request: Postponement = NO_INPUT) -> OperationResult:
        """Move the end of the wait, holds included; exceptions count until then."""
        return await self._operator.operate("postpone", request.note, parse_until(request, workflow.now()))

    @workflow.update(name=names.CANCEL, description="End it without sending, as cancelled_by_operator")
    async def cancel(self, request: OperatorRequest = NO_INPUT) -> OperationResult:
        """End the follow-up, provided that no message of it has been claimed."""
        return await self._operator.operate("cancel", request.note)

    @send_now.validator
    def _check_send_now(self, request: OperatorRequest = NO_INPUT) -> None:
        self._check_waits()

    @postpone.validator
    def _check_postpone(self, request: Postponement = NO_INPUT) -> None:
        self._check_waits()
        parse_until(request, workflow.now())

    @cancel.validator
    def _check_cancel(self, request: OperatorRequest = NO_INPUT) -> None:
        self._check_open()

    @workflow.query(name=names.STATUS, description="What it waits for, and what ended it")
    def status(self) -> FollowUpStatus:
        """Return what the follow-up waits for, what it sends on, and what ended it."""
        return FollowUpStatus(waits=self._waits, sending=tuple(self._sending()), ended=self._ended)

    async def _wait(self, until: datetime, why: str) -> None:
        """Wait until an instant, or until the follow-up has ended; when timer and signal meet, both are checked.

        Operators may move the instant. While an operator action is in progress, the wait continues.
        """
        self._waits[why] = until
        self._show()
        while self._ended is None:
            until = self._waits[why]
            left = until - workflow.now()
            if left > timedelta(0):
                with suppress(asyncio.TimeoutError):
                    await workflow.wait_condition(self._is_moved(why, until), timeout=left, timeout_summary=why)
            elif self._operator.is_busy:
                await workflow.wait_condition(lambda: not self._operator.is_busy or self._ended is not None)
            else:
                break
        del self._waits[why]

    async def _listen(self) -> None:
        """Have reported exceptions ingested, one after the other, until every message has been decided."""
        while True:
            await workflow.wait_condition(lambda: bool(self._reported) or self._all_sent)
            if not self._reported:
                return
            try:
                await calls.report_exception(self._start, self._reported[0])
            except ActivityError:
                _log.warning("reported_exception_is_not_ingested")
            self._reported.popleft()

    async def _send_all(self, channels: Iterable[str]) -> list[SendOutcome]:
        """Send on these channels at the same time, except those already in progress."""
        begun = [channel for channel in channels if channel not in self._in_progress]
        self._in_progress.update(begun)
        outcomes = await asyncio.gather(*(self._send(channel) for channel in begun))
        return [outcome for several in outcomes for outcome in several]

    async def _send(self, channel: str) -> list[SendOutcome]:
        """Send on one channel, again after every hold; newer content may move the message to other channels."""
        while await self._may_send():
            self._show()
            outcome = await calls.send(self._start, channel)
            if outcome.outcome == "held" and outcome.until is not None:
                await self._hold(channel, outcome.until)
                continue
            self._in_progress.discard(channel)
            self._sent += [channel] if outcome.outcome == "sent" else []
            return await self._send_all(outcome.channels) if outcome.outcome == "moved" else [outcome]
        self._in_progress.discard(channel)
        return []

    async def _hold(self, channel: str, until: datetime) -> None:
        self._held.add(channel)
        await self._wait(until, f"{channel} is held")
        self._held.discard(channel)

    async def _may_send(self) -> bool:
        """Wait for reported exceptions and operator actions; returns whether the follow-up is still open."""
        await workflow.wait_condition(lambda: not (self._reported or self._operator.is_busy) or self._ended is not None)
        return self._ended is None

    def _apply_operated(self, operated: OperationResult) -> None:
        """Follow the row: end, or wait for its new instant on all channels that wait."""
        if operated.state is not None and operated.state not in OPEN_STATES:
            self._ended = self._ended or FollowUpEnd(state=operated.state, reason=operated.reason)
        elif operated.done and operated.next_at is not None:
            self._waits = dict.fromkeys(self._waits, operated.next_at)
        self._show()

    def _check_open(self) -> None:
        if self._ended is not None:
            raise refused(f"it has ended: {in_words(self._ended.state, self._ended.reason)}")
        if self._all_sent:
            raise refused("it has ended: each of its messages has been decided")

    def _check_waits(self) -> None:
        self._check_open()
        if sending := self._sending():
            raise refused(f"it no longer waits, it is being sent ({', '.join(sending)}); `cancel` may still end it")

    def _is_moved(self, why: str, until: datetime) -> Any:
        return lambda: self._ended is not None or self._waits[why] != until

    def _sending(self) -> list[str]:
        return sorted(self._in_progress - self._held)

    def _show(self) -> None:
        """Show in the UI what the follow-up does now."""
        lines = [f"Waits until {format_to_second(until)}: {why}." for why, until in self._waits.items()]
        lines += [f"Is being sent: {', '.join(sending)}."] if (sending := self._sending()) else []
        workflow.set_current_details("\n\n".join(filter(None, (*lines, self._operator.last))))

    def _end_with(self, outcomes: list[SendOutcome]) -> FollowUpResult:
        """Show and return the end: sent if at least one channel's message was, and then without a reason."""
        decided = [FollowUpEnd(state=one.state, reason=one.reason) for one in outcomes if one.state]
        ends = [self._ended] if self._ended else decided
        state = next((state for state in _STATES_BY_PRECEDENCE if any(end.state == state for end in ends)), "dropped")
        reason = worst_reason(end.reason for end in ends if end.state == state)
        reasons = [] if reason is None else [_REASON.value_set(reason)]
        workflow.upsert_search_attributes([_STATE.value_set(state), *reasons])
        ended = in_words(state, reason)
        workflow.set_current_details("\n\n".join(filter(None, (f"Ended: {ended}.", self._operator.last))))
        return FollowUpResult(state=state, reason=reason, channels=tuple(sorted(self._sent)))
