"""Events reported over HTTP, each of a user of its own."""

from __future__ import annotations

import httpx

from tests.support.builders import at


async def post_events(client: httpx.AsyncClient, *names: str) -> httpx.Response:
    """Report events with these ids in one batch."""
    events = [{"id": name, "user": name, "type": "event", "name": "seen", "occurred_at": at(0)} for name in names]
    return await client.post("/v1/interactions", json={"interactions": events})


async def accepts(client: httpx.AsyncClient, *names: str) -> bool:
    """Report events in one batch; return whether they were accepted."""
    return (await post_events(client, *names)).status_code == 200
