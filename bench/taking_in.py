"""Time per interaction with many campaigns, against few."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from bench.figures import Figure, Sizes, figure
from bench.ground import BATCH, Ground, laid
from bench.progress import Progress
from connector.rules.model.campaigns import Campaign
from connector.rules.model.interactions import Interaction, InteractionType
from connector.store.engine.database import database_now


async def measure(sizes: Sizes, folder: Path, progress: Progress) -> Figure:
    """Every interaction begins a follow-up, in the large catalogue and in the small one, by turns."""
    async with AsyncExitStack() as stack:
        grounds = []
        for count in (sizes.many_campaigns, sizes.few_campaigns):
            progress(f"publishing {count:,} campaigns")
            grounds.append(ground := await stack.enter_async_context(laid(folder)))
            await ground.publish(_pairs(count))
            await _milliseconds_each(ground, count, 1)
        rounds = []
        for number in range(sizes.rounds):
            progress(f"taking in, round {number + 1} of {sizes.rounds}")
            many = await _milliseconds_each(grounds[0], sizes.many_campaigns, sizes.batches)
            few = await _milliseconds_each(grounds[1], sizes.few_campaigns, sizes.batches)
            rounds.append((many, few))
    return figure(
        f"time per interaction, {sizes.many_campaigns:,} campaigns",
        "ms",
        f"{sizes.few_campaigns} campaigns",
        rounds,
        aim=1.1,
        better="lower",
    )


def _pairs(count: int) -> list[Campaign]:
    """So many campaigns: originals, each with a follow-on on clicks of it."""
    pairs = []
    for number in range(count // 2):
        pairs.append({"campaign": f"original-{number}", "delivery": {"type": "external"}})
        trigger = {"interaction": "click_email", "campaign": f"original-{number}"}
        delivery = {"type": "action_based", "trigger": [trigger], "delay": {"after": "1 day"}}
        message = {"push": {"title": "Hello", "body": "Again"}}
        pairs.append({"campaign": f"follow-on-{number}", "delivery": delivery, "messages": message})
    return [Campaign.model_validate(pair) for pair in pairs]


async def _milliseconds_each(ground: Ground, campaigns: int, batches: int) -> float:
    items = await _clicks(ground, campaigns // 2, batches * BATCH)
    begun = perf_counter()
    for start in range(0, len(items), BATCH):
        await ground.intake.ingest(items[start : start + BATCH])
    return (perf_counter() - begun) * 1000 / len(items)


async def _clicks(ground: Ground, originals: int, count: int) -> Sequence[Interaction]:
    """Clicks of users who are new, spread over all originals."""
    async with ground.database.read(ground.workspace) as tx:
        now = await database_now(tx)
    step = max(1, originals // BATCH)
    spread = (f"original-{(number * step) % originals}" for number in range(count))
    return [
        Interaction(
            id=str(uuid4()), user=f"u-{uuid4()}", type=InteractionType.CLICK_EMAIL, campaign=name, occurred_at=now
        )
        for name in islice(spread, count)
    ]
