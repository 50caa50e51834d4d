"""Time per interaction with many campaigns, against few."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from bench.environment import BATCH_SIZE, BenchWorkspace, open_workspace
from bench.figures import Figure, Progress, Sizes, figure
from connector.rules.model.campaigns import Campaign
from connector.rules.model.interactions import Interaction, InteractionType
from connector.store.engine.database import database_now


async def measure(sizes: Sizes, folder: Path, progress: Progress) -> Figure:
    """Measure interactions that each start a follow-up, in a large catalogue and in a small one, in turn."""
    async with AsyncExitStack() as stack:
        workspaces = []
        for count in (sizes.many_campaigns, sizes.few_campaigns):
            progress(f"publishing {count:,} campaigns")
            workspaces.append(workspace := await stack.enter_async_context(open_workspace(folder)))
            await workspace.publish(_create_pairs(count))
            await _milliseconds_each(workspace, count, 1)
        rounds = []
        for number in range(sizes.rounds):
            progress(f"ingesting, round {number + 1} of {sizes.rounds}")
            many = await _milliseconds_each(workspaces[0], sizes.many_campaigns, sizes.batches)
            few = await _milliseconds_each(workspaces[1], sizes.few_campaigns, sizes.batches)
            rounds.append((many, few))
    return figure(
        f"time per interaction, {sizes.many_campaigns:,} campaigns",
        "ms",
        f"{sizes.few_campaigns} campaigns",
        rounds,
        aim=1.1,
        better="lower",
    )


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
