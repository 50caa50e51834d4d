"""The worker's own port: probes and metrics, on the address that is set, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from socket import create_server

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.app.preflight import PortTaken, find_free_port
from connector.app.worker_port import open_worker_port
from connector.settings.application import Settings
from connector.store.engine.database import Database
from tests.support.workspace import settings_for
from worker import run_worker


@pytest.fixture
async def context(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AppContext:
    """A worker's context, without Temporal, with a port of its own."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    return build_context(Settings(worker_port=find_free_port(0, option="")), sqlite_database)


@pytest.fixture
async def client(context: AppContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the port."""
    base = f"http://127.0.0.1:{context.settings.worker_port}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def test_probes_and_metrics(context: AppContext, client: httpx.AsyncClient) -> None:
    """Alive; not ready without Temporal, with the check that says why; metrics; and no other route."""
    stopped = asyncio.Event()
    async with open_worker_port(context, stopped):
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "ok")
        assert [one["name"] for one in ready.json()["checks"] if one["status"] == "failed"] == ["temporal"]
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        assert "connector_follow_ups_overdue" in metrics.text
        assert (await client.get("/v1/users/u")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
        stopped.set()
        assert (await client.get("/readyz")).json()["note"] == "the worker is stopping"
    with pytest.raises(httpx.ConnectError):
        await client.get("/healthz")


async def test_off_unless_it_is_set(sqlite_database: Database) -> None:
    """Nothing listens, and the default address is loopback."""
    assert (Settings().worker_port, Settings().worker_host) == (None, "127.0.0.1")
    async with open_worker_port(build_context(Settings(), sqlite_database), asyncio.Event()):
        pass


async def test_a_port_that_is_taken(sqlite_url: str, tmp_path: Path) -> None:
    """The worker does not start, and names the port and the setting in one sentence."""
    with create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for("w", sqlite_url, tmp_path).model_copy(update={"worker_port": taken.getsockname()[1]})
        with pytest.raises(PortTaken, match=r"^cannot listen on 127\.0\.0\.1:\d+: .* with CONNECTOR_WORKER_PORT$"):
            await run_worker(settings, asyncio.Event())
