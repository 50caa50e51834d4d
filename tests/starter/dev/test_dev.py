"""`connector dev` as a process: ready, alone on its folder, started again where it was, and gone when told."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from starter.dev.instance import read_instance
from tests.support.builders import ABANDONED, ORIGINAL

FREE_PORTS = ("--api-port", "0", "--temporal-port", "0", "--ui-port", "0", "--console-port", "0")


Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a command on one data folder; whatever still runs at the end of the test is killed."""
    started: list[asyncio.subprocess.Process] = []
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "CONNECTOR_"))}
    environment = {**kept, "CONNECTOR_DATA": str(tmp_path / "data"), "TEMPORAL_NAMESPACE": "elsewhere"}

    async def start(*words: str) -> asyncio.subprocess.Process:
        with (tmp_path / "dev.log").open("ab") as log:
            command = (sys.executable, "-m", "starter.cli", *words)
            started.append(await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=log, env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ready(process: asyncio.subprocess.Process, data: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 90)
    assert line, (data.parent / "dev.log").read_text()
    running: dict[str, Any] = json.loads(line)
    return running


async def gone(pids: dict[str, int]) -> None:
    async with asyncio.timeout(15):
        while any(_runs(pid) for pid in pids.values()):
            await asyncio.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.timeout(240)
async def test_dev_from_its_first_start_to_its_second_end(start: Start, tmp_path: Path) -> None:
    """Orders are carried out or refused; a second one is refused; killed, it leaves nothing; again, it goes on.

    Whatever supervisor, worker and API write to standard error is JSON, because it is no terminal.
    """
    data = tmp_path / "data"
    process = await start("dev", "--json", *FREE_PORTS)
    running = await ready(process, data)
    assert set(running["pids"]) == {"supervisor", "temporal", "worker", "api", "console"}
    async with httpx.AsyncClient(base_url=running["console_url"], trust_env=False) as console:
        assert "Overview" in (await console.get("/")).text  # without a sign-in, on loopback
    async with httpx.AsyncClient(base_url=running["api_url"], timeout=30, trust_env=False) as api:
        for definition in (ORIGINAL, ABANDONED):
            assert (await api.put(f"/v1/campaigns/{definition['campaign']}", json=definition)).status_code == 200
        refused = await api.post("/v1/campaigns/f/resume")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "refused")
        assert "draft" in refused.json()["error"]["details"]["problems"][0]
        published = await api.post("/v1/campaigns/o/publish", json={"with_follow_ons": True})
        assert (published.status_code, published.json()["changed"]) == (200, ["f", "o"])
        assert (await api.get("/readyz")).json()["status"] == "ready"
        too_large = await api.post("/v1/interactions", content=b" " * (11 * 1024 * 1024))
        assert too_large.status_code == 413

    second = await start("dev", "--json", *FREE_PORTS)
    assert await asyncio.wait_for(second.wait(), 60) == 1
    assert "already" in (tmp_path / "dev.log").read_text()

    process.kill()
    await process.wait()
    await gone(running["pids"])

    process = await start("dev", "--json", *FREE_PORTS)
    running = await ready(process, data)
    stopping = await start("stop", "f", "--json")
    said, _ = await asyncio.wait_for(stopping.communicate(), 60)
    assert json.loads(said)["changed"] == ["f"]
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    await gone(running["pids"])
    assert read_instance(data) is None
    assert [json.loads(line) for line in (tmp_path / "dev.log").read_text().splitlines()]
