"""A real Prometheus scrapes a worker and an API at work: every query of alerts and dashboards evaluates, with data."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment

from connector.app.preflight import find_free_port
from tests.support.builders import follow_on, now, original
from tests.support.connector_processes import ConnectorProcesses
from tests.support.polling import until
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.promql import Query, load_queries

USERS = 12
GO = {"event": "go"}
RARE = {
    "connector_sends_tried_again_total": "no provider was away",
    "connector_database_outages_total": "the database did not fail",
    "connector_store_unavailable_total": "the database did not fail",
    "connector_http_refused_total": "the API was not overloaded",
    "connector_provider_events_total": "no provider reported",
    "connector_tracked_visits_total": "no link was followed",
    "temporal_request_failure_total": "Temporal did not fail",
    "temporal_workflow_task_execution_failed_total": "no workflow failed",
    "temporal_activity_execution_failed_total": "no activity failed",
}
"""Metrics that a system without trouble does not have yet, with the reason."""


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus; Debian's package `prometheus` has it")
@pytest.mark.timeout(300)
async def test_every_query_has_data(environment: WorkflowEnvironment, sqlite_url: str, tmp_path: Path) -> None:
    """A launch that takes hours, follow-ups that are sent, one that was refused: each panel shows something."""
    temporal, port = environment.client.service_client.config.target_host, find_free_port(0, option="")
    processes = ConnectorProcesses(
        f"w{uuid4().hex[:8]}", sqlite_url, temporal, tmp_path, CONNECTOR_WORKER_PORT=str(port)
    )
    async with processes.api() as api, processes.worker():
        targets = {"worker": f"127.0.0.1:{port}", "api": api.base_url.netloc.decode()}
        async with running_prometheus(tmp_path, **targets) as prometheus:
            await until(lambda: _is_ready(api, targets["worker"]), "a worker that is ready", seconds=120)
            await _work(api)
            await _until_all_have_data(prometheus)
            assert {rule["health"] for rule in await prometheus.rules()} == {"ok"}
        pages = [(await api.get(url)).text for url in ("/metrics", f"http://{targets['worker']}/metrics")]
    for page in pages:
        assert "u-secret" not in page
        assert _lint(page) == ""


async def _is_ready(client: httpx.AsyncClient, worker: str) -> bool:
    try:
        return (await client.get(f"http://{worker}/readyz")).is_success
    except httpx.TransportError:
        return False


async def _work(api: httpx.AsyncClient) -> None:
    """Launch to some users, one a minute, and report what begins follow-ups, cancels one and is refused."""
    users = [{"id": f"u-secret-{number}", "push_tokens": ["token"]} for number in range(USERS)]
    assert (await api.post("/v1/interactions", json={"interactions": [], "users": users})).is_success
    later = follow_on("later", GO, delay={"after": "1 day"}, exceptions=[{"event": "make_purchase"}])
    for one in (original(per_minute=1), follow_on("f", GO), later):
        assert (await api.put(f"/v1/campaigns/{one['campaign']}", json=one)).is_success
        published = await api.post(f"/v1/campaigns/{one['campaign']}/publish")
        assert published.is_success, published.text
    for kind in ({"type": "event", "name": "go"}, {"type": "event", "name": "go"}, {"type": "make_purchase"}):
        item = {"id": uuid4().hex, "user": "u-secret-1", "occurred_at": now().isoformat(), **kind}
        assert (await api.post("/v1/interactions", json={"interactions": [item]})).is_success
    assert (await api.get("/v1/users/nobody")).status_code == 404


async def _until_all_have_data(prometheus: Prometheus) -> None:
    """Ask until no query is without data, once for each scrape."""
    missing: list[Query] = []

    async def has_all() -> bool:
        await asyncio.sleep(1)
        missing[:] = await _without_data(prometheus)
        return not missing

    try:
        await until(has_all, seconds=120)
    except AssertionError:
        raise AssertionError(f"without data: {missing}") from None


async def _without_data(prometheus: Prometheus) -> list[Query]:
    """Return the queries of dashboards that should have results and have none; every query must evaluate."""
    missing: list[Query] = []
    for query in load_queries():
        results = await prometheus.query(query.text)
        is_rare = query.place.startswith("alert ") or query.metrics & RARE.keys()
        has_labels = all(query.labels <= result["metric"].keys() for result in results)
        if not has_labels or not (results or is_rare):
            missing.append(query)
    names = {name for query in load_queries() for name in query.metrics} - RARE.keys()
    return missing + [Query("metric", name) for name in sorted(names) if not await prometheus.query(name)]


def _lint(page: str) -> str:
    """Return what promtool finds against Prometheus' conventions."""
    promtool = shutil.which("promtool")
    assert promtool is not None
    words = [promtool, "check", "metrics"]
    return subprocess.run(words, input=page, capture_output=True, text=True, check=False, timeout=60).stderr
