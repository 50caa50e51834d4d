"""Send a launch in passes over the waiting users: select the next rows, send, and schedule the rest (D4, W4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from temporalio.exceptions import ApplicationError

from activities.send import Sender
from connector.channels.protocol import TryLater
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.launching import scheduled, take_from_window
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import (
    DueRow,
    LaunchRow,
    find_earliest_wait,
    load_due_rows,
    load_launch,
    restart_waits,
    update_launch,
)
from connector.wire import LaunchPage, LaunchStep, SendRequest

_log = structlog.get_logger("launch")

_HANDED_OVER = frozenset({"sent", "failed"})
_MIN_PAUSE, _MAX_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
"""Between two passes over the users whose provider asked to be tried again later."""


@dataclass(frozen=True)
class Chunk:
    """The rows of a launch to send to next. `not_before` (UTC) is set instead if the minute is used up (`per_minute`).

    `is_late`: the launch was interrupted for so long that what is due has become stale (D4, W4).
    """

    launch: LaunchRow
    rows: Sequence[DueRow] = ()
    not_before: datetime | None = None
    is_late: bool = False


@dataclass(frozen=True)
class AttemptSummary:
    """The result of trying rows.

    `rows` is how many were tried, `handed_over` for how many a provider was called, `later` how many a provider
    deferred, and `retry_after` the longest wait that it requested. `paused`: the campaign was stopped.
    """

    rows: int = 0
    handed_over: int = 0
    later: int = 0
    retry_after: timedelta | None = None
    paused: bool = False

    def __add__(self, other: AttemptSummary) -> AttemptSummary:
        pauses = [pause for pause in (self.retry_after, other.retry_after) if pause is not None]
        return AttemptSummary(
            self.rows + other.rows,
            self.handed_over + other.handed_over,
            self.later + other.later,
            max(pauses, default=None),
            self.paused or other.paused,
        )


class LaunchSender:
    """Sends to the users who wait, in the order of their keys, some in each step.

    Args:
        messages: how many users are sent to in one step, at the same time.
    """

    def __init__(self, database: Database, sender: Sender, workspace: str, *, messages: int) -> None:
        self._database, self._sender = database, sender
        self._workspace, self._messages = workspace, messages

    async def take_chunk(
        self, tx: Transaction, catalogue: Catalogue, launch: LaunchRow, after: str, now: datetime
    ) -> Chunk:
        """Take the next rows after a user key that are due, as many as `per_minute` grants; all of them if archived.

        The launch counts as at work at `now` (UTC) unless it is late already.
        """
        entry = catalogue.entries[launch.campaign]
        is_archived = entry.state == "archived"
        due = await load_due_rows(tx, launch, after, None if is_archived else now, self._messages)
        delivery = scheduled(entry)
        limit = None if is_archived or delivery is None else delivery.per_minute
        granted, window = take_from_window(launch.minute, now, limit, len(due))
        if due and not granted:
            return Chunk(launch, not_before=window.ends(now))
        if not due:
            return Chunk(launch)
        rows = due[:granted]
        await restart_waits(tx, [row.id for row in rows], launch.kept_up_at)
        is_late = await _is_late(tx, launch, now - catalogue.workspace.stale_after)
        kept_up_at = launch.kept_up_at if is_late else max(now, launch.kept_up_at)
        await update_launch(tx, launch.launch_id, minute_at=window.at, minute_count=window.count, kept_up_at=kept_up_at)
        return Chunk(launch, rows, is_late=is_late)

    async def send(
        self, chunk: Chunk, page: LaunchPage, *, now: datetime, attempt: int, may_continue: Callable[[], bool]
    ) -> LaunchStep:
        """Send to the users of a chunk; if there are none, return what the others of the launch wait for.

        Args:
            now: as of when every message is evaluated, UTC.
            may_continue: called before each message; once it returns False, the rest is left to a later step.
        """
        if chunk.not_before is not None:
            return LaunchStep(phase="sending", next_page=page, until=chunk.not_before)
        if not chunk.rows:
            return await self._end_pass(chunk.launch, page, now)
        tried = await self._try_all(chunk.rows, chunk.launch.campaign, now, attempt, may_continue)
        is_blocked = tried.later > 0 and not tried.handed_over
        unused = len(chunk.rows) - tried.handed_over
        if unused:
            await self._give_back(chunk.launch, unused, now, is_behind=chunk.is_late or is_blocked)
        reached = chunk.rows[tried.rows - 1].user_key if tried.rows else page.after
        page = page.model_copy(update={"after": reached, "later": page.later or tried.later > 0})
        if tried.paused:
            return LaunchStep(phase="paused", next_page=from_the_start(page))
        if is_blocked:  # a provider that accepts nothing gets a pause
            tries = page.tries + 1
            page = page.model_copy(update={"tries": tries})
            return LaunchStep(phase="sending", next_page=page, until=now + (tried.retry_after or _pause(tries)))
        return LaunchStep(phase="sending", next_page=page)

    async def _try_all(
        self, rows: Sequence[DueRow], campaign: str, now: datetime, attempt: int, may_continue: Callable[[], bool]
    ) -> AttemptSummary:
        """Try rows at once, so that they are claimed together. Once `may_continue` returns False, leave the rest."""

        async def try_one(row: DueRow) -> AttemptSummary:
            return await self._try(row, campaign, now, attempt) if may_continue() else AttemptSummary()

        results = await asyncio.gather(*(try_one(row) for row in rows), return_exceptions=True)
        error = next((result for result in results if isinstance(result, BaseException)), None)
        if error is not None:  # raised only now, so that the next attempt finds no message still in progress
            raise error
        return sum((result for result in results if isinstance(result, AttemptSummary)), AttemptSummary())

    async def _try(self, row: DueRow, campaign: str, now: datetime, attempt: int) -> AttemptSummary:
        """Try every channel of one user's row, those to which newer content switches it included."""
        waiting, seen, tried = list(row.channels), set[str](), AttemptSummary()
        while waiting:
            channel = waiting.pop(0)
            seen.add(channel)
            request = SendRequest(workspace=self._workspace, follow_up_id=row.id, campaign=campaign, channel=channel)
            try:
                outcome = await self._sender.attempt(request, now=now, attempt=attempt)
            except TryLater as fault:
                tried += AttemptSummary(later=1, retry_after=fault.retry_after)
                continue
            except ApplicationError:  # the channel broke: the next pass records the claim as unknown (guarantee 4)
                tried += AttemptSummary(handed_over=1)
                continue
            waiting += [other for other in outcome.channels if other not in seen and other not in waiting]
            is_handed_over = outcome.outcome in _HANDED_OVER
            tried += AttemptSummary(handed_over=int(is_handed_over), paused=outcome.outcome == "paused")
        return replace(tried, rows=1, handed_over=min(tried.handed_over, 1))

    async def _give_back(self, launch: LaunchRow, unused: int, now: datetime, *, is_behind: bool) -> None:
        """Return unused turns to the minute; a launch that is behind has not kept up by trying."""
        async with self._database.write(self._workspace) as tx:
            current = await load_launch(tx, launch.launch_id, for_update=True) or launch
            kept_up_at = launch.kept_up_at if is_behind and current.kept_up_at == now else current.kept_up_at
            used = max(0, current.minute.count - unused)
            await update_launch(tx, launch.launch_id, kept_up_at=kept_up_at, minute_count=used)

    async def _end_pass(self, launch: LaunchRow, page: LaunchPage, now: datetime) -> LaunchStep:
        """Wait for the next user who is left after a pass, or end the launch."""
        async with self._database.write(self._workspace) as tx:
            waits_for = await find_earliest_wait(tx, launch)
            ended = {"ended_at": now} if waits_for is None else {}
            await update_launch(tx, launch.launch_id, kept_up_at=max(now, launch.kept_up_at), **ended)
        if waits_for is None:
            _log.info("launched", campaign=launch.campaign, launch=launch.launch_id)
            return LaunchStep(phase="ended", next_page=page)
        tries = page.tries + 1 if page.later else 0
        next_pass = page.model_copy(update={"after": "", "later": False, "tries": tries})
        not_before = now + (_pause(tries) if page.later else _MIN_PAUSE)
        return LaunchStep(phase="waits", next_page=next_pass, until=max(waits_for, not_before))


def from_the_start(page: LaunchPage) -> LaunchPage:
    """Return the page that begins a new pass, with which a paused launch continues."""
    return page.model_copy(update={"after": "", "later": False, "tries": 0})


async def _is_late(tx: Transaction, launch: LaunchRow, before: datetime) -> bool:
    if launch.kept_up_at >= before:
        return False
    first = await find_earliest_wait(tx, launch)
    return first is not None and first < before


def _pause(tries: int) -> timedelta:
    return min(_MIN_PAUSE * (1 << min(tries, 10)), _MAX_PAUSE)
