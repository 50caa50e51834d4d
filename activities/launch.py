"""The activity of a launch: its audience gathered and its messages sent, a stretch at a time.

All that a launch has done stands in the store before the next thing is begun, so that it can be killed anywhere: users
are taken in with the cursor that passes over them in one transaction, and every message is claimed as a follow-up's is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.launch_audience import Audience
from activities.send import Sender
from connector import names
from connector.channels.protocol import TryLater
from connector.intake import Intake
from connector.rules.catalogue import Catalogue
from connector.rules.launching import begins_at, scheduled, take_turns
from connector.store.catalogue_cache import CatalogueCache
from connector.store.current import with_current_catalogue
from connector.store.database import Database, database_now
from connector.store.launches import (
    LaunchRow,
    change_launch,
    count_states,
    earliest,
    give_turn,
    load_launch,
    next_due,
    next_users,
)
from connector.store.versions import Head
from connector.wire import LaunchPage, LaunchProgress, LaunchStep, SendRequest

_log = structlog.get_logger("launch")

_STRETCH = timedelta(seconds=15)
"""How long one activity goes on: a worker that is told to stop waits for it, and what it judged as of stays near."""
_USERS = 200
_MESSAGES = 100
_AT_ONCE = 20
_SOONEST, _LATEST = timedelta(seconds=1), timedelta(minutes=5)
"""Between two passes over those whom a provider put off."""
_WENT = frozenset({"sent", "failed"})


@dataclass(frozen=True)
class _Row:
    """One user's row that is due."""

    user_key: str
    id: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class _Tried:
    """What came of trying rows: how many users a provider was asked about, and whether it said later, for how long."""

    went: int = 0
    later: int = 0
    after: timedelta | None = None
    paused: bool = False

    def __add__(self, other: _Tried) -> _Tried:
        waits = [wait for wait in (self.after, other.after) if wait is not None]
        return _Tried(
            self.went + other.went, self.later + other.later, max(waits, default=None), self.paused or other.paused
        )


