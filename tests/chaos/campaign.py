"""One kill campaign: load and faults, then peace, quiet, and the comparison with the oracle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - the seed names the campaign; no rule draws anything

from sqlalchemy import func, select

from connector.store.engine.database import StoreUnavailable
from connector.store.follow_ups.outbox import find_to_signal, find_to_start
from connector.store.tables import follow_ups
from tests.chaos.faults import Faults
from tests.chaos.load import Load, campaigns
from tests.chaos.oracle import differences
from tests.chaos.records import Records, load_records
from tests.chaos.system import WORKSPACE, System, run_system
from tests.chaos.verdict import Verdict, evaluate
from tests.parity.stored import load_outcomes

_PROGRESS_SECONDS = 10


@dataclass(frozen=True)
class Plan:
    """How long and hard a campaign is. `quiet_seconds` bounds the wait until everything has ended."""

    seed: int
    seconds: float
    max_faults: int | None = None
    pause_seconds: float = 1.0
    reporters: int = 4
    quiet_seconds: float = 600
    restores: bool = False


@dataclass(frozen=True)
class Report:
    """The result of a campaign."""

    verdict: Verdict
    faults: dict[str, int]
    requests: dict[str, int]
    items: int
    follow_ups: int
    received: int
    orders: int
    seconds: float


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """Run a campaign; its logs are in the folder."""
    began = time.monotonic()
    async with run_system(folder, plan.seed) as system:
        starting = time.monotonic()
        await system.serve()
        start_seconds = time.monotonic() - starting
        say(f"everything started within {start_seconds:.0f} seconds")
        load = Load(system, plan.seed)
        await load.publish()
        faults = Faults(
            system, Random(f"faults {plan.seed}"), plan.pause_seconds, start_seconds, load.has_room, plan.restores
        )
        await _attack(plan, system, load, faults, say)
        records = await load_records(system.database, WORKSPACE, system.receiver.busy)
        (folder / "records.txt").write_text(records.text())
        produced = await load_outcomes(system.database, WORKSPACE, (), [])
        say("comparing with simulate")
        different = differences(produced, records, campaigns(system.hook))
        verdict = evaluate(
            records,
            accepted=load.accepted,
            received=system.receiver.accepted,
            unanswered=system.receiver.unanswered,
            terminated=faults.terminated,
            intervals=faults.intervals,
            differences=different,
        )
        verdict.wrong += [f"an item or order was refused: {one}" for one in load.refused]
        return _report(records, verdict, faults, load, system, time.monotonic() - began)


async def _attack(plan: Plan, system: System, load: Load, faults: Faults, say: Callable[[str], None]) -> None:
    """Let services report while faults happen, then end both, and wait until everything has ended."""
    loading = asyncio.create_task(load.run(plan.reporters))
    watching = asyncio.create_task(_report_progress(faults, load, say))
    try:
        attacking = asyncio.create_task(faults.run(plan.seconds, plan.max_faults))
        await asyncio.wait([attacking, loading], return_when=asyncio.FIRST_COMPLETED)
        if loading.done():  # it never ends by itself
            attacking.cancel()
            await loading
        await attacking
        say("peace: waiting until everything has ended")
        system.receiver.is_kind = True
        load.end()
        await loading
        await _be_quiet(system, plan.quiet_seconds, say)
    finally:
        loading.cancel()
        watching.cancel()


async def _report_progress(faults: Faults, load: Load, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        received = load.system.receiver.accepted.total()
        say(f"{len(faults.intervals)} faults, {len(load.accepted)} items acknowledged, {received} messages received")


async def _be_quiet(system: System, seconds: float, say: Callable[[str], None]) -> None:
    """Return when no follow-up is open and Temporal knows everything, or after `seconds`: what is open then is lost."""
    deadline = time.monotonic() + seconds
    while await _unfinished(system):
        if time.monotonic() > deadline:
            say(f"still not quiet after {seconds} seconds")
            return
        await asyncio.sleep(0.5)


async def _unfinished(system: System) -> int:
    """Return how much is left; something, if the database has only just come back."""
    is_open = follow_ups.c.state.in_(("waiting", "held", "sending"))
    found = select(func.count()).select_from(follow_ups)
    try:
        async with system.database.read(WORKSPACE) as tx:
            still_open: int = (await tx.execute(found.where(tx.in_workspace(follow_ups), is_open))).scalar_one()
            return still_open + len(await find_to_start(tx, 1)) + len(await find_to_signal(tx, 1))
    except StoreUnavailable:
        return 1


def _report(records: Records, verdict: Verdict, faults: Faults, load: Load, system: System, seconds: float) -> Report:
    return Report(
        verdict=verdict,
        faults=dict(sorted(faults.counts.items())),
        requests=dict(load.requests.most_common()),
        items=len(load.accepted),
        follow_ups=len(records.rows),
        received=system.receiver.accepted.total(),
        orders=len(records.orders),
        seconds=seconds,
    )
