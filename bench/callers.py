"""Clients of a server: they send batches of interactions over several connections, prepared before the clock runs."""

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

from bench.environment import BATCH_SIZE
from connector.app.preflight import find_free_port

API_KEY = "the key of the bench"
_CONNECTIONS = 8
_ROOT = Path(__file__).parent.parent
_START_TIMEOUT_SECONDS = 30


def create_bodies(event: str, users: Sequence[str]) -> list[bytes]:
    """Return request bodies, each with a batch, that report the event for each of these users."""
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - the time that a service would report
    items = [
        {"id": str(uuid4()), "user": user, "type": "event", "name": event, "occurred_at": now, "properties": {"n": n}}
        for n, user in enumerate(users)
    ]
    return [
        json.dumps({"interactions": items[start : start + BATCH_SIZE]}).encode()
        for start in range(0, len(items), BATCH_SIZE)
    ]


async def accepted_per_second(client: httpx.AsyncClient, bodies: Sequence[bytes]) -> float:
    """Send these bodies, and return how many interactions were accepted per second.

    Raises:
        RuntimeError: an interaction was not accepted.
    """
    remaining, responses = deque(bodies), []

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
    return len(bodies) * BATCH_SIZE / seconds


@asynccontextmanager
async def run_server(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a server in a process of its own, and yield a client of it.

    Args:
        arguments: the arguments of Python; `PORT` is replaced by the port.
    """
    port = find_free_port(0, option="")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(argument.replace("PORT", str(port)) for argument in arguments),
            cwd=_ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )
    try:
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            await _wait_until_alive(client, process, log)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _wait_until_alive(client: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(_START_TIMEOUT_SECONDS):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"a server ended by itself:\n{log.read_text()[-2000:]}")  # noqa: ASYNC240 - it is over
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
