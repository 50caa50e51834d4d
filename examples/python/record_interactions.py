"""A worker of your own whose workflow reports interactions, and a client that cancels a waiting follow-up.

    python record_interactions.py worker
    python record_interactions.py purchase order-1 u-17 shoe-1 90
    python record_interactions.py exception 'follow-up/default/ask-for-a-review/…'

It needs only `pip install temporalio` and the Temporal namespace of the connector, set by TEMPORAL_* variables or
a profile of the `temporal` program.
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
    """One purchase. Users appear by id, because the input of a workflow is stored in its history."""

    order: str
    user: str
    product: str
    price: float


@workflow.defn
class RecordPurchase:
    """Process an order (whatever that is for you), and report the purchase."""

    @workflow.run
    async def run(self, purchase: Purchase) -> dict[str, Any]:
        """Return the response of `POST /v1/interactions`."""
        bought = {
            "id": f"purchase-{purchase.order}",  # counts once, however often it is reported
            "user": purchase.user,
            "type": "make_purchase",
            "occurred_at": workflow.now().isoformat(),
            "properties": {"product": purchase.product, "price": purchase.price, "currency": "EUR"},
        }
        answer: dict[str, Any] = await workflow.execute_activity(
            "record_interactions",
            {"interactions": [bought]},
            task_queue="connector-default",  # the connector's queue: `connector-` and the workspace
            start_to_close_timeout=timedelta(seconds=30),
        )
        return answer


async def work(client: Client) -> None:
    """Run workflows until interrupted."""
    async with Worker(client, task_queue=QUEUE, workflows=[RecordPurchase]):
        print("worker runs", flush=True)
        await asyncio.Event().wait()


async def purchase(client: Client, order: str, user: str, product: str, price: str) -> None:
    """Start the workflow of one order and print the result of the report."""
    bought = Purchase(order, user, product, float(price))
    print(json.dumps(await client.execute_workflow(RecordPurchase.run, bought, id=f"order-{order}", task_queue=QUEUE)))


async def report_review(client: Client, workflow_id: str) -> None:
    """Signal a waiting follow-up that its user wrote the review: an exception, which cancels it."""
    await client.get_workflow_handle(workflow_id).signal("exception", {"type": "event", "name": "review_written"})
    print("signalled")


async def main(*words: str) -> None:
    """Run one of the three commands."""
    verbs = {"worker": work, "purchase": purchase, "exception": report_review}
    if not words or words[0] not in verbs:
        sys.exit(__doc__)
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    await verbs[words[0]](client, *words[1:])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # the SDK sometimes aborts at interpreter exit on CPython 3.11
