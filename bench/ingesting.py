"""Time per interaction with many campaigns, against few: the intake alone, because HTTP would hide most of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from time import perf_counter
from uuid import uuid4

from bench.figures import Figure, Row, Sample, at_most
from bench.reporting import BATCH_SIZE
from bench.rounds import Bench
from bench.workspace import BenchWorkspace, open_workspace
from connector.rules.model.campaigns import Campaign
from connector.rules.model.interactions import Interaction, InteractionType
from connector.store.engine.database import database_now

FEW = 10


async def measure(bench: Bench) -> list[Figure]:
    """Measure interactions that each start a follow-up, in a large catalogue and in a small one, in turn."""
    many, batches = bench.sizes.many_campaigns, bench.sizes.batches
    row = Row(f"time per interaction, {many:,} campaigns", "ms", f"{FEW} campaigns", (at_most(1.05),))
    async with AsyncExitStack() as stack:
        workspaces: dict[int, BenchWorkspace] = {}
        for count in (many, FEW):
            bench.progress(f"publishing {count:,} campaigns")
            workspaces[count] = await stack.enter_async_context(open_workspace(bench))
            await workspaces[count].publish(_create_pairs(count))
            await _milliseconds_each(workspaces[count], count, batches)

        async def measure_round(number: int) -> Sequence[Sample]:
            order = (many, FEW) if number % 2 else (FEW, many)
            measured = {count: await _milliseconds_each(workspaces[count], count, batches) for count in order}
            return [(measured[many], measured[FEW])]

        return await bench.repeat("ingesting", [row], measure_round)


def _create_pairs(count: int) -> list[Campaign]:
    """Return `count` campaigns: pairs of a target and a follow-on that clicks on it trigger."""
    pairs = []
    for number in range(count // 2):
        pairs.append({"campaign": f"target-{number}", "delivery": {"type": "external"}})
        trigger = {"interaction": "click_email", "campaign": f"target-{number}"}
        delivery = {"type": "action_based", "trigger": [trigger], "delay": {"after": "1 day"}}
        message = {"push": {"title": "Hello", "body": "Again"}}
        pairs.append({"campaign": f"follow-on-{number}", "delivery": delivery, "messages": message})
    return [Campaign.model_validate(pair) for pair in pairs]


async def _milliseconds_each(workspace: BenchWorkspace, campaigns: int, batches: int) -> float:
    items = await _create_clicks(workspace, campaigns // 2, batches * BATCH_SIZE)
    started_at = perf_counter()
    for start in range(0, len(items), BATCH_SIZE):
        await workspace.context.intake.ingest(items[start : start + BATCH_SIZE])
    return (perf_counter() - started_at) * 1000 / len(items)


async def _create_clicks(workspace: BenchWorkspace, targets: int, count: int) -> Sequence[Interaction]:
    """Return clicks of new users, spread over all targets."""
    async with workspace.database.read(workspace.id) as tx:
        now = await database_now(tx)
    step = max(1, targets // BATCH_SIZE)
    spread = (f"target-{(number * step) % targets}" for number in range(count))
    return [
        Interaction(
            id=str(uuid4()), user=f"u-{uuid4()}", type=InteractionType.CLICK_EMAIL, campaign=name, occurred_at=now
        )
        for name in islice(spread, count)
    ]
