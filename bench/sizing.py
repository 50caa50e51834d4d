"""Bytes per row on PostgreSQL, and events and bytes per follow-up on Temporal: the figures of the arithmetic in
docs/load.md. Sizes include indexes and the dead rows of updates, as a burst leaves them before the first vacuum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
from sqlalchemy import text
from temporalio.client import WorkflowExecution

from bench.figures import Figure, Row
from bench.installation import Installation, start_temporal
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import BenchWorkspace, follow_on, open_workspace, until
from connector.rules.model.reasons import State

_SAMPLED = 20
_SIZES = text(
    "SELECT coalesce(parent.relname, own.relname), sum(pg_total_relation_size(own.oid)) FROM pg_class own "
    "LEFT JOIN pg_inherits ON inhrelid = own.oid LEFT JOIN pg_class parent ON parent.oid = inhparent "
    "WHERE own.relkind = 'r' AND own.relnamespace = 'public'::regnamespace GROUP BY 1"
)
_WAL = text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")


@dataclass(frozen=True)
class _Sizes:
    """Bytes so far: of each table, and of the write-ahead log."""

    tables: Mapping[str, int]
    wal: int


async def measure(bench: Bench) -> list[Figure]:
    """Measure what users, events, follow-ups that are sent and follow-ups that are excepted add."""
    count, figures = bench.sizes.sized, list[Figure]()
    async with open_workspace(bench) as workspace, start_temporal(bench.folder) as client:
        installed = Installation(workspace, client, bench.folder)
        await workspace.publish(
            [
                follow_on("sent", event="go", delay="5 seconds"),
                follow_on("waiting", event="wait", delay="1 day", exception="stop"),
            ]
        )
        async with installed.run_worker(), installed.run_api() as api:
            before = await _read_sizes(workspace)
            users = await workspace.create_users(count)
            before, added = await _added(workspace, before)
            figures += _figures("user", added, count, ("users", "user_aliases"))
            await report(api, "seen", users)
            before, added = await _added(workspace, before)
            figures += _figures("event that touches nothing", added, count, ("interactions",))
            await _send(workspace, api, users)
            before, added = await _added(workspace, before)
            tables = ("interactions", "follow_ups", "deliveries", "receipts")
            figures += _figures("follow-up sent", added, count, tables)
            figures += await _history_figures(installed, "sent", "sent")
            await _except(workspace, api, users)
            before, added = await _added(workspace, before)
            figures += _figures("follow-up excepted", added, count, ("interactions", "follow_ups"))
            figures += await _history_figures(installed, "waiting", "excepted")
    return figures


async def _send(workspace: BenchWorkspace, api: httpx.AsyncClient, users: Sequence[str]) -> None:
    await report(api, "go", users)
    await workspace.wait_for("sent", State.SENT, len(users))


async def _except(workspace: BenchWorkspace, api: httpx.AsyncClient, users: Sequence[str]) -> None:
    await report(api, "wait", users)
    await workspace.wait_for_outbox()
    await report(api, "stop", users)
    await workspace.wait_for_outbox()


async def _read_sizes(workspace: BenchWorkspace) -> _Sizes:
    async with workspace.database.read(workspace.id) as tx:
        tables = {name: int(size) for name, size in await tx.execute(_SIZES)}
        wal = int((await tx.execute(_WAL)).scalar_one())
    return _Sizes(tables, wal)


async def _added(workspace: BenchWorkspace, before: _Sizes) -> tuple[_Sizes, _Sizes]:
    """Return the sizes now, and how much that is more than before."""
    now = await _read_sizes(workspace)
    tables = {name: size - before.tables.get(name, 0) for name, size in now.tables.items()}
    return now, _Sizes(tables, now.wal - before.wal)


def _figures(what: str, added: _Sizes, count: int, tables: Sequence[str]) -> list[Figure]:
    sizes = {f"{what}: {name}": added.tables[name] for name in tables} | {f"{what}: WAL": added.wal}
    return [Row(name, "bytes").figure([(size / count, None)]) for name, size in sizes.items()]


async def _history_figures(installed: Installation, campaign: str, state: str) -> list[Figure]:
    """Return the events and bytes in the histories of some closed workflows of a campaign."""
    query, found = f'CampaignId = "{campaign}" AND ExecutionStatus = "Completed"', list[WorkflowExecution]()

    async def have_closed() -> bool:
        found[:] = [execution async for execution in installed.temporal.list_workflows(query, limit=_SAMPLED)]
        return bool(found)

    await until(have_closed, f"workflows that are {state}")
    infos = [execution.raw_info for execution in found]
    sizes = {"events": [info.history_length for info in infos], "bytes": [info.history_size_bytes for info in infos]}
    what = f"history of a follow-up that is {state}"
    return [Row(what, unit).figure([(value, None) for value in values]) for unit, values in sizes.items()]
