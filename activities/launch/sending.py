"""A launch's passes over those who wait: whose turn it is, what came of it, and what the others wait for (D4, W4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from activities.launch.attempts import DueRow, LaunchAttempts
from activities.send import Sender
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.launching import scheduled, take_from_window
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import (
    LaunchRow,
    change_launch,
    earliest,
    load_launch,
    next_due,
    postpone_rows,
)
from connector.wire import LaunchPage, LaunchStep

_log = structlog.get_logger("launch")

_SOONEST, _LATEST = timedelta(seconds=1), timedelta(minutes=5)
"""Between two passes over those whom a provider put off."""


class LaunchSender:
    """Sends to those who wait, in the order of their keys, some in each step.

    Args:
        messages: how many users are sent to in one step.
    """

    def __init__(
        self, database: Database, cache: CatalogueCache, sender: Sender, workspace: str, *, messages: int
    ) -> None:
        self._database, self._cache, self._sender = database, cache, sender
        self._workspace, self._messages = workspace, messages

    async def send(
        self,
        launch: LaunchRow,
        page: LaunchPage,
        *,
        now: datetime,
        attempt: int,
        archived: bool,
        goes_on: Callable[[], bool],
    ) -> LaunchStep:
        """Send to the next users of this pass; where there are none left, tell what the others wait for.

        Args:
            now: as of when everything in it is judged, UTC.
            goes_on: asked before each message; once it says no, the rest is left to a later step.
        """
        rows, turn_ends, late = await self._turns(launch, page, now, archived=archived)
        if not rows:
            if turn_ends is not None:
                return LaunchStep(phase="sending", next_page=page, until=turn_ends)
            return await self._end_pass(launch, page, now)
        attempts = LaunchAttempts(self._sender, self._workspace, launch.campaign, now=now, attempt=attempt)
        tried = await attempts.try_all(rows, goes_on)
        await self._worked(launch, len(rows) - tried.went, now, behind=late or (tried.later > 0 and not tried.went))
        reached = rows[tried.rows - 1].user_key if tried.rows else page.after
        page = page.model_copy(update={"after": reached, "later": page.later or tried.later > 0})
        if tried.paused:
            return LaunchStep(phase="paused", next_page=without_attempts(page))
        if tried.later and not tried.went:  # a provider that takes nothing is left alone for a while
            tries = page.tries + 1
            page = page.model_copy(update={"tries": tries})
            return LaunchStep(phase="sending", next_page=page, until=now + (tried.after or _pause(tries)))
        return LaunchStep(phase="sending", next_page=page)

    async def _turns(
        self, launch: LaunchRow, page: LaunchPage, now: datetime, *, archived: bool
    ) -> tuple[list[DueRow], datetime | None, bool]:
        """The rows whose turn it is; none of them and an instant, where it is nobody's before (`per_minute`).

        The last says that nobody was at work for too long, so that those who are due have become stale (D4, W4).
        """

        async def take(tx: Transaction, catalogue: Catalogue) -> tuple[list[DueRow], datetime | None, bool]:
            current = await load_launch(tx, launch.launch_id, for_update=True) or launch
            due = await next_due(tx, launch, page.after, None if archived else now, self._messages)
            rows = [DueRow(*row) for row in due]
            delivery = scheduled(catalogue.entries[launch.campaign])
            limit = None if archived or delivery is None else delivery.per_minute
            granted, minute = take_from_window(current.minute, now, limit, len(rows))
            if rows and not granted:
                return [], minute.ends(now), False
            rows = rows[:granted]
            await postpone_rows(tx, [row.id for row in rows], current.kept_up_at)
            if minute != current.minute:
                await change_launch(tx, launch.launch_id, minute_at=minute.at, minute_count=minute.count)
            stale_after = catalogue.workspace.stale_after
            return rows, None, await self._is_late(tx, current, now - stale_after)

        return await with_current_catalogue(self._database, self._cache, self._workspace, take)

    async def _is_late(self, tx: Transaction, launch: LaunchRow, before: datetime) -> bool:
        if launch.kept_up_at >= before:
            return False
        first = await earliest(tx, launch)
        return first is not None and first < before

    async def _worked(self, launch: LaunchRow, unused: int, now: datetime, *, behind: bool) -> None:
        """Give turns back to the minute that nobody used, and remember that the launch kept up, unless it is behind."""
        async with self._database.write(self._workspace) as tx:
            current = await load_launch(tx, launch.launch_id, for_update=True) or launch
            kept_up = current.kept_up_at if behind else max(now, current.kept_up_at)
            left = max(0, current.minute.count - unused)
            await change_launch(tx, launch.launch_id, kept_up_at=kept_up, minute_count=left)

    async def _end_pass(self, launch: LaunchRow, page: LaunchPage, now: datetime) -> LaunchStep:
        """All who were due have been tried: wait for the next of those who are left, or end."""
        async with self._database.write(self._workspace) as tx:
            waits_for = await earliest(tx, launch)
            ended = {"ended_at": now} if waits_for is None else {}
            await change_launch(tx, launch.launch_id, kept_up_at=max(now, launch.kept_up_at), **ended)
        if waits_for is None:
            _log.info("launched", campaign=launch.campaign, launch=launch.launch_id)
            return LaunchStep(phase="ended", next_page=page)
        tries = page.tries + 1 if page.later else 0
        again = page.model_copy(update={"after": "", "later": False, "tries": tries})
        soonest = now + (_pause(tries) if page.later else _SOONEST)
        return LaunchStep(phase="waits", next_page=again, until=max(waits_for, soonest))


def without_attempts(page: LaunchPage) -> LaunchPage:
    """The same from the first user on, as a launch that was paused goes on."""
    return page.model_copy(update={"after": "", "later": False, "tries": 0})


def _pause(tries: int) -> timedelta:
    return min(_SOONEST * (1 << min(tries, 10)), _LATEST)