class Launcher:
    """Launches the scheduled originals of one workspace.

    Args:
        sender: sends each message as it sends a follow-up's.
        changed: called when enrolments may have begun follow-ups, so that the outbox looks at once.
        audience, messages: how many users are taken in, and how many are sent to, in one step.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        intake: Intake,
        sender: Sender,
        workspace: str,
        *,
        changed: Callable[[], None] = lambda: None,
        audience: int = _USERS,
        messages: int = _MESSAGES,
    ) -> None:
        self._database, self._cache, self._intake, self._sender = database, cache, intake, sender
        self._workspace, self._changed = workspace, changed
        self._audience, self._messages = audience, messages

    @activity.defn(name=names.LAUNCH_PAGE)
    async def launch_page(self, page: LaunchPage) -> LaunchStep:
        """Go on with a launch for a while, or tell what it waits for; a repeated attempt repeats nothing."""
        info, loop = activity.info(), asyncio.get_running_loop()
        began = loop.time()
        while True:
            worked = timedelta(seconds=loop.time() - began)
            step = await self.step(page, now=info.started_time + worked, attempt=info.attempt)
            activity.heartbeat(step.phase)
            goes_on = step.phase in ("enrolling", "sending") and step.until is None
            if not goes_on or worked > _STRETCH or activity.is_worker_shutdown():
                return await self._with_progress(step)
            page = step.next_page

    async def step(self, page: LaunchPage, *, now: datetime, attempt: int) -> LaunchStep:
        """The next step: some users taken in, or some messages sent.

        Args:
            now: as of when everything in it is judged, UTC.
        """

        async def begin(c: AsyncConnection, catalogue: Catalogue, head: Head) -> LaunchStep | tuple[LaunchRow, bool]:
            return await self._gather(c, catalogue, head, page, now)

        begun = await with_current_catalogue(self._database, self._cache, self._workspace, begin)
        if isinstance(begun, LaunchStep):
            if begun.phase == "enrolling":
                self._changed()
            return begun
        return await self._send(begun[0], page, now=now, attempt=attempt, archived=begun[1])

    async def _gather(
        self, c: AsyncConnection, catalogue: Catalogue, head: Head, page: LaunchPage, now: datetime
    ) -> LaunchStep | tuple[LaunchRow, bool]:
        """Take the next users in; where there are none left, the launch and whether its campaign is archived."""
        launch = await load_launch(c, self._workspace, page.launch_id, for_update=True)
        if launch is None or launch.ended_at is not None:
            return LaunchStep(phase="ended", next_page=page)
        entry = catalogue.entries[launch.campaign]
        if entry.state == "archived":
            return launch, True
        if entry.live is None:
            return LaunchStep(phase="paused", next_page=_afresh(page))
        delivery = scheduled(entry)
        if launch.paged_at is not None or delivery is None:
            return launch, False
        begins = begins_at(delivery, launch.published_at, catalogue.workspace)
        if now < begins:
            return LaunchStep(phase="waits", next_page=page, until=begins)
        if launch.begun_at is None:
            launch = replace(launch, begun_at=await database_now(c))
        keys = await next_users(c, self._workspace, launch, self._audience)
        where = (c, catalogue, head, self._intake, self._workspace, launch, delivery)
        if keys:
            await Audience(*where, now=now).take(keys)
        await change_launch(
            c,
            self._workspace,
            launch.launch_id,
            begun_at=launch.begun_at,
            cursor=keys[-1] if keys else launch.cursor,
            paged_at=None if len(keys) == self._audience else now,
        )
        return LaunchStep(phase="enrolling", next_page=page)

    async def _send(
        self, launch: LaunchRow, page: LaunchPage, *, now: datetime, attempt: int, archived: bool
    ) -> LaunchStep:
        """Send to the next users of this pass; where there are none left, tell what the others wait for."""
        rows, turn_ends, late = await self._turns(launch, page, now, archived=archived)
        if not rows:
            if turn_ends is not None:
                return LaunchStep(phase="sending", next_page=page, until=turn_ends)
            return await self._end_pass(launch, page, now)
        tried = await self._try_all(launch, rows, now, attempt)
        await self._worked(launch, len(rows) - tried.went, now, behind=late or (tried.later > 0 and not tried.went))
        page = page.model_copy(update={"after": rows[-1].user_key, "later": page.later or tried.later > 0})
        if tried.paused:
            return LaunchStep(phase="paused", next_page=_afresh(page))
        if tried.later and not tried.went:  # a provider that takes nothing is left alone for a while
            tries = page.tries + 1
            page = page.model_copy(update={"tries": tries})
            return LaunchStep(phase="sending", next_page=page, until=now + (tried.after or _pause(tries)))
        return LaunchStep(phase="sending", next_page=page)

    async def _turns(
        self, launch: LaunchRow, page: LaunchPage, now: datetime, *, archived: bool
    ) -> tuple[list[_Row], datetime | None, bool]:
        """The rows whose turn it is; none of them and an instant, where it is nobody's before (`per_minute`).

        The last says that nobody was at work for too long, so that those who are due have become stale (D4, W4).
        """

        async def take(
            c: AsyncConnection, catalogue: Catalogue, _head: Head
        ) -> tuple[list[_Row], datetime | None, bool]:
            current = await load_launch(c, self._workspace, launch.launch_id, for_update=True) or launch
            due = await next_due(c, self._workspace, launch, page.after, None if archived else now, self._messages)
            rows = [_Row(*row) for row in due]
            delivery = scheduled(catalogue.entries[launch.campaign])
            limit = None if archived or delivery is None else delivery.per_minute
            granted, minute = take_turns(current.minute, now, limit, len(rows))
            if rows and not granted:
                return [], minute.ends(now), False
            rows = rows[:granted]
            await give_turn(c, self._workspace, [row.id for row in rows], current.kept_up_at)
            if minute != current.minute:
                await change_launch(
                    c, self._workspace, launch.launch_id, minute_at=minute.at, minute_count=minute.count
                )
            stale_after = catalogue.workspace.stale_after
            return rows, None, await self._is_late(c, current, now - stale_after)

        return await with_current_catalogue(self._database, self._cache, self._workspace, take)

    async def _is_late(self, c: AsyncConnection, launch: LaunchRow, before: datetime) -> bool:
        if launch.kept_up_at >= before:
            return False
        first = await earliest(c, self._workspace, launch)
        return first is not None and first < before

    async def _try_all(self, launch: LaunchRow, rows: Sequence[_Row], now: datetime, attempt: int) -> _Tried:
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(row: _Row) -> _Tried:
            async with free:
                return await self._try(launch, row, now, attempt)

        came = await asyncio.gather(*(one(row) for row in rows), return_exceptions=True)
        broken = next((one for one in came if isinstance(one, BaseException)), None)
        if broken is not None:  # after all have ended, so that nobody takes up what is still in somebody's hand
            raise broken
        return sum((one for one in came if isinstance(one, _Tried)), _Tried())

    async def _try(self, launch: LaunchRow, row: _Row, now: datetime, attempt: int) -> _Tried:
        """Every channel of one user's row, one after the other; those to which newer content moves it, too."""
        waiting, seen, tried = list(row.channels), set[str](), _Tried()
        while waiting:
            channel = waiting.pop(0)
            seen.add(channel)
            request = SendRequest(
                workspace=self._workspace, follow_up_id=row.id, campaign=launch.campaign, channel=channel
            )
            try:
                outcome = await self._sender.attempt(request, now=now, attempt=attempt)
            except TryLater as fault:
                tried += _Tried(later=1, after=fault.retry_after)
                continue
            except ApplicationError:  # the channel broke: the next pass finds the claim, and nobody knows (guarantee 4)
                tried += _Tried(went=1)
                continue
            waiting += [other for other in outcome.channels if other not in seen and other not in waiting]
            tried += _Tried(went=int(outcome.outcome in _WENT), paused=outcome.outcome == "paused")
        return replace(tried, went=min(tried.went, 1))

    async def _worked(self, launch: LaunchRow, unused: int, now: datetime, *, behind: bool) -> None:
        """Give turns back to the minute that nobody used, and remember that the launch kept up, unless it is behind."""
        async with self._database.write(self._workspace) as c:
            current = await load_launch(c, self._workspace, launch.launch_id, for_update=True) or launch
            kept_up = current.kept_up_at if behind else max(now, current.kept_up_at)
            left = max(0, current.minute.count - unused)
            await change_launch(c, self._workspace, launch.launch_id, kept_up_at=kept_up, minute_count=left)

    async def _end_pass(self, launch: LaunchRow, page: LaunchPage, now: datetime) -> LaunchStep:
        """All who were due have been tried: wait for the next of those who are left, or end."""
        async with self._database.write(self._workspace) as c:
            waits_for = await earliest(c, self._workspace, launch)
            ended = {"ended_at": now} if waits_for is None else {}
            await change_launch(c, self._workspace, launch.launch_id, kept_up_at=max(now, launch.kept_up_at), **ended)
        if waits_for is None:
            _log.info("launched", campaign=launch.campaign, launch=launch.launch_id)
            return LaunchStep(phase="ended", next_page=page)
        tries = page.tries + 1 if page.later else 0
        afresh = page.model_copy(update={"after": "", "later": False, "tries": tries})
        soonest = now + (_pause(tries) if page.later else _SOONEST)
        return LaunchStep(phase="waits", next_page=afresh, until=max(waits_for, soonest))

    async def _with_progress(self, step: LaunchStep) -> LaunchStep:
        async with self._database.read() as c:
            users = await count_states(c, self._workspace, step.next_page.campaign)
            launch = await load_launch(c, self._workspace, step.next_page.launch_id)
        whole = launch is not None and launch.paged_at is not None
        return step.model_copy(update={"progress": LaunchProgress(users=users, whole_audience=whole)})


def _afresh(page: LaunchPage) -> LaunchPage:
    """The same from the first user on, as a launch that was paused goes on."""
    return page.model_copy(update={"after": "", "later": False, "tries": 0})


def _pause(tries: int) -> timedelta:
    return min(_SOONEST * (1 << min(tries, 10)), _LATEST)
