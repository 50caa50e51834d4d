"""Your own worker, whose workflow reports what users do, and your own client, which calls a waiting follow-up off.

    python record_interactions.py worker
    python record_interactions.py purchase order-1 u-17 shoe-1 90
    python record_interactions.py exception 'follow-up/default/ask-for-a-review/…'

It needs nothing but `pip install temporalio`, and Temporal's namespace that the connector uses; TEMPORAL_* and the
profiles of `temporal` say where that is.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

QUEUE = "shop"


@dataclass
class Purchase:
    """Who bought what. Users go by ids: what a workflow is given stands in its history."""

    order: str
    user: str
    product: str
    price: float


@workflow.defn
class RecordPurchase:
    """Whatever your workflow does about an order, and the report of it."""

    @workflow.run
    async def run(self, purchase: Purchase) -> dict[str, Any]:
        """Resolves with what `POST /v1/interactions` answers."""
        bought = {
            "id": f"purchase-{purchase.order}",  # however often it is reported, it counts once
            "user": purchase.user,
            "type": "make_purchase",
            "occurred_at": workflow.now().isoformat(),
            "properties": {"product": purchase.product, "price": purchase.price, "currency": "EUR"},
        }
        answer: dict[str, Any] = await workflow.execute_activity(
            "record_interactions",
            {"interactions": [bought]},
            task_queue="connector-default",  # the connector's: `connector-` and its workspace
            start_to_close_timeout=timedelta(seconds=30),
        )
        return answer


async def work(client: Client) -> None:
    """Carry workflows out until interrupted."""
    async with Worker(client, task_queue=QUEUE, workflows=[RecordPurchase]):
        print("worker runs", flush=True)
        await asyncio.Event().wait()


async def purchase(client: Client, order: str, user: str, product: str, price: str) -> None:
    """Start the workflow of one order and print what came of the report."""
    bought = Purchase(order, user, product, float(price))
    print(json.dumps(await client.execute_workflow(RecordPurchase.run, bought, id=f"order-{order}", task_queue=QUEUE)))


async def call_off(client: Client, workflow_id: str) -> None:
    """Tell a waiting follow-up that its user wrote the review which it would have asked for."""
    await client.get_workflow_handle(workflow_id).signal("exception", {"type": "event", "name": "review_written"})
    print("signalled")


async def main(*words: str) -> None:
    """Do one of the three."""
    verbs = {"worker": work, "purchase": purchase, "exception": call_off}
    if not words or words[0] not in verbs:
        sys.exit(__doc__)
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    await verbs[words[0]](client, *words[1:])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11
