"""Report interactions and events: a batch of wire items, each with its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.app.context import AppContext
from connector.ingest.batches import InteractionBatch, ingest_batch


async def report_interactions(context: AppContext, items: Sequence[Any]) -> dict[str, Any]:
    """Ingest at most 1,000 items in the wire form of `POST /v1/interactions`; `results` are in their order.

    An invalid item affects no other, and a repeated one changes nothing.

    Raises:
        StoreUnavailable: nothing was stored; the same items may be reported again.
    """
    answer = await ingest_batch(context.intake, InteractionBatch(items))
    if answer.changed:
        context.outbox.nudge()
    return answer.as_json()
