"""Follow-ups started per second, against a bare loop of `start_workflow`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from temporalio.client import Client

from bench import bare
from bench.environment import BenchWorkspace, follow_on, open_workspace
from bench.figures import Figure, Progress, Sizes, figure


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """Measure rows without a workflow, which the outbox starts and marks; no worker runs on either side."""
    rounds = []
    async with open_workspace(folder, client) as workspace:
        await workspace.publish([follow_on("later", event="go", delay="1 day")])
        await _started_per_second(workspace, 10)
        for number in range(sizes.rounds):
            progress(f"starting, round {number + 1} of {sizes.rounds}")
            ours = await _started_per_second(workspace, sizes.starts)
            tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a measurement, not a rule
            rounds.append((ours, await bare.starts_per_second(client, sizes.starts, due_at=tomorrow)))
    return figure("follow-ups started", "/s", "bare start_workflow", rounds, aim=0.9, better="higher")


async def _started_per_second(workspace: BenchWorkspace, count: int) -> float:
    await workspace.report("go", await workspace.create_users(count))
    started_at, done = perf_counter(), 0
    while done < count:
        done += await workspace.context.outbox.flush()
    return count / (perf_counter() - started_at)
