"""Follow-ups started a second, against a bare loop of `start_workflow`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from temporalio.client import Client

from bench import bare
from bench.figures import Figure, Sizes, figure
from bench.ground import Ground, follow_on, laid
from bench.progress import Progress
from connector.temporal.outbox import Outbox


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """Rows that wait for their workflow, started by the outbox and marked in the store; nobody works on either side."""
    rounds = []
    async with laid(folder) as ground:
        await ground.publish([follow_on("later", event="go", delay="1 day")])
        await _started_per_second(ground, client, 10)
        for number in range(sizes.rounds):
            progress(f"starting, round {number + 1} of {sizes.rounds}")
            ours = await _started_per_second(ground, client, sizes.starts)
            tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a measurement, not a rule
            rounds.append((ours, await bare.starts_per_second(client, sizes.starts, due_at=tomorrow)))
    return figure("follow-ups started", "/s", "bare start_workflow", rounds, aim=0.9, better="higher")


async def _started_per_second(ground: Ground, client: Client, count: int) -> float:
    await ground.trigger("go", await ground.invite(count))
    outbox = Outbox(ground.database, ground.workspace, client)
    begun, done = perf_counter(), 0
    while done < count:
        done += await outbox.flush()
    return count / (perf_counter() - begun)
