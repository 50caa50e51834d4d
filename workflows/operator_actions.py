"""Operators' hands on one follow-up: one at a time, through the store; and the words for what they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from connector import names
from connector.rules.model.values import Instant
from connector.wire import FollowUpStart, Operated, Postponement, Verb
from workflows import activity_calls as calls

NOTHING_ASKED = Postponement()
"""For whoever sends an update without any input."""

_FARTHEST = timedelta(days=732)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class OperatorActions:
    """Operators' hands on one follow-up. While one is `busy`, nothing may be sent.

    Args:
        check: raises where the follow-up takes no hand any more.
        follow: called with what the store says, before the hand lets go.
    """

    def __init__(self, start: FollowUpStart, check: Callable[[], None], follow: Callable[[Operated], None]) -> None:
        self._start, self._check, self._follow = start, check, follow
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.last = ""
        """What the last one did, for the UI."""

    @property
    def busy(self) -> bool:
        """Whether it is uncertain what is to become of the follow-up, because the store is being asked."""
        return self._waiting > 0

    async def operate(self, verb: Verb, note: str | None = None, until: datetime | None = None) -> Operated:
        """Have the store change the row, after those that asked before.

        Raises:
            ApplicationError: the store refused it; nothing was changed.
        """
        self._waiting += 1
        try:
            async with self._turn:
                self._check()  # another hand may have been quicker
                operated = await calls.operate(self._start, verb, until)
                if operated.done:
                    self.last = _told(verb, operated, note)
                self._follow(operated)
        finally:
            self._waiting -= 1
        if not operated.done:
            raise refused(operated.says)
        return operated


def refused(why: str) -> ApplicationError:
    """The error that fails an update and nothing else."""
    return ApplicationError(why, type=names.REFUSED, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def instant_of(asked: Postponement, now: datetime) -> datetime:
    """Until when it is to wait, in UTC; an ApplicationError where that is no instant ahead of `now`."""
    if not asked.until:
        raise refused('say until when: {"until": "2026-03-02T09:00:00Z"}')
    try:
        until = _INSTANT.validate_python(asked.until).astimezone(UTC)
    except ValidationError as error:
        raise refused(f"until: {_in_words(error)}") from None
    if until <= now:
        raise refused(f"until: {asked.until} has passed; to send it at once, use {names.SEND_NOW}")
    if until - now > _FARTHEST:
        raise refused(f"until: {asked.until} is more than two years ahead")
    return until


def short(instant: datetime | None) -> str:
    """An instant (UTC) to the second; '' for None."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}Z"


def _told(verb: str, operated: Operated, note: str | None) -> str:
    done = {
        names.SEND_NOW: "An operator has it sent now",
        names.POSTPONE: f"An operator postponed it to {short(operated.next_at)}",
        names.CANCEL: "An operator cancelled it",
    }[verb]
    return f"{done}: {' '.join(note.split())}" if note else f"{done}."


def _in_words(error: ValidationError) -> str:
    words = error.errors()[0]["msg"].removeprefix("Value error, ")
    return words if "like" in words else f"{words}; write a time with its zone, like 2026-03-02T09:00:00Z"
