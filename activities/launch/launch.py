"""The activity of a launch: add its audience and send its messages, one time slice after the other.

Each step is in the store before the next one begins, so that a launch can be killed anywhere: users are added in the
transaction that moves the cursor past them, and every message is claimed like a follow-up's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import activity

from activities.effects import apply_effects
from activities.heartbeats import heartbeats
from activities.launch.sending import Chunk, LaunchSender, from_the_start
from activities.send import Sender
from connector import names
from connector.ingest.intake import Intake
from connector.metrics import LAUNCH_STEPS
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.sending.due_list import newest_live
from connector.rules.sending.effects import Effect
from connector.rules.sending.launch_times import send_time
from connector.rules.sending.launching import Launch, is_in_launch, launch_user
from connector.rules.targeting.audience import needs_history
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.launches import (
    LaunchRow,
    count_states,
    find_waiting_users,
    load_launch,
    load_next_users,
    update_launch,
)
from connector.store.follow_ups.recipients import load_recipients
from connector.store.users.users import lock_users
from connector.wire import LaunchPage, LaunchProgress, LaunchStep

_TIME_SLICE = timedelta(seconds=15)
"""How long one activity works: a worker that stops waits for it, and time passes between two evaluations."""
_SHORT_WAIT = timedelta(seconds=2)
"""A wait of a channel's rate is within the time slice: it would be a timer and an activity in the history."""
_CANCEL_SECONDS = 30.0
"""Longer than any provider's own timeout; while the database is down, the ledger keeps the results beyond that."""
_USERS = 200
_MESSAGES = 50


