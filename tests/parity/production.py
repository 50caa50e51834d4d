"""A story played by production's own code, on a real database: intake, orders, sender and launcher.

What Temporal does, timers and signals, is done by a small loop: it starts what the outbox finds to start, waits for
what a workflow would wait for, and calls the activities that a workflow would call. The database's clock, by which
intake and orders act, shows the time of the story.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, literal
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.launch.launch import Launcher
from activities.publish import Publisher
from activities.send import Sender
from connector.channels.protocol import Accepted, OutgoingMessage
from connector.ingest.intake import Intake
from connector.ingest.parsing import parse_item
from connector.rules.model.errors import OrderRefused
from connector.rules.model.interactions import Item
from connector.rules.triggering.trigger_list import compute_key, is_trigger
from connector.simulation import RETENTION
from connector.simulation.timeline import ORDER_KINDS, TimelineStep
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine import transaction
from connector.store.engine.database import Database
from connector.store.engine.transaction import database_now
from connector.store.follow_ups.outbox import (
    find_launches_to_signal,
    find_to_signal,
    find_to_start,
    mark_launches_signalled,
    mark_signalled,
    mark_started,
)
from connector.store.tables import Instant
from connector.store.users.descriptions import merge_user
from connector.wire import LaunchPage, Order, SendRequest, StoppedWindow
from tests.parity.outcomes import Outcomes, printed_object
from tests.parity.stored import StoredRows, load_outcomes
from tests.parity.story import Story

CHANNELS = ("email", "sms", "push", "webhook", "in_app_message", "content_card", "news_feed_card")


class AcceptingChannel:
    """A provider that accepts every message."""

    async def send(self, message: OutgoingMessage) -> Accepted:
        return Accepted()

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class StoryClock:
    """The instant that a story has reached, UTC."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @contextmanager
    def as_database_clock(self) -> Iterator[None]:
        """Have every statement that reads the database's clock read this one."""
        original = transaction.clock

        def column(_transaction: object) -> ColumnElement[datetime]:
            return literal(self.now, Instant)

        with pytest.MonkeyPatch.context() as patched:
            for module in list(sys.modules.values()):
                if getattr(module, "clock", None) is original:
                    patched.setattr(module, "clock", column)
            yield


@dataclass(order=True)
class Timer:
    """Something to do at an instant; at one instant launches go first, then what began to wait first."""

    at: datetime
    rank: int
    number: int
    act: Callable[[], Awaitable[None]] = field(compare=False)


