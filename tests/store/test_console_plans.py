"""What the console asks is read by index and in few statements, however many rows there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from connector.app.store_context import StoreContext
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.operations.graph import read_graph
from starter.operations.overview import read_overview
from starter.operations.results import read_results
from starter.operations.status import read_campaign_status, read_status
from tests.support.builders import ABANDONED, BASE, ORIGINAL, buy, push
from tests.support.installation import Installation
from tests.support.query_plans import explain, walks
from tests.support.statements import listening_to

QUESTIONS: dict[str, tuple[int, Callable[[StoreContext], Awaitable[Any]]]] = {
    "overview": (6, read_overview),
    "overview of one page": (6, lambda context: read_overview(context, after="a", limit=1)),
    "graph": (4, read_graph),
    "neighbourhood": (4, lambda context: read_graph(context, around="f", depth=2)),
    "results": (8, lambda context: read_results(context, "f")),
    "results of a day": (9, lambda context: read_results(context, "f", since=BASE, until=BASE + timedelta(days=1))),
    "results by day": (8, lambda context: read_results(context, "f", by="day")),
    "status": (4, read_status),
    "status of one": (8, lambda context: read_campaign_status(context, "f")),
}
"""What is asked, and the most statements that it may take; the catalogue's version is one of them."""
_SMALL = ("catalogue", "follow_up_counts", "sequences")
"""Tables that have a row for each workspace, or for each campaign, state and reason: these are read whole."""


@pytest.fixture
async def context(database: Database, installation: Installation) -> StoreContext:
    """A few follow-ups and a refusal; SQLite plans without statistics, and PostgreSQL is forbidden to scan."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(*(push(f"p{n}", n, f"u{n}") for n in range(4)), buy("b", 9, "u0"), push("again", 5, "u1"))
    context = StoreContext(Settings(), database, installation.cache)
    await context.cache.at_least(database)
    return context


async def test_no_question_reads_a_table_from_end_to_end(context: StoreContext) -> None:
    """Neither the follow-ups nor the log, messages, refusals or assignments are walked, and statements are few."""
    bad: dict[str, Any] = {}
    for name, (most, ask) in QUESTIONS.items():
        asked: list[tuple[str, Any]] = []
        with listening_to("before_cursor_execute", lambda _c, _k, told, values, *_: asked.append((told, values))):  # noqa: B023
            await ask(context)
        asked = [one for one in asked if "FROM" in one[0]]  # not the clock, nor settings of the transaction
        if len(asked) > most:
            bad[name] = [statement for statement, _ in asked]
        async with context.database.read("default") as tx:
            if tx.dialect == "postgresql":
                await tx.execute(text("SET LOCAL enable_seqscan = off"))
            for statement, values in asked:
                if steps := await _walking_steps(tx, statement, values):
                    bad[f"{name}: {statement}"] = steps
    assert bad == {}


async def _walking_steps(tx: Any, statement: str, values: Any) -> list[str]:
    if tx.dialect == "sqlite":
        steps = [step for step in await explain(tx, statement) if walks(step)]
        return [step for step in steps if not _is_small(step)]
    plan = await tx.connection.exec_driver_sql(f"EXPLAIN {statement}", values)
    return [line for line in plan.scalars() if "Seq Scan on" in line and not _is_small(line)]


def _is_small(step: str) -> bool:
    is_derived = step.startswith(("SCAN anon", "SCAN (", "SCAN examined", "SCAN CONSTANT"))
    return is_derived or any(f" {table}" in step for table in _SMALL)
