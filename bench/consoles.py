"""What a hundred open pages of the console cost the API: interactions accepted with them, against none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from uuid import uuid4

from bench.figures import Figure, Row, Sample, at_least, at_most
from bench.installation import open_installation
from bench.people import open_pages, run_console
from bench.processor import seconds_of
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on

_PAGES = 100
_PATHS = ("/", "/campaigns", "/campaigns/waiting?days=30", "/follow-ups")
_NONE = "none open"
ROWS = (
    Row(f"accepted while {_PAGES} pages of the console are open", "/s", _NONE, (at_least(0.95),)),
    Row("processor time of the API per interaction meanwhile", "ms", _NONE, (at_most(1.05),)),
    Row(f"processor of the console with {_PAGES} open pages", "%"),
)


async def measure(bench: Bench) -> list[Figure]:
    """Measure both in turn, on one API and one database; every page polls as often as by default."""
    async with open_installation(bench) as installed:
        await installed.workspace.publish([follow_on("waiting", event="go", delay="1 day", exception="stop")])
        async with (
            installed.run_api_process() as (client, api),
            run_console(installed.settings, bench.folder) as (url, console),
        ):
            users = [f"u-{uuid4()}" for _ in range(bench.sizes.accepted)]
            await report(client, "seen", users)

            async def accept(pages: int) -> tuple[float, float, float]:
                """Return the rate, the API's milliseconds of each, and the console's share of a processor."""
                async with AsyncExitStack() as stack:
                    if pages:
                        await stack.enter_async_context(open_pages(url, _PATHS, pages))
                    started_at, before, console_before = perf_counter(), seconds_of(api.pid), seconds_of(console.pid)
                    rates = [await report(client, event, users) for event in ("seen", "go", "seen", "stop")]
                    seconds, items = perf_counter() - started_at, len(rates) * len(users)
                    cpu, console_cpu = seconds_of(api.pid) - before, seconds_of(console.pid) - console_before
                    await installed.workspace.wait_for_outbox()
                    return items / sum(len(users) / rate for rate in rates), cpu * 1000 / items, console_cpu / seconds

            async def measure_round(number: int) -> Sequence[Sample]:
                order = (_PAGES, 0) if number % 2 else (0, _PAGES)
                found = {pages: await accept(pages) for pages in order}
                (rate, cpu, share), (bare_rate, bare_cpu, _) = found[_PAGES], found[0]
                return [(rate, bare_rate), (cpu, bare_cpu), (share * 100, None)]

            return await bench.repeat("consoles", ROWS, measure_round)
