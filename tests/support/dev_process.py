"""`connector dev` as a process, with its addresses and commands that use it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.polling import until


class DevProcess:
    """A running `connector dev`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CONNECTOR_DATA": str(folder / "data")}
        self.environment.pop("TEMPORAL_ADDRESS", None)

    async def start(self) -> None:
        ports = [word for name in ("api", "temporal", "ui") for word in (f"--{name}-port", "0")]
        self.log = (self.folder / "dev.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", "dev", "--json", *ports, "--no-console",
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
        await until(holds, seconds=seconds)
