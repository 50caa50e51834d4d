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

_PATHS = ("/", "/campaigns", "/campaigns/waiting?days=30", "/follow-ups")
_NONE = "none open"
_TICK_SECONDS = 0.01


async def measure(bench: Bench) -> list[Figure]:
    """Measure both in turn, on one API and one database; every page polls as often as by default."""
    pages = bench.sizes.open_pages
    rows = (
        Row(f"accepted while {pages} pages of the console are open", "/s", _NONE, (at_least(0.95),)),
        Row("processor time of the API per interaction meanwhile", "ms", _NONE, (at_most(1.05),)),
        Row(f"share of a processor that the console with {pages} open pages takes", "%"),
    )
    async with open_installation(bench) as installed:
        await installed.workspace.publish([follow_on("waiting", event="go", delay="1 day", exception="stop")])
        async with (
            installed.run_api_process() as (client, api),
            run_console(installed.settings, bench.folder) as (url, console),
        ):
            users = [f"u-{uuid4()}" for _ in range(bench.sizes.accepted)]
            await report(client, "seen", users)

            async def accept(count: int) -> tuple[float, float, float]:
                """Return the rate, the API's milliseconds of each, and the console's share of a processor."""
                async with AsyncExitStack() as stack:
                    await stack.enter_async_context(open_pages(url, _PATHS, count))
                    started_at, before, console_before = perf_counter(), seconds_of(api.pid), seconds_of(console.pid)
                    rates = [await report(client, event, users) for event in ("seen", "go", "seen", "stop")]
                    await installed.workspace.wait_for_outbox()  # the same work with and without pages
                    seconds, items = perf_counter() - started_at, len(rates) * len(users)
                    cpu, console_cpu = seconds_of(api.pid) - before, seconds_of(console.pid) - console_before
                    return (
                        items / sum(len(users) / rate for rate in rates),
                        cpu * 1000 / items,
                        max(console_cpu, _TICK_SECONDS) / seconds,
                    )

            await accept(0)  # compilation and connections do not count

            async def measure_round(number: int) -> Sequence[Sample]:
                order = (pages, 0) if number % 2 else (0, pages)
                found = {count: await accept(count) for count in order}
                (rate, cpu, share), (bare_rate, bare_cpu, _) = found[pages], found[0]
                return [(rate, bare_rate), (cpu, bare_cpu), (share * 100, None)]

            return await bench.repeat("consoles", rows, measure_round)