class Production:
    """One workspace of a real database, and the loop that stands in for Temporal."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace
        self._clock = StoryClock()
        self._cache = cache = CatalogueCache(workspace)
        self._intake = Intake(database, cache, workspace, retention=RETENTION)
        channels = {name: AcceptingChannel() for name in CHANNELS}
        self._sender = Sender(database, cache, self._intake, channels, workspace, changed=self._nudge)
        self._publisher = Publisher(database, cache, workspace, changed=self._nudge)
        self._launcher = Launcher(database, cache, self._intake, self._sender, workspace, changed=self._nudge)
        self._nudged = False
        self._timers: list[Timer] = []
        self._numbers = 0
        self._ended: set[str] = set()
        self._in_progress: dict[str, set[str]] = {}
        self._pages: dict[str, LaunchPage] = {}
        self._unlogged: list[dict[str, Any]] = []
        self._deleted: StoredRows = {}

    async def play(self, story: Story) -> Outcomes:
        """Play a story to its end, or to the first order that is refused."""
        steps = story.steps
        refused: list[str] = []
        with self._clock.as_database_clock():
            self._clock.now = steps[0][0].at - timedelta(days=1)
            await self._save(*story.parsed)
            try:
                for line, written in steps:
                    await self._run_to(line.at)
                    await self._play(line, written)
                    await self._start_and_signal()
                await self._run_to(story.until)
            except OrderRefused as refusal:
                refused = refusal.problems
            except ApplicationError as error:
                if error.type != "OrderRefused":
                    raise
                refused = list(error.details[0])
        return await load_outcomes(self._database, self._workspace, self._unlogged, refused, self._deleted)

    async def _run_to(self, until: datetime | None) -> None:
        while self._timers and (until is None or self._timers[0].at <= until):
            timer = heapq.heappop(self._timers)
            self._clock.now = max(timer.at, self._clock.now)
            await timer.act()
            await self._start_and_signal()
        if until is not None:
            self._clock.now = until

    async def _play(self, line: TimelineStep, written: Mapping[str, Any]) -> None:
        """Do what a line says; each interaction is a request of its own, as due work may come between two lines."""
        if line.kind == "interaction":
            await self._ingest({"occurred_at": line.at, **written["interaction"]})
        elif line.kind == "user":
            async with self._database.write(self._workspace) as tx:
                await merge_user(tx, line.value["id"], line.value, await database_now(tx))
        elif line.kind == "apply":
            await self._save(line.value)
        elif line.kind in ORDER_KINDS:
            await self._order(line)

    async def _ingest(self, item: Mapping[str, Any]) -> None:
        answer = await self._intake.ingest_with_users([item], [])
        self._nudged = self._nudged or answer.changed
        [result] = answer.results
        if result.status != "accepted":
            reason = (result.fault or result.status).partition(":")[0]
            await self._refuse(parse_item({**item, "id": result.id}), reason)

    async def _refuse(self, item: Item, reason: str) -> None:
        """Note for every live follow-on that the item would trigger that it changed nothing."""
        catalogue, now = await self._cache.at_least(self._database), self._clock.now
        t = min(item.occurred_at, now)
        for entry in catalogue.listeners_of(item):
            if entry.live is not None and is_trigger(item, entry, t, catalogue):
                refusal = printed_object(
                    campaign=entry.id,
                    user=item.user,
                    trigger=item.id or "",
                    key=compute_key(item, entry, t),
                    triggered_at=t,
                    state="refused",
                    reason=reason,
                    decided_at=now,
                )
                self._unlogged.append(refusal)

    async def _save(self, *definitions: Any) -> None:
        async with self._database.write(self._workspace) as tx:
            await save_drafts(tx, definitions, await database_now(tx))

    async def _order(self, line: TimelineStep) -> None:
        order = Order(
            workspace=self._workspace,
            order_id=f"line-{line.number}",
            verb=line.kind,
            ids=line.value,
            allow_missed=line.allow_missed,
        )
        receipt = await ActivityEnvironment().run(self._publisher.carry_out_order, order)
        if line.kind in ("stop", "archive"):
            stopped = StoppedWindow(workspace=self._workspace, campaigns=receipt.changed)
            await ActivityEnvironment().run(self._publisher.end_waits, stopped)

    def _nudge(self) -> None:
        """There may be something for the outbox."""
        self._nudged = True

    async def _start_and_signal(self) -> None:
        """What the outbox does: a workflow for every new row, a signal for every one that ended from outside."""
        if not self._nudged:
            return
        self._nudged = False
        async with self._database.read(self._workspace) as tx:
            to_start = await find_to_start(tx, 1000)
            to_signal = await find_to_signal(tx, 1000)
            launches = await find_launches_to_signal(tx, 1000)
        if not (to_start or to_signal or launches):
            return
        async with self._database.write(self._workspace) as tx:
            await mark_started(tx, [one["id"] for one in to_start])
            await mark_signalled(tx, [one["id"] for one in to_signal])
            await mark_launches_signalled(tx, {one["launch_id"]: one["changed_in"] for one in launches})
        self._ended |= {one["id"] for one in to_signal}
        for one in sorted(to_start, key=lambda one: (one["next_at"], one["campaign"])):
            self._wait(one["next_at"], one["id"], one["campaign"], tuple(one["channels"]))
        for one in launches:
            page = LaunchPage(workspace=self._workspace, launch_id=one["launch_id"], campaign=one["campaign"])
            self._pages.setdefault(page.launch_id, page)
            self._wait_for_launch(self._clock.now, page.launch_id)

    def _wait(self, until: datetime, follow_up: str, campaign: str, channels: tuple[str, ...]) -> None:
        async def deliver() -> None:
            await self._deliver(follow_up, campaign, channels)

        self._push(until, 1, deliver)

    def _wait_for_launch(self, until: datetime, launch_id: str) -> None:
        async def step() -> None:
            await self._step(launch_id)

        self._push(until, 0, step)

    def _push(self, at: datetime, rank: int, act: Callable[[], Awaitable[None]]) -> None:
        self._numbers += 1
        heapq.heappush(self._timers, Timer(at, rank, self._numbers, act))

    async def _deliver(self, follow_up: str, campaign: str, channels: tuple[str, ...]) -> None:
        """What a follow-up's workflow does at the due time, and at the end of a hold."""
        in_progress = self._in_progress.setdefault(follow_up, set())
        waiting = list(channels)
        in_progress.update(waiting)
        while waiting and follow_up not in self._ended:
            channel = waiting.pop(0)
            request = SendRequest(workspace=self._workspace, follow_up_id=follow_up, campaign=campaign, channel=channel)
            outcome = await self._sender.attempt(request, now=self._clock.now, attempt=1)
            if outcome.outcome == "held" and outcome.until is not None:
                self._wait(outcome.until, follow_up, campaign, (channel,))
                continue
            in_progress.discard(channel)
            if outcome.outcome == "moved":
                waiting += [other for other in outcome.channels if other not in in_progress]
                in_progress.update(outcome.channels)

    async def _step(self, launch_id: str) -> None:
        """What a launch's workflow does until it has to wait."""
        while True:
            step = await self._launcher.step(self._pages[launch_id], now=self._clock.now, attempt=1)
            self._pages[launch_id] = step.next_page
            if step.phase in ("paused", "ended"):
                return
            if step.until is not None:
                self._wait_for_launch(step.until, launch_id)
                return
