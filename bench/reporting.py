"""Batches of interactions reported over HTTP: prepared before the clock runs, sent over several connections."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import httpx

BATCH_SIZE = 100
_CONNECTIONS = 8


def create_item(event: str, user: str, at: datetime, **properties: Any) -> dict[str, Any]:
    """Return an event in the wire form."""
    id, occurred_at = str(uuid4()), at.isoformat()
    return {
        "id": id,
        "user": user,
        "type": "event",
        "name": event,
        "occurred_at": occurred_at,
        "properties": properties,
    }


def create_bodies(event: str, users: Sequence[str], *, batch_size: int = BATCH_SIZE) -> list[bytes]:
    """Return request bodies, each with a batch, that report the event for each of these users now."""
    now = datetime.now(UTC)  # noqa: TID251 - the time that a service would report
    items = [create_item(event, user, now, n=number) for number, user in enumerate(users)]
    batches = (items[start : start + batch_size] for start in range(0, len(items), batch_size))
    return [json.dumps({"interactions": batch}).encode() for batch in batches]


async def report(client: httpx.AsyncClient, event: str, users: Sequence[str], *, batch_size: int = BATCH_SIZE) -> float:
    """Report the event for each of these users, and return how many interactions were accepted per second.

    Raises:
        RuntimeError: an interaction was not accepted.
    """
    return await send_bodies(client, create_bodies(event, users, batch_size=batch_size), len(users))


async def send_bodies(client: httpx.AsyncClient, bodies: Sequence[bytes], items: int) -> float:
    """Send these bodies with so many items, and return how many were accepted per second. Raises RuntimeError."""
    remaining, responses = deque(bodies), list[httpx.Response]()

    async def send() -> None:
        while remaining:
            responses.append(await client.post("/v1/interactions", content=remaining.popleft()))

    started_at = perf_counter()
    await asyncio.gather(*(send() for _ in range(_CONNECTIONS)))
    seconds = perf_counter() - started_at
    for response in responses:
        if response.status_code != 200 or any(r["status"] != "accepted" for r in response.json()["results"]):
            problem = f"{response.status_code} {response.text[:300]}"
            raise RuntimeError(f"the bench's own interactions were refused: {problem}")
    return items / seconds
