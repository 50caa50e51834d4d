"""The questions behind the console's pages: in a workspace with a million follow-ups, against one with a few."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from statistics import quantiles
from time import perf_counter
from typing import Any

from bench.figures import Figure, Row, Sample, at_most
from bench.filling import Volume, fill
from bench.people import Person, run_console, sign_in
from bench.processor import seconds_with_database
from bench.rounds import Bench
from bench.workspace import BenchWorkspace, open_workspace
from connector.rules.model.reasons import Reason
from connector.store.engine.database import database_now
from starter.operations.follow_ups import Criteria, read_follow_ups
from starter.operations.graph import read_graph
from starter.operations.overview import read_overview
from starter.operations.results import read_results

_LIMIT_MILLISECONDS, _FIRST_CONTENT_MILLISECONDS = 200, 1000
_MAX_CAMPAIGNS, _ROWS_PER_CAMPAIGN = 25, 40_000
_LARGEST, _RESULTS = "c0", "results of a campaign"
_Question = Callable[[BenchWorkspace, str, datetime], Awaitable[Any]]
_QUESTIONS: dict[str, Sequence[_Question]] = {
    "overview and graph": (
        lambda workspace, campaign, now: read_overview(workspace.context),
        lambda workspace, campaign, now: read_overview(workspace.context, search=campaign),
        lambda workspace, campaign, now: read_graph(workspace.context),
        lambda workspace, campaign, now: read_graph(workspace.context, around=campaign, depth=2),
    ),
    _RESULTS: (
        lambda workspace, campaign, now: read_results(workspace.context, campaign, by="day"),
        lambda workspace, campaign, now: read_results(
            workspace.context, campaign, since=now - timedelta(days=7), by="day"
        ),
    ),
    "lists of follow-ups": (
        *(
            lambda workspace, campaign, now, state=state: read_follow_ups(workspace.context, Criteria(state), 100)
            for state in (None, "waiting", "failed", "overdue")
        ),
        lambda workspace, campaign, now: read_follow_ups(workspace.context, Criteria(campaign=campaign), 100),
        lambda workspace, campaign, now: read_follow_ups(workspace.context, Criteria("refused", campaign), 100),
        lambda workspace, campaign, now: read_follow_ups(workspace.context, Criteria("sent", user="u7"), 100),
        lambda workspace, campaign, now: read_follow_ups(workspace.context, Criteria(channel="sms"), 100),
        lambda workspace, campaign, now: read_follow_ups(
            workspace.context, Criteria(reason=Reason.NO_CONSENT, until=now - timedelta(days=60)), 100
        ),
    ),
}


_PAGES = (
    "/", "/campaigns", "/campaigns/{campaign}?days=0", "/campaigns/c0?days=0", "/compose/{campaign}", "/compose",
    "/users", "/users/u7", "/follow-ups", "/follow-ups?campaign=c0&state=failed", "/follow-ups/f0000007",
    "/provider-events", "/keys", "/audit",
)  # fmt: skip


async def measure(bench: Bench) -> list[Figure]:
    """Measure the 95th percentile of each kind of question, also of the campaign with most users, and of pages."""
    full, few = _volumes(bench)
    aims = (at_most(_LIMIT_MILLISECONDS, of="ours"),)
    baseline = f"{few.follow_ups:,} follow-ups"
    rows = [Row(f"{name}, {full.follow_ups:,} follow-ups, p95", "ms", baseline, aims) for name in _QUESTIONS]
    rows.append(Row(f"results of the campaign with {full.follow_ups // 10:,} of them, p95", "ms", baseline, aims))
    rows.append(Row("processor time of a question, with the database's", "ms", baseline))
    first = (at_most(_FIRST_CONTENT_MILLISECONDS, of="ours"),)
    rows.append(Row("first content of a page of the console, p95", "ms", aims=first))
    rows.append(Row("first content of the slowest page of the console", "ms", aims=first))
    async with AsyncExitStack() as stack:
        workspaces = list[BenchWorkspace]()
        for volume in (full, few):
            bench.progress(f"creating {volume.follow_ups:,} follow-ups")
            workspace = await stack.enter_async_context(open_workspace(bench))
            await fill(workspace, volume)
            workspaces.append(workspace)
        person = await stack.enter_async_context(_sign_in(workspaces[0], bench))
        await _load_pages(person, "c1")  # what is done once for a process does not count

        async def measure_round(number: int) -> Sequence[Sample]:
            campaigns = min(full.follow_ups // _ROWS_PER_CAMPAIGN + 2, _MAX_CAMPAIGNS)
            measured = [await _ask(workspace, number, campaigns) for workspace in workspaces]
            pages = [time for place in range(2) for time in await _load_pages(person, f"c{2 * number + place}")]
            return [*zip(*measured, strict=True), (_p95(pages), None), (max(pages), None)]

        return await bench.repeat("asking", rows, measure_round)


def _volumes(bench: Bench) -> tuple[Volume, Volume]:
    follow_ups = bench.sizes.asked
    few = max(follow_ups // 100, 100)
    return (
        Volume(max(follow_ups // 1000, 10), max(follow_ups // 10, 10), follow_ups),
        Volume(10, max(few // 10, 10), few),
    )


@asynccontextmanager
async def _sign_in(workspace: BenchWorkspace, bench: Bench) -> AsyncIterator[Person]:
    settings = {"CONNECTOR_WORKSPACE": workspace.id, "CONNECTOR_DATABASE_URL": workspace.url}
    settings["CONNECTOR_CONSOLE_INTERVAL"] = "1 second"  # the answers of one round are not shown in the next
    async with run_console(settings, bench.folder) as (url, _), sign_in(url) as person:
        yield person


async def _ask(workspace: BenchWorkspace, number: int, count: int) -> list[float]:
    """Return the milliseconds of each kind of question, asked about so many campaigns in turn."""
    async with workspace.database.read(workspace.id) as tx:
        now = await database_now(tx)
    campaigns = sorted((await workspace.context.cache.at_least(workspace.database)).entries)
    chosen = [campaigns[(number + place * 37) % len(campaigns)] for place in range(count)]
    figures, asked, before = [], 0, await seconds_with_database(workspace.database)
    for questions in _QUESTIONS.values():
        times = [await _milliseconds(ask(workspace, name, now)) for name in chosen for ask in questions]
        figures.append(_p95(times))
        asked += len(times)
    largest = [await _milliseconds(ask(workspace, _LARGEST, now)) for _ in range(5) for ask in _QUESTIONS[_RESULTS]]
    used = await seconds_with_database(workspace.database) - before
    return [*figures, _p95(largest), used * 1000 / (asked + len(largest))]


async def _load_pages(person: Person, campaign: str) -> list[float]:
    return [(await person.load(path.format(campaign=campaign)))[0] for path in _PAGES]


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


async def _milliseconds(answer: Awaitable[Any]) -> float:
    started_at = perf_counter()
    await answer
    return (perf_counter() - started_at) * 1000
