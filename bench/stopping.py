"""Time for a `stop` of a campaign while a worker that has just started has thousands of its follow-ups to send."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from bench.figures import Figure, Row, Sample, at_most
from bench.installation import Installation, open_installation
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on, until
from connector.rules.model.reasons import State


async def measure(bench: Bench) -> list[Figure]:
    """Measure the order over HTTP, once the worker sends."""
    row = Row(f"stop with {bench.sizes.backlog:,} due", "s", aims=(at_most(3, of="ours"),))

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            return [(await _seconds_to_stop(installed, bench.sizes.backlog), None)]

    return await bench.repeat("stopping", [row], measure_round)


async def _seconds_to_stop(installed: Installation, backlog: int) -> float:
    workspace = installed.workspace
    await workspace.publish([follow_on("due", event="go")])
    users = await workspace.create_users(backlog)
    async with installed.run_api() as api:
        await report(api, "go", users)
        await workspace.wait_for_outbox()
        async with installed.run_worker():
            await workspace.wait_for("due", State.SENT, 1)
            started_at = perf_counter()
            response = await api.post("/v1/campaigns/due/stop")
            if response.is_success:
                return perf_counter() - started_at
            await _wait_until_stopped(installed)  # the API gave up, the registry did not
            return perf_counter() - started_at


async def _wait_until_stopped(installed: Installation) -> None:
    context = installed.workspace.context

    async def is_stopped() -> bool:
        return (await context.cache.at_least(context.database)).entries["due"].live is None

    await until(is_stopped, "the order to be carried out")
