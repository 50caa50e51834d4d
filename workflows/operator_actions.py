"""Operator actions on one follow-up: one at a time, through the store, with their inputs and messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from connector import names
from connector.rules.model.values import Instant
from connector.wire import FollowUpStart, OperationResult, OperatorVerb, Postponement
from workflows import activity_calls as calls

NO_INPUT = Postponement()
"""The input of an update that was sent without one."""

_MAX_POSTPONEMENT = timedelta(days=732)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class OperatorActions:
    """Operator actions on one follow-up. While `is_busy`, nothing may be sent.

    Args:
        check: raises ApplicationError if the follow-up accepts no action any more.
        apply: called with the store's answer before the action ends.
    """

    def __init__(
        self, start: FollowUpStart, check: Callable[[], None], apply: Callable[[OperationResult], None]
    ) -> None:
        self._start, self._check, self._apply = start, check, apply
        self._turn = asyncio.Lock()
        self._in_progress = 0
        self.last = ""
        """A description of the last action's effect, for the UI."""

    @property
    def is_busy(self) -> bool:
        """Whether an action is in progress, so that the follow-up's end or next instant is uncertain."""
        return self._in_progress > 0

    async def operate(
        self, verb: OperatorVerb, note: str | None = None, until: datetime | None = None
    ) -> OperationResult:
        """Have the store change the row, after the actions that were requested before.

        Args:
            note: shown in the UI.
            until: for `postpone`, UTC.

        Raises:
            ApplicationError: of type OperationRefused; nothing was changed.
        """
        self._in_progress += 1
        try:
            async with self._turn:
                self._check()  # another action may have been quicker
                operated = await calls.operate(self._start, verb, until)
                if operated.done:
                    self.last = _in_words(verb, operated, note)
                self._apply(operated)
        finally:
            self._in_progress -= 1
        if not operated.done:
            raise refused(operated.says)
        return operated


def refused(why: str) -> ApplicationError:
    """Return the error that fails an update and nothing else."""
    return ApplicationError(why, type=names.REFUSED, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def parse_until(postponement: Postponement, now: datetime) -> datetime:
    """Return until when to wait, UTC; raises ApplicationError unless it is an instant after `now` within two years."""
    if not postponement.until:
        raise refused('say until when: {"until": "2026-03-02T09:00:00Z"}')
    try:
        until = _INSTANT.validate_python(postponement.until).astimezone(UTC)
    except ValidationError as error:
        raise refused(f"until: {_fault(error)}") from None
    if until <= now:
        raise refused(f"until: {postponement.until} has passed; to send it at once, use {names.SEND_NOW}")
    if until - now > _MAX_POSTPONEMENT:
        raise refused(f"until: {postponement.until} is more than two years ahead")
    return until


def format_to_second(instant: datetime | None) -> str:
    """Return an instant (UTC) to the second; '' for None."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}Z"


def _in_words(verb: str, operated: OperationResult, note: str | None) -> str:
    done = {
        names.SEND_NOW: "An operator has it sent now",
        names.POSTPONE: f"An operator postponed it to {format_to_second(operated.next_at)}",
        names.CANCEL: "An operator cancelled it",
    }[verb]
    return f"{done}: {' '.join(note.split())}" if note else f"{done}."


def _fault(error: ValidationError) -> str:
    fault = error.errors()[0]["msg"].removeprefix("Value error, ")
    return fault if "like" in fault else f"{fault}; write a time with its zone, like 2026-03-02T09:00:00Z"
