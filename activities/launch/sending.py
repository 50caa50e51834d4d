"""Send a launch in passes over the waiting users: select the next rows, send, and schedule the rest (D4, W4)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from temporalio.exceptions import ApplicationError

from activities.places import release_places, take_row_places
from activities.send import Sender
from connector.channels.protocol import TryLater
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.launching import rate_limit, scheduled
from connector.rules.sending.rates import RateLimit, RateWindow, per_second, take_from_window
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import (
    DueRow,
    LaunchRow,
    find_earliest_wait,
    load_due_rows,
    load_launch,
    load_overdue_rows,
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
    """The rows of a launch to send to next. `not_before` (UTC) is set instead if a rate is used up until then.

    `is_stale`: these rows are dropped, because the launch was interrupted or paused for too long (D4, P9, W4); they use
    no place of any rate. `minute` is the launch's own window with these rows; `windows` are those of channels with
    a rate, in which each row has a place.
    """

    launch: LaunchRow
    rows: Sequence[DueRow] = ()
    not_before: datetime | None = None
    is_stale: bool = False
    minute: RateWindow = field(default_factory=RateWindow)
    windows: Mapping[str, RateWindow] = field(default_factory=dict)

    def unused_places(self, used: Sequence[str]) -> dict[str, int]:
        """Return how many of the rows' places are unused, by channel; `used` has the channel of each used one."""
        taken = Counter(channel for row in self.rows for channel in row.channels if channel in self.windows)
        return dict(taken - Counter(used))


@dataclass(frozen=True)
class AttemptSummary:
    """The result of trying rows.

    `rows` is how many were tried, `handed_over` for how many a provider was called, `later` how many a provider
    deferred, and `retry_after` the longest wait that it requested. `paused`: the campaign was stopped. `used` has the
    channel of each message whose place was used.
    """

    rows: int = 0
    handed_over: int = 0
    later: int = 0
    retry_after: timedelta | None = None
    paused: bool = False
    used: tuple[str, ...] = ()

    def __add__(self, other: AttemptSummary) -> AttemptSummary:
        pauses = [pause for pause in (self.retry_after, other.retry_after) if pause is not None]
        return AttemptSummary(
            self.rows + other.rows,
            self.handed_over + other.handed_over,
            self.later + other.later,
            max(pauses, default=None),
            self.paused or other.paused,
            self.used + other.used,
        )