class Launcher:
    """Launches the scheduled originals of one workspace.

    Args:
        sender: sends each message as it sends a follow-up's.
        changed: called when enrolments may have begun follow-ups, so that the outbox looks at once.
        rates: messages per second by channel, over all workers; a channel that is missing has no limit.
        audience, messages: how many users are added, and how many are sent to at the same time, in one step.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        intake: Intake,
        sender: Sender,
        workspace: str,
        *,
        rates: Mapping[str, float] = {},
        changed: Callable[[], None] = lambda: None,
        audience: int = _USERS,
        messages: int = _MESSAGES,
    ) -> None:
        self._database, self._cache, self._intake = database, cache, intake
        self._workspace, self._changed, self._audience = workspace, changed, audience
        self._sender = LaunchSender(database, sender, workspace, rates=rates, messages=messages)

    @activity.defn(name=names.LAUNCH_PAGE)
    async def launch_page(self, page: LaunchPage) -> LaunchStep:
        """Carry on with a launch for one time slice; returns what it waits for. A repeated attempt repeats nothing.

        If the activity is cancelled or its worker stops, messages that were handed to a provider are finished, and no
        more are begun.
        """
        cancelled = asyncio.Event()
        time_slice = asyncio.ensure_future(self._work(page, cancelled))
        with heartbeats():
            try:
                step = await asyncio.shield(time_slice)
            except asyncio.CancelledError:
                cancelled.set()
                await asyncio.wait([time_slice], timeout=_CANCEL_SECONDS)
                raise
        return await self._with_progress(step)

    async def _work(self, page: LaunchPage, cancelled: asyncio.Event) -> LaunchStep:
        """Take one step after the other until the launch has to wait, the time slice is over, or work must stop."""
        info, loop = activity.info(), asyncio.get_running_loop()
        began = loop.time()

        def now() -> datetime:
            return info.started_time + timedelta(seconds=loop.time() - began)

        def may_continue() -> bool:
            return not cancelled.is_set() and not activity.is_worker_shutdown()

        while True:
            step = await self.step(page, now=now(), attempt=info.attempt, may_continue=may_continue)
            LAUNCH_STEPS.labels(step.phase).inc()
            wait = timedelta() if step.until is None else step.until - now()
            is_over = step.phase not in ("enrolling", "sending") or wait > _SHORT_WAIT
            if is_over or now() > info.started_time + _TIME_SLICE:
                return step
            await _wait_unless(cancelled, wait)
            if not may_continue():
                return step
            page = step.next_page

    async def step(
        self, page: LaunchPage, *, now: datetime, attempt: int, may_continue: Callable[[], bool] = lambda: True
    ) -> LaunchStep:
        """Take the next step: add some users, or send some messages.

        Args:
            now: as of when everything in the step is evaluated, UTC.
            may_continue: called before each message; once it returns False, the rest is left to a later step.
        """

        async def begin(tx: Transaction, catalogue: Catalogue) -> LaunchStep | Chunk:
            return await self._begin_step(tx, catalogue, page, now)

        begun = await with_current_catalogue(self._database, self._cache, self._workspace, begin)
        if isinstance(begun, LaunchStep):
            if begun.phase == "enrolling":
                self._changed()
            return begun
        return await self._sender.send(begun, page, now=now, attempt=attempt, may_continue=may_continue)

    async def _begin_step(
        self, tx: Transaction, catalogue: Catalogue, page: LaunchPage, now: datetime
    ) -> LaunchStep | Chunk:
        """Add the next users; if none are left, take the next of those who wait."""
        row = await load_launch(tx, page.launch_id, for_update=True)
        if row is None or row.ended_at is not None:
            return LaunchStep(phase="ended", next_page=page)
        entry = catalogue.entries[row.campaign]
        if entry.state != "archived" and entry.live is None:
            return LaunchStep(phase="paused", next_page=from_the_start(page))
        time = None if entry.state == "archived" else send_time(entry, catalogue.workspace)
        if row.paged_at is not None or time is None:
            return await self._sender.take_chunk(tx, catalogue, row, page.after, now)
        return await self._add_next_users(tx, catalogue, Launch(row.launch_id, entry, time), row, page, now)

    async def _add_next_users(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        launch: Launch,
        row: LaunchRow,
        page: LaunchPage,
        now: datetime,
    ) -> LaunchStep:
        if now < launch.time.begins_at:
            return LaunchStep(phase="waits", next_page=page, until=launch.time.begins_at)
        row = row if row.begun_at is not None else replace(row, begun_at=await database_now(tx))
        keys = await load_next_users(tx, row, self._audience)
        if keys:
            await self._add_users(tx, catalogue, launch, keys, now)
        await update_launch(
            tx,
            row.launch_id,
            begun_at=row.begun_at,
            cursor=keys[-1] if keys else row.cursor,
            paged_at=None if len(keys) == self._audience else now,
        )
        return LaunchStep(phase="enrolling", next_page=page)

    async def _add_users(
        self, tx: Transaction, catalogue: Catalogue, launch: Launch, user_keys: Sequence[str], now: datetime
    ) -> None:
        """Add the users who are in the audience and have neither received the campaign nor wait for it."""
        await lock_users(tx, user_keys)
        campaign = newest_live(launch.entry)
        recipients = await load_recipients(
            tx, catalogue, dict.fromkeys(user_keys, launch.entry), now, needs_history=_needs_history
        )
        waiting = await find_waiting_users(tx, campaign.id, user_keys)
        effects: list[Effect] = []
        for user_key, recipient in sorted(recipients.items()):
            is_left_out = user_key in waiting or recipient.is_erased
            if not is_left_out and is_in_launch(campaign, recipient, now):
                effects += launch_user(launch, user_key, recipient, catalogue, now)
        await apply_effects(tx, catalogue, self._intake, effects)

    async def _with_progress(self, step: LaunchStep) -> LaunchStep:
        async with self._database.read(self._workspace) as tx:
            users = await count_states(tx, step.next_page.campaign)
            launch = await load_launch(tx, step.next_page.launch_id)
        whole = launch is not None and launch.paged_at is not None
        return step.model_copy(update={"progress": LaunchProgress(users=users, whole_audience=whole)})


async def _wait_unless(cancelled: asyncio.Event, wait: timedelta) -> None:
    """Wait, but not once the activity is cancelled."""
    if wait > timedelta():
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await cancelled.wait()


def _needs_history(entry: Entry) -> bool:
    return needs_history(newest_live(entry).audience)
