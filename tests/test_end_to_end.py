"""`connector dev` as a process, driven over HTTP; its worker and its Temporal are killed in the middle of waits."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

CAMPAIGNS = """\
campaign: original
delivery: {type: external}
---
campaign: reminder
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: original}]
  delay: {after: 12 seconds}
  exceptions: [{event: make_purchase}]
messages: {push: {title: "Hi {{ user.first_name }}", body: b}}
---
campaign: thanks
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: reminder}]
messages: {push: {title: Thanks, body: b}}
"""
USERS = 12


class Dev:
    """A running `connector dev`: its process, its addresses, and the commands that go with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CONNECTOR_DATA": str(folder / "data")}
        self.environment.pop("TEMPORAL_ADDRESS", None)

    async def start(self) -> None:
        ports = [word for name in ("api", "temporal", "ui") for word in (f"--{name}-port", "0")]
        self.log = (self.folder / "dev.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", "dev", "--json", *ports,
            stdout=asyncio.subprocess.PIPE, stderr=self.log, env=self.environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while not (line := await self.process.stdout.readline()).startswith(b'{"api_url"'):
                assert line, (self.folder / "dev.log").read_text()
        self.running = json.loads(line)
        self.drain = asyncio.create_task(self.process.stdout.read())
        self.http = httpx.AsyncClient(base_url=self.running["api_url"], timeout=10)

    async def stop(self) -> None:
        await self.http.aclose()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(40):
                await self.process.wait()
        await self.drain
        self.log.close()

    async def run(self, *words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self.environment,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def kill(self, name: str) -> None:
        pids = json.loads((self.folder / "data" / "dev.json").read_text())["pids"]
        os.kill(pids[name], signal.SIGKILL)

    async def report(self, *items: dict[str, Any]) -> list[str]:
        answer = await self.http.post("/v1/interactions", json={"interactions": list(items)})
        assert answer.status_code == 200, answer.text
        return [result["status"] for result in answer.json()["results"]]

    async def follow_ups(self, campaign: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/follow-ups", params={"campaign": campaign, "limit": 1000})
        found: list[dict[str, Any]] = answer.json()["follow_ups"]
        return found

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.1)


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Dev]:
    """Ready, with the campaigns applied and published."""
    (tmp_path / "campaigns.yaml").write_text(CAMPAIGNS)
    house = Dev(tmp_path)
    await house.start()
    try:
        code, said = await house.run("apply", str(tmp_path / "campaigns.yaml"))
        assert code == 0, said
        code, said = await house.run("publish", "reminder", "thanks", "original")
        assert code == 0, said
        yield house
    finally:
        await house.stop()


def _now() -> str:
    return datetime.now(UTC).isoformat()  # noqa: TID251 - what a service would report


def _push(number: int) -> dict[str, Any]:
    return {
        "id": f"push-{number}",
        "user": f"u-{number}",
        "type": "receive_push",
        "campaign": "original",
        "occurred_at": _now(),
    }


@pytest.mark.timeout(180)
async def test_killed_in_the_middle_of_waits_every_follow_up_ends_once_and_right(dev: Dev) -> None:
    """Cases 21 to 23: the worker, then the server, then everything at once is killed; nothing is lost or doubled."""
    for number in range(USERS):
        answer = await dev.http.put(f"/v1/users/u-{number}", json={"push_tokens": ["t"], "first_name": "Ada"})
        assert answer.status_code == 200, answer.text
    assert await dev.report(*map(_push, range(USERS))) == ["accepted"] * USERS
    dev.kill("worker")
    purchases = [{"id": f"buy-{n}", "user": f"u-{n}", "type": "make_purchase", "occurred_at": _now()} for n in range(4)]
    assert await dev.report(*purchases) == ["accepted"] * 4
    dev.kill("temporal")
    assert await dev.report(*map(_push, range(USERS))) == ["duplicate"] * USERS
    dev.process.kill()
    await dev.process.wait()
    await dev.drain
    await dev.http.aclose()
    await dev.start()
    assert await dev.report(_push(0)) == ["duplicate"]

    async def ended() -> bool:
        rows = [*await dev.follow_ups("reminder"), *await dev.follow_ups("thanks")]
        return len(rows) == 2 * USERS - 4 and not {row["state"] for row in rows} & {"waiting", "held", "sending"}

    await dev.until(ended, 90)
    fates = Counter((row["state"], row["reason"]) for row in await dev.follow_ups("reminder"))
    assert fates == {("sent", None): USERS - 4, ("excepted", "exception"): 4}
    assert Counter(row["state"] for row in await dev.follow_ups("thanks")) == {"sent": USERS - 4}
    shown = (dev.folder / "dev.log").read_text() + (await _said(dev))
    assert shown.count("Hi Ada") == USERS - 4


async def _said(dev: Dev) -> str:
    """What the restarted house has shown so far; stops it to read its output to the end."""
    dev.process.send_signal(signal.SIGTERM)
    said: bytes = await dev.drain
    return said.decode()
