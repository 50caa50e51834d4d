"""Messages that a launch sends per second through a channel that does nothing, against a bare loop.

The bare loop commits twice per page of 100 messages: their claims before they are sent, and afterwards their results
and the interactions that they make. That is the least with which no message goes out twice and every one is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, update

from bench.figures import Figure, Row, Sample, at_least
from bench.installation import Installation, open_installation
from bench.quiet_worker import QuietChannel
from bench.rounds import Bench
from bench.workspace import BenchWorkspace, open_workspace, until
from connector.channels.protocol import Address, OutgoingMessage
from connector.rules.model.campaigns import Campaign
from connector.rules.model.reasons import State
from connector.rules.sending.deliveries import DeliveryState
from connector.store.engine.bulk import in_set
from connector.store.tables import deliveries, interactions, launches

ROW = Row(
    "messages sent by a launch", "/s", "bare loop, two commits per 100", (at_least(0.5), at_least(400, of="ours"))
)
_PAGE = 100
_CAMPAIGN = Campaign.model_validate(
    {
        "campaign": "launched",
        "delivery": {"type": "scheduled", "send": "at_publish"},
        "messages": {"push": {"title": "Hello", "body": "{{ user.id }}"}},
    }
)


async def measure(bench: Bench) -> list[Figure]:
    """Measure a launch by a real worker to users who all receive it, and the bare loop on a database of its own."""

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            ours = await _launched_per_second(installed, bench.sizes.messages)
        async with open_workspace(bench) as workspace:
            return [(ours, await _bare_per_second(workspace, bench.sizes.messages))]

    return await bench.repeat("launching", [ROW], measure_round)


async def _launched_per_second(installed: Installation, count: int) -> float:
    """Return the rate from the launch's first step, which selects users, to the last message."""
    workspace = installed.workspace
    await workspace.create_users(count)
    async with installed.run_worker(CONNECTOR_SWEEP_INTERVAL="PT0.1S"):
        await workspace.publish([_CAMPAIGN])
        began_at = await _wait_for_begin(workspace)
        await workspace.wait_for("launched", State.SENT, count)
        ended_at = datetime.now(UTC)  # noqa: TID251 - a measurement, not a rule
    return count / (ended_at - began_at).total_seconds()


async def _wait_for_begin(workspace: BenchWorkspace) -> datetime:
    begun: list[datetime] = []

    async def has_begun() -> bool:
        async with workspace.database.read(workspace.id) as tx:
            where = (tx.in_workspace(launches), launches.c.begun_at.is_not(None))
            begun.extend((await tx.execute(select(launches.c.begun_at).where(*where))).scalars())
        return bool(begun)

    await until(has_begun, "the launch to begin")
    return begun[0]


async def _bare_per_second(workspace: BenchWorkspace, count: int) -> float:
    channel = QuietChannel()
    started_at = perf_counter()
    for start in range(0, count, _PAGE):
        page = [_claim(workspace.id) for _ in range(min(_PAGE, count - start))]
        async with workspace.database.write(workspace.id) as tx:
            await tx.execute(insert(deliveries), page)
        await asyncio.gather(*(channel.send(_message(row)) for row in page))
        async with workspace.database.write(workspace.id) as tx:
            where = (tx.in_workspace(deliveries), in_set(tx, deliveries.c.id, [row["id"] for row in page]))
            await tx.execute(update(deliveries).where(*where).values(state=DeliveryState.SENT.value))
            await tx.execute(insert(interactions), [_received(row) for row in page])
    return count / (perf_counter() - started_at)


def _claim(workspace: str) -> dict[str, Any]:
    id, now = uuid4().hex, datetime.now(UTC)  # noqa: TID251 - a measurement, not a rule
    return {
        "workspace": workspace,
        "id": f"{id}.push",
        "follow_up_id": id,
        "campaign": "launched",
        "user_key": uuid4().hex,
        "channel": "push",
        "state": DeliveryState.CLAIMED.value,
        "attempt": 1,
        "claimed_at": now,
    }


def _message(row: dict[str, Any]) -> OutgoingMessage:
    address, content = Address(row["user_key"], push_tokens=("token",)), {"title": "Hello", "body": row["user_key"]}
    return OutgoingMessage(row["id"], row["campaign"], row["channel"], address, content)


def _received(row: dict[str, Any]) -> dict[str, Any]:
    at: datetime = row["claimed_at"]
    return {
        "workspace": row["workspace"],
        "day": at.date(),
        "id": f"receive.{row['id']}",
        "seq": 0,
        "user_key": row["user_key"],
        "kind": "interaction",
        "topic": "receive_push",
        "target": row["campaign"],
        "target_kind": "campaign",
        "t": at,
        "occurred_at": at,
        "received_at": at,
        "properties": {},
    }
