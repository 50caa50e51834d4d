"""The messages of one step of a launch: each row's channels, many rows at once, as a follow-up's are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio.exceptions import ApplicationError

from activities.send import Sender
from connector.channels.protocol import TryLater
from connector.wire import SendRequest

_AT_ONCE = 20
_WENT = frozenset({"sent", "failed"})


@dataclass(frozen=True)
class DueRow:
    """One user's row that is due."""

    user_key: str
    id: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class AttemptSummary:
    """What came of trying rows.

    `rows` is how many were tried, `went` of how many a provider was asked, `later` how often one asked to be tried
    again, and `after` how long it asked to be left alone; `paused` says that the campaign was found stopped.
    """

    rows: int = 0
    went: int = 0
    later: int = 0
    after: timedelta | None = None
    paused: bool = False

    def __add__(self, other: AttemptSummary) -> AttemptSummary:
        waits = [wait for wait in (self.after, other.after) if wait is not None]
        return AttemptSummary(
            self.rows + other.rows,
            self.went + other.went,
            self.later + other.later,
            max(waits, default=None),
            self.paused or other.paused,
        )


class LaunchAttempts:
    """Tries the rows of one campaign's launch."""

    def __init__(self, sender: Sender, workspace: str, campaign: str, *, now: datetime, attempt: int) -> None:
        self._sender, self._workspace, self._campaign = sender, workspace, campaign
        self._now, self._attempt = now, attempt

    async def try_all(self, rows: Sequence[DueRow], goes_on: Callable[[], bool]) -> AttemptSummary:
        """Try rows in their order, some at once; once `goes_on` says no, none is begun, and those begun are ended."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(row: DueRow) -> AttemptSummary:
            async with free:
                return await self._try(row) if goes_on() else AttemptSummary()

        came = await asyncio.gather(*(one(row) for row in rows), return_exceptions=True)
        broken = next((one for one in came if isinstance(one, BaseException)), None)
        if broken is not None:  # after all have ended, so that nobody takes up what is still in somebody's hand
            raise broken
        return sum((one for one in came if isinstance(one, AttemptSummary)), AttemptSummary())

    async def _try(self, row: DueRow) -> AttemptSummary:
        """Every channel of one user's row, one after the other; those to which newer content moves it, too."""
        waiting, seen, tried = list(row.channels), set[str](), AttemptSummary()
        while waiting:
            channel = waiting.pop(0)
            seen.add(channel)
            request = SendRequest(
                workspace=self._workspace, follow_up_id=row.id, campaign=self._campaign, channel=channel
            )
            try:
                outcome = await self._sender.attempt(request, now=self._now, attempt=self._attempt)
            except TryLater as fault:
                tried += AttemptSummary(later=1, after=fault.retry_after)
                continue
            except ApplicationError:  # the channel broke: the next pass finds the claim, and nobody knows (guarantee 4)
                tried += AttemptSummary(went=1)
                continue
            waiting += [other for other in outcome.channels if other not in seen and other not in waiting]
            tried += AttemptSummary(went=int(outcome.outcome in _WENT), paused=outcome.outcome == "paused")
        return replace(tried, rows=1, went=min(tried.went, 1))