class LaunchSender:
    """Sends to the users who wait, in the order of their keys, some in each step.

    Args:
        rates: messages per second by channel; a launch leaves a part of them to follow-ups.
        messages: how many users are sent to in one step, at the same time.
    """

    def __init__(
        self, database: Database, sender: Sender, workspace: str, *, rates: Mapping[str, float], messages: int
    ) -> None:
        self._database, self._sender = database, sender
        self._workspace, self._messages = workspace, messages
        self._limits = {channel: per_second(rate).launch_share for channel, rate in rates.items()}

    async def take_chunk(
        self, tx: Transaction, catalogue: Catalogue, launch: LaunchRow, after: str, now: datetime
    ) -> Chunk:
        """Take the next due rows after a user key, as many as the rates grant; all due rows if the campaign is
        archived.

        Each row takes one of `per_minute` and one place on each of its channels. The launch counts as at work at `now`
        (UTC). Rows that have become stale come first.
        """
        entry = catalogue.entries[launch.campaign]
        is_archived = entry.state == "archived"
        if not is_archived:
            launch, stale = await self._find_stale(tx, catalogue, launch, now)
            if stale:
                await restart_waits(tx, [row.id for row in stale], launch.kept_up_at)
                return Chunk(launch, stale, is_stale=True)
        due = await load_due_rows(tx, launch, after, None if is_archived else now, self._messages)
        if not due:
            return Chunk(launch)
        turns = Chunk(launch, due, minute=launch.minute)
        if not is_archived:
            turns = await self._take_turns(tx, launch, due, rate_limit(scheduled(entry)), now)
        if turns.not_before is not None:
            return turns
        await restart_waits(tx, [row.id for row in turns.rows], launch.kept_up_at)
        kept_up_at, minute = max(now, launch.kept_up_at), turns.minute
        await update_launch(tx, launch.launch_id, minute_at=minute.at, minute_count=minute.count, kept_up_at=kept_up_at)
        return turns

    async def _find_stale(
        self, tx: Transaction, catalogue: Catalogue, launch: LaunchRow, now: datetime
    ) -> tuple[LaunchRow, Sequence[DueRow]]:
        """Return rows that are stale because of a pause, or else because of an outage; none while the launch keeps up.

        A row that is stale after a pause was stale already at the resume (P9). For all other rows the pause does not
        count: in the launch that is returned, they wait from the resume on.
        """
        stale_after = catalogue.stale_after(launch.campaign)
        resumed_at = catalogue.entries[launch.campaign].windows[-1].opened_at
        for at in (resumed_at, now) if launch.kept_up_at < resumed_at else (now,):
            if launch.kept_up_at < at - stale_after:
                rows = await load_overdue_rows(tx, launch, at - stale_after, self._messages)
                if rows:
                    return launch, rows
            if at == resumed_at:
                launch = replace(launch, kept_up_at=max(launch.kept_up_at, resumed_at))
        return launch, ()

    async def _take_turns(
        self, tx: Transaction, launch: LaunchRow, due: Sequence[DueRow], limit: RateLimit | None, now: datetime
    ) -> Chunk:
        """Take the first rows that both the launch's own rate and the channels' rates grant, or say when to try again.

        The windows of channels are locked before rows of follow-ups, as in the transaction that claims messages.
        """
        in_minute, minute = take_from_window(launch.minute, now, limit, len(due))
        if limit and not in_minute:
            return Chunk(launch, not_before=now + limit.left(minute, now))
        places = await take_row_places(tx, self._limits, [row.channels for row in due[:in_minute]])
        if not places.rows:
            return Chunk(launch, not_before=now + places.wait)
        _, minute = take_from_window(launch.minute, now, limit, places.rows)
        return Chunk(launch, due[: places.rows], minute=minute, windows=places.windows)

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
        if chunk.is_stale:
            return _step_after_stale(tried, page, now)
        is_blocked = tried.later > 0 and not tried.handed_over
        if tried.handed_over < len(chunk.rows) or chunk.unused_places(tried.used):
            await self._release_unused(chunk, tried, now, is_behind=is_blocked)
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
            place = (channel,) if channel in row.channels else ()
            request = SendRequest(workspace=self._workspace, follow_up_id=row.id, campaign=campaign, channel=channel)
            try:
                outcome = await self._sender.attempt(request, now=now, attempt=attempt, has_place=bool(place))
            except TryLater as fault:
                tried += AttemptSummary(later=1, retry_after=fault.retry_after, used=place)
                continue
            except ApplicationError:  # the channel broke: the next pass records the claim as unknown (guarantee 4)
                tried += AttemptSummary(handed_over=1, used=place)
                continue
            waiting += [other for other in outcome.channels if other not in seen and other not in waiting]
            is_handed_over = outcome.outcome in _HANDED_OVER
            used = place if is_handed_over else ()
            tried += AttemptSummary(handed_over=int(is_handed_over), paused=outcome.outcome == "paused", used=used)
        return replace(tried, rows=1, handed_over=min(tried.handed_over, 1))

    async def _release_unused(self, chunk: Chunk, tried: AttemptSummary, now: datetime, *, is_behind: bool) -> None:
        """Release unused places of `per_minute` and of the channels; trying alone does not count as keeping up."""
        launch = chunk.launch
        unused = len(chunk.rows) - tried.handed_over
        async with self._database.write(self._workspace) as tx:
            current = await load_launch(tx, launch.launch_id, for_update=True) or launch
            kept_up_at = launch.kept_up_at if is_behind and current.kept_up_at == now else current.kept_up_at
            used = max(0, current.minute.count - unused)
            await update_launch(tx, launch.launch_id, kept_up_at=kept_up_at, minute_count=used)
            await release_places(tx, chunk.windows, chunk.unused_places(tried.used))

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


def _step_after_stale(tried: AttemptSummary, page: LaunchPage, now: datetime) -> LaunchStep:
    """Begin a pass over the remaining users, after a pause if an earlier attempt still holds a row."""
    next_page = from_the_start(page)
    if tried.paused:
        return LaunchStep(phase="paused", next_page=next_page)
    return LaunchStep(phase="sending", next_page=next_page, until=now + _MIN_PAUSE if tried.later else None)


def _pause(tries: int) -> timedelta:
    return min(_MIN_PAUSE * (1 << min(tries, 10)), _MAX_PAUSE)
