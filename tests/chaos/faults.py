"""The faults: each attacks one part for a while, and leaves it whole."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - the seed names the campaign; no rule draws anything

from sqlalchemy import select
from temporalio.service import RPCError

from connector import names
from connector.store.engine.database import StoreUnavailable
from connector.store.tables import follow_ups
from tests.chaos.supervised import Supervised
from tests.chaos.system import WORKSPACE, System
from tests.support.faulty_proxy import FaultyProxy

_MAX_AT_ONCE = 2
_WORK_SECONDS = 2.0
"""A process is not attacked until it has worked for this time after its start, so that any work is done at all."""
_CALM_SECONDS = 45.0
"""As long as a killed worker's attempt needs to be made again."""
_AHEAD = timedelta(seconds=3)
"""A workflow is terminated only if it is due later than this: it is not being sent then."""


@dataclass(frozen=True)
class Interval:
    """When a fault had an effect, in UTC."""

    kind: str
    began_at: datetime
    ended_at: datetime


@dataclass
class Faults:
    """Attacks the system at random, and remembers when it did what.

    Args:
        pause_seconds: between the beginnings of two faults, on average.
        start_seconds: how long processes take to start on this machine.
        may_go_on: clear while the system has more to do than it should; then it is left alone for a while.
        restores: set Temporal back to an earlier copy of its file, too.
    """

    system: System
    random: Random
    pause_seconds: float
    start_seconds: float
    may_go_on: asyncio.Event
    restores: bool = False
    intervals: list[Interval] = field(default_factory=list)
    terminated: set[str] = field(default_factory=set)
    _attacked: set[str] = field(default_factory=set)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def counts(self) -> Counter[str]:
        """How often each kind of fault has happened."""
        return Counter(interval.kind for interval in self.intervals)

    async def run(self, seconds: float, limit: int | None) -> None:
        """Attack for so long, or until there were so many faults; return when every part was left whole again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (limit is None or len(self.intervals) + len(self._running) < limit):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.may_go_on.wait(), min(_CALM_SECONDS, max(0, end - time.monotonic())))
            if len(self._running) < _MAX_AT_ONCE:
                self._begin()
            await asyncio.sleep(self.pause_seconds * self.random.uniform(0.3, 1.7))
        await asyncio.gather(*self._running)

    def _begin(self) -> None:
        kind, part, fault = self.random.choice(self._possible())
        task = asyncio.create_task(self._attack(kind, part, fault))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _attack(self, kind: str, part: str, fault: Callable[[], Awaitable[bool]]) -> None:
        if part in self._attacked:
            return
        self._attacked.add(part)
        began_at = _now()
        try:
            if await fault():
                self.intervals.append(Interval(kind, began_at, _now()))
        finally:
            self._attacked.discard(part)

    def _possible(self) -> Sequence[tuple[str, str, Callable[[], Awaitable[bool]]]]:
        """Return every fault as its kind, the part that it attacks, and what does it."""
        system = self.system
        found: list[tuple[str, str, Callable[[], Awaitable[bool]]]] = []
        for role, processes in (("worker", system.workers), ("api", system.apis)):
            for process in processes:
                found += [
                    (f"{role} killed", process.name, lambda p=process: self._kill(p)),
                    (f"{role} terminated", process.name, lambda p=process: self._terminate(p)),
                    (f"{role} suspended", process.name, lambda p=process: self._suspend(p)),
                ]
        for name, proxy in system.proxies.items():
            found += [
                (f"{name} silent", f"proxy {name}", lambda p=proxy: self._silence(p)),
                (f"{name} reset", f"proxy {name}", lambda p=proxy: self._reset(p)),
                (f"{name} refused", f"proxy {name}", lambda p=proxy: self._refuse(p)),
            ]
        return [
            *found,
            ("postgresql crashed", "postgresql", self._crash_postgresql),
            ("postgresql suspended", "postgresql", self._suspend_postgresql),
            ("temporal killed", "temporal", self._kill_temporal),
            ("temporal suspended", "temporal", lambda: self._suspend(system.temporal)),
            *[("workflow terminated", "", self._terminate_workflow)] * 2,
            *[("temporal restored", "temporal", self._restore_temporal)] * (2 if self.restores else 0),
        ]

    def _works(self, process: Supervised) -> bool:
        return process.age_seconds > self.start_seconds + _WORK_SECONDS

    async def _kill(self, process: Supervised) -> bool:
        if not self._works(process):
            return False
        process.signal(signal.SIGKILL)
        await self._sleep(0.2, 0.6)
        return True

    async def _terminate(self, process: Supervised) -> bool:
        if not self._works(process):
            return False
        starts = process.starts
        process.signal(signal.SIGTERM)
        while process.starts == starts:  # it completes what has begun
            await asyncio.sleep(0.1)
        return True

    async def _suspend(self, process: Supervised) -> bool:
        if not self._works(process):
            return False
        process.signal(signal.SIGSTOP)
        await self._sleep(0.5, 8)
        process.signal(signal.SIGCONT)
        return True

    async def _kill_temporal(self) -> bool:
        temporal = self.system.temporal
        if not self._works(temporal):
            return False
        temporal.hold_back(True)
        temporal.signal(signal.SIGKILL)
        await self._sleep(0, 4)
        temporal.hold_back(False)
        return True

    async def _restore_temporal(self) -> bool:
        """Copy Temporal's file, let it work for a while, and set it back to the copy."""
        temporal, files = self.system.temporal, self.system.temporal_file
        if not self._works(temporal):
            return False
        for is_restored in (False, True):
            temporal.hold_back(True)
            temporal.signal(signal.SIGKILL)
            while temporal.pid:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(_restore if is_restored else _save, files)
            temporal.hold_back(False)
            await self._sleep(self.start_seconds + 3, self.start_seconds + 10)
        return True

    async def _crash_postgresql(self) -> bool:
        await asyncio.to_thread(self.system.server.crash)
        await self._sleep(0, 3)
        await asyncio.to_thread(self.system.server.start)
        return True

    async def _suspend_postgresql(self) -> bool:
        self.system.server.suspend()
        await self._sleep(0.5, 5)
        self.system.server.resume()
        return True

    async def _silence(self, proxy: FaultyProxy) -> bool:
        proxy.fall_silent()
        await self._sleep(1, 8)
        proxy.end_silence()
        return True

    async def _refuse(self, proxy: FaultyProxy) -> bool:
        proxy.refuse(True)
        proxy.reset()
        await self._sleep(0.5, 4)
        proxy.refuse(False)
        return True

    async def _reset(self, proxy: FaultyProxy) -> bool:
        proxy.reset()
        return True

    async def _terminate_workflow(self) -> bool:
        """Terminate one follow-up that waits, if there is any and the servers answer."""
        try:
            async with asyncio.timeout(10):
                row = await self._waiting_follow_up()
                if row is None:
                    return False
                client = await self.system.connect()
                handle = client.get_workflow_handle(names.follow_up_id(WORKSPACE, row.campaign, row.user_key, row.id))
                self.terminated.add(row.id)
                await handle.terminate("by the kill campaign")
        except (RPCError, StoreUnavailable, RuntimeError, TimeoutError, OSError):
            return False
        return True

    async def _waiting_follow_up(self):
        table = follow_ups.c
        async with self.system.database.read(WORKSPACE) as tx:
            found = select(table.id, table.campaign, table.user_key).where(
                tx.in_workspace(follow_ups),
                table.state == "waiting",
                table.started_at.is_not(None),
                table.due_at > _now() + _AHEAD,
            )
            rows = (await tx.execute(found)).all()
        return self.random.choice(rows) if rows else None

    async def _sleep(self, least: float, most: float) -> None:
        await asyncio.sleep(self.random.uniform(least, most))


def _save(file: Path) -> None:
    shutil.rmtree(file.with_suffix(".older"), ignore_errors=True)
    file.with_suffix(".older").mkdir()
    for part in file.parent.glob(f"{file.name}*"):
        shutil.copy(part, file.with_suffix(".older") / part.name)


def _restore(file: Path) -> None:
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    for part in file.with_suffix(".older").iterdir():
        shutil.copy(part, file.parent / part.name)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - servers and databases of this machine use the same clock
