"""Ingest while a million old rows are deleted: the slowest requests, against the same requests before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from statistics import quantiles
from time import perf_counter
from uuid import uuid4

import httpx

from bench.figures import Figure, Row, Sample, at_most
from bench.installation import open_installation
from bench.reporting import create_bodies, send_bodies
from bench.rounds import Bench
from bench.workspace import BenchWorkspace
from connector.app.cleanup_settings import kept_by
from connector.store.cleanup.cleaning import Cleaning
from connector.store.engine.bulk import insert_rows
from connector.store.engine.database import database_now
from connector.store.engine.partitions import ensure_partitions
from connector.store.tables import interactions

_DAYS = 10
"""The number of past days over which the rows are spread: on PostgreSQL each has a partition."""
_ROWS_PER_INSERT = 5_000
_CONNECTIONS, _ITEMS, _PAUSE_SECONDS = 4, 20, 0.1


async def measure(bench: Bench) -> list[Figure]:
    """Measure the 99th percentile of requests on four connections, during the cleanup and before."""
    rows, paced = bench.sizes.old_rows, bench.sizes.paced
    row = Row(f"ingest p99, {rows:,} old rows deleted", "ms", "before", (at_most(2),))

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            await _log_old_rows(installed.workspace, rows)
            async with installed.run_api() as api:
                await _p99_milliseconds(api, paced)  # compilation and connections do not count
                before = await _p99_milliseconds(api, paced)
                cleanup = asyncio.create_task(_clean(installed.workspace, rows))
                meanwhile = await _p99_milliseconds(api, paced, cleanup.done)
                await cleanup
                return [(meanwhile, before)]

    return await bench.repeat("cleaning", [row], measure_round)


async def _log_old_rows(workspace: BenchWorkspace, rows: int) -> None:
    """Log rows of days before the retention, as if they had arrived then."""
    async with workspace.database.read(workspace.id) as tx:
        first = (await database_now(tx)).date() - timedelta(days=100 + _DAYS)
    await ensure_partitions(workspace.database, first, ahead_days=_DAYS - 1)
    size = min(rows // _DAYS, _ROWS_PER_INSERT)
    for number in range(rows // size):
        noon = datetime.combine(first + timedelta(days=number % _DAYS), time(12), UTC)
        shared = {"workspace": workspace.id, "day": noon.date(), "kind": "event", "topic": "seen", "properties": {}}
        shared |= dict.fromkeys(("t", "occurred_at", "received_at"), noon)
        old = [{"id": str(uuid4()), "user_key": f"u{place % 997}", "seq": place} for place in range(size)]
        async with workspace.database.write(workspace.id) as tx:
            await tx.execute(insert_rows(tx, interactions, old, shared=shared))


async def _clean(workspace: BenchWorkspace, rows: int) -> None:
    context = workspace.context
    cleaned = await Cleaning(context.database, context.cache, workspace.id, kept_by(context.settings)).clean()
    if workspace.database.dialect == "sqlite" and cleaned.rows["interactions"] != rows:
        raise RuntimeError(f"the cleanup deleted {cleaned.rows['interactions']} rows")
    if workspace.database.dialect == "postgresql" and len(cleaned.days) < _DAYS:
        raise RuntimeError(f"the cleanup dropped {len(cleaned.days)} days: {cleaned.faults}")


async def _p99_milliseconds(api: httpx.AsyncClient, requests: int, is_over: Callable[[], bool] = lambda: True) -> float:
    """Send so many requests, and more until `is_over`; return the 99th percentile of their times."""
    times: list[float] = []

    async def send() -> None:
        while len(times) < requests or not is_over():
            [body] = create_bodies("seen", [f"u-{uuid4()}" for _ in range(_ITEMS)])
            started_at = perf_counter()
            await send_bodies(api, [body], _ITEMS)
            times.append((perf_counter() - started_at) * 1000)
            await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(send() for _ in range(_CONNECTIONS)))
    return quantiles(times, n=100, method="inclusive")[98]
