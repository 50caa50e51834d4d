"""Follow-ups started per second by the outbox of a real API, against a bare loop of `start_workflow`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter

import httpx

from bench import bare
from bench.figures import Figure, Row, Sample, at_least
from bench.installation import Installation, open_installation
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on

ROW = Row("follow-ups started", "/s", "bare start_workflow", (at_least(0.95),))


async def measure(bench: Bench) -> list[Figure]:
    """Measure rows without a workflow, which the outbox starts and marks; no worker runs on either side."""
    count = bench.sizes.starts
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a measurement, not a rule

    async def measure_round(number: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            await installed.workspace.publish([follow_on("later", event="go", delay="1 day")])
            async with installed.run_api() as api:
                await _started_per_second(installed, api, bench.sizes.warm_ups)
                await bare.starts_per_second(installed.temporal, bench.sizes.warm_ups, due_at=tomorrow)
                if number % 2:
                    baseline = await bare.starts_per_second(installed.temporal, count, due_at=tomorrow)
                    ours = await _started_per_second(installed, api, count)
                else:
                    ours = await _started_per_second(installed, api, count)
                    baseline = await bare.starts_per_second(installed.temporal, count, due_at=tomorrow)
        return [(ours, baseline)]

    return await bench.repeat("starting", [ROW], measure_round)


async def _started_per_second(installed: Installation, api: httpx.AsyncClient, count: int) -> float:
    """Report all triggers in one request: the clock runs from its response, when all rows are in the store."""
    users = await installed.workspace.create_users(count)
    await report(api, "go", users, batch_size=max(1, count))
    started_at = perf_counter()
    await installed.workspace.wait_for_outbox()
    return count / (perf_counter() - started_at)
