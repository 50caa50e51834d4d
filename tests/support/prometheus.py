"""A real Prometheus, with the configuration that docs/metrics.md shows, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from connector.app.preflight import find_free_port
from tests.support.api import KEY
from tests.support.metrics_docs import PAGE
from tests.support.polling import until
from tests.support.promql import ALERTS


class Prometheus:
    """A client of the server."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, text: str) -> list[dict[str, Any]]:
        """Return the results of a query as of now. Fails if Prometheus reports an error."""
        answer = (await self._client.post("/api/v1/query", data={"query": text})).json()
        assert answer["status"] == "success", f"{text}: {answer}"
        results: list[dict[str, Any]] = answer["data"]["result"]
        return results

    async def rules(self) -> list[dict[str, Any]]:
        """Return the alerts with their health."""
        answer = (await self._client.get("/api/v1/rules")).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


@asynccontextmanager
async def running_prometheus(folder: Path, **targets: str) -> AsyncIterator[Prometheus]:
    """Run Prometheus, which must be installed, until the block ends.

    Args:
        targets: the address of each job, by the part of its name after `connector-`.
    """
    port = find_free_port(0, option="")
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_configuration(folder, targets)))
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:

            async def is_ready() -> bool:
                assert process.returncode is None, (folder / "prometheus.log").read_text()
                try:
                    return (await client.get("/-/ready")).is_success
                except httpx.TransportError:
                    return False

            await until(is_ready, "a Prometheus that answers", seconds=90)
            yield Prometheus(client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _configuration(folder: Path, targets: dict[str, str]) -> dict[str, Any]:
    """Return the documented configuration with the addresses of the test, scraping every second."""
    shown = re.search(r"```yaml\n# prometheus.yml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    config: dict[str, Any] = yaml.safe_load(shown[1])
    key = folder / "key"
    key.write_text(KEY)
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"].removeprefix("connector-")]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(key)
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    return {**config, "global": every, "rule_files": [str(ALERTS)]}
