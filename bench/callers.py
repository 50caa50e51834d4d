"""Callers of a server: batches of interactions over several connections, ready-made before the clock runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import httpx

from bench.ground import BATCH
from connector.app.preflight import find_free_port

KEY = "a key that only the bench knows"
CONNECTIONS = 8
_ROOT = Path(__file__).parent.parent
_READY_WITHIN = 30


def bodies_of(event: str, users: Sequence[str]) -> list[bytes]:
    """The event for each of these users, in bodies of batches."""
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - what a service would say
    items = [
        {"id": str(uuid4()), "user": user, "type": "event", "name": event, "occurred_at": now, "properties": {"n": n}}
        for n, user in enumerate(users)
    ]
    return [
        json.dumps({"interactions": items[start : start + BATCH]}).encode() for start in range(0, len(items), BATCH)
    ]


async def accepted_per_second(client: httpx.AsyncClient, bodies: Sequence[bytes]) -> float:
    """Send these bodies, and return how many interactions were answered for in a second.

    Raises:
        RuntimeError: something was not accepted.
    """
    waiting, answers = deque(bodies), []

    async def caller() -> None:
        while waiting:
            answers.append(await client.post("/v1/interactions", content=waiting.popleft()))

    begun = perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    seconds = perf_counter() - begun
    for answer in answers:
        if answer.status_code != 200 or any(r["status"] != "accepted" for r in answer.json()["results"]):
            raise RuntimeError(f"the bench's own interactions were refused: {answer.status_code} {answer.text[:300]}")
    return len(bodies) * BATCH / seconds


@asynccontextmanager
async def serving(words: Sequence[str], environment: Mapping[str, str], log: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server in a process of its own, for as long as the block runs.

    Args:
        words: how Python starts it; `PORT` stands for its port.
    """
    port = find_free_port(0, option="")
    with log.open("ab") as told:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(word.replace("PORT", str(port)) for word in words),
            cwd=_ROOT,
            env=os.environ | environment,
            stdout=told,
            stderr=told,
        )
    try:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            await _alive(client, process, log)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _alive(client: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(_READY_WITHIN):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"a server ended by itself:\n{log.read_text()[-2000:]}")  # noqa: ASYNC240 - it is over
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
