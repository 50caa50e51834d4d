"""The activity of a launch: its audience gathered and its messages sent, a stretch at a time.

All that a launch has done stands in the store before the next thing is begun, so that it can be killed anywhere: users
are taken in with the cursor that passes over them in one transaction, and every message is claimed as a follow-up's is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import activity

from activities.heartbeat import heartbeat
from activities.launch.audience import LaunchAudience
from activities.launch.sending import LaunchSender, without_attempts
from activities.send import Sender
from connector import names
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.launching import begins_at, scheduled
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database, database_now
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import (
    LaunchRow,
    change_launch,
    count_states,
    load_launch,
    next_users,
)
from connector.wire import LaunchPage, LaunchProgress, LaunchStep

_STRETCH = timedelta(seconds=15)
"""How long one activity goes on: a worker that is told to stop waits for it, and what it judged as of stays near."""
_USERS = 200
_MESSAGES = 100


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
        self._database, self._cache, self._intake = database, cache, intake
        self._workspace, self._changed, self._audience = workspace, changed, audience
        self._passes = LaunchSender(database, cache, sender, workspace, messages=messages)

    @activity.defn(name=names.LAUNCH_PAGE)
    async def launch_page(self, page: LaunchPage) -> LaunchStep:
        """Go on with a launch for a while, or tell what it waits for; a repeated attempt repeats nothing.

        Where it is called off, or its worker told to stop, what is in a provider's hands is heard out, and nothing
        more is handed over.
        """
        called_off = asyncio.Event()
        stretch = asyncio.ensure_future(self._stretch(page, called_off))
        async with heartbeat():
            try:
                step = await asyncio.shield(stretch)
            except asyncio.CancelledError:
                called_off.set()
                await stretch
                raise
        return await self._with_progress(step)

    async def _stretch(self, page: LaunchPage, called_off: asyncio.Event) -> LaunchStep:
        """One step after the other until it has to wait, time is up, or it is not to go on."""
        info, loop = activity.info(), asyncio.get_running_loop()
        began = loop.time()

        def goes_on() -> bool:
            return not called_off.is_set() and not activity.is_worker_shutdown()

        while True:
            worked = timedelta(seconds=loop.time() - began)
            step = await self.step(page, now=info.started_time + worked, attempt=info.attempt, goes_on=goes_on)
            has_more = step.phase in ("enrolling", "sending") and step.until is None
            if not has_more or worked > _STRETCH or not goes_on():
                return step
            page = step.next_page

    async def step(
        self, page: LaunchPage, *, now: datetime, attempt: int, goes_on: Callable[[], bool] = lambda: True
    ) -> LaunchStep:
        """The next step: some users taken in, or some messages sent.

        Args:
            now: as of when everything in it is judged, UTC.
            goes_on: asked before each message; once it says no, the rest is left to a later step.
        """

        async def begin(tx: Transaction, catalogue: Catalogue) -> LaunchStep | tuple[LaunchRow, bool]:
            return await self._gather(tx, catalogue, page, now)

        begun = await with_current_catalogue(self._database, self._cache, self._workspace, begin)
        if isinstance(begun, LaunchStep):
            if begun.phase == "enrolling":
                self._changed()
            return begun
        launch, archived = begun
        return await self._passes.send(launch, page, now=now, attempt=attempt, archived=archived, goes_on=goes_on)

    async def _gather(
        self, tx: Transaction, catalogue: Catalogue, page: LaunchPage, now: datetime
    ) -> LaunchStep | tuple[LaunchRow, bool]:
        """Take the next users in; where there are none left, the launch and whether its campaign is archived."""
        launch = await load_launch(tx, page.launch_id, for_update=True)
        if launch is None or launch.ended_at is not None:
            return LaunchStep(phase="ended", next_page=page)
        entry = catalogue.entries[launch.campaign]
        if entry.state == "archived":
            return launch, True
        if entry.live is None:
            return LaunchStep(phase="paused", next_page=without_attempts(page))
        delivery = scheduled(entry)
        if launch.paged_at is not None or delivery is None:
            return launch, False
        begins = begins_at(delivery, launch.published_at, catalogue.workspace)
        if now < begins:
            return LaunchStep(phase="waits", next_page=page, until=begins)
        if launch.begun_at is None:
            launch = replace(launch, begun_at=await database_now(tx))
        keys = await next_users(tx, launch, self._audience)
        where = (tx, catalogue, self._intake, launch, delivery)
        if keys:
            await LaunchAudience(*where, now=now).take(keys)
        await change_launch(
            tx,
            launch.launch_id,
            begun_at=launch.begun_at,
            cursor=keys[-1] if keys else launch.cursor,
            paged_at=None if len(keys) == self._audience else now,
        )
        return LaunchStep(phase="enrolling", next_page=page)

    async def _with_progress(self, step: LaunchStep) -> LaunchStep:
        async with self._database.read(self._workspace) as tx:
            users = await count_states(tx, step.next_page.campaign)
            launch = await load_launch(tx, step.next_page.launch_id)
        whole = launch is not None and launch.paged_at is not None
        return step.model_copy(update={"progress": LaunchProgress(users=users, whole_audience=whole)})
