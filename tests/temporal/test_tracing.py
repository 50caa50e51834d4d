"""Tracing from a request to the provider's call, received by a collector; without the setting, nothing of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from connector.app.context import build_context
from connector.app.opentelemetry_tracer import OpenTelemetryTracer
from connector.rules.model.users import User
from connector.store.engine.database import Database, database_now
from connector.store.users.descriptions import save_user
from connector.temporal.client import connector_plugin
from tests.support.api import open_client
from tests.support.builders import ORIGINAL, follow_on
from tests.support.collector import Collector, collecting
from tests.support.temporal_server import events_of
from tests.support.workspace import AT_ONCE, Workspace, settings_for
from worker import run_worker
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow

MARKED = "anna-marked"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SECOND = follow_on("second", {"interaction": "receive_push", "campaign": "at-once"})
_OF_TRACING = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "temporalio.contrib.opentelemetry")
HEADERS = {
    "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    "tracestate": f"shop={MARKED}",
    "baggage": f"user={MARKED}",
    "X-Request-Id": MARKED,
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


async def trace_one_message(
    collector: Collector, environment: WorkflowEnvironment, database: Database, url: str, folder: Path
) -> WorkflowHandle[Any, Any]:
    """Report an interaction of a marked user, and wait until its follow-up and the one after that were sent."""
    workspace = Workspace(database, environment)
    settings = settings_for(workspace.name, url, folder).model_copy(update={"otlp_endpoint": collector.url})
    stopped = asyncio.Event()
    running = asyncio.create_task(run_worker(settings, stopped))
    try:
        await workspace.open(ORIGINAL, AT_ONCE, SECOND)
        async with workspace.database.write(workspace.name) as tx:
            marked = User(id=MARKED, first_name=MARKED, email=f"{MARKED}@example.com", push_tokens=(MARKED,))
            await save_user(tx, marked, await database_now(tx))
        context = build_context(settings, database)
        async with open_client(context) as api:
            item = {"id": MARKED, "user": MARKED, "type": "receive_push", "campaign": "o"}
            item["properties"] = {"sku": MARKED}
            answer = await api.post(f"/v1/interactions?{MARKED}", json={"interactions": [item]}, headers=HEADERS)
        assert answer.json()["results"][0]["status"] == "accepted"
        await context.outbox.flush()
        await workspace.becomes("second", "sent")
        handle = workspace.workflow_of(await workspace.becomes("at-once", "sent"))
        assert (await handle.result()).state == "sent"
        return handle
    finally:
        stopped.set()
        async with asyncio.timeout(60):
            await running


async def test_trace_from_the_request_to_the_provider(
    collector: Collector,
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One trace, which is the caller's, leads from the request to each message, also of a follow-on's follow-on.

    It costs no event of a history, histories replay with and without it, and nothing of the user is exported.
    """
    monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
    with environment.with_time_skipping_disabled():
        handle = await trace_one_message(collector, environment, sqlite_database, sqlite_url, tmp_path)
    trace = collector.trace(TRACE)
    sends = [span for span in trace if span.name == "send push"]
    first, second = sorted(sends, key=lambda span: span.end_time_unix_nano)
    send = ["send push", "RunActivity:send", "StartActivity:send", "StartWorkflow:FollowUp"]
    assert collector.ancestors(first) == [*send, "ingest", "POST /v1/interactions"]
    assert collector.ancestors(second) == [*send, *send[1:], "ingest", "POST /v1/interactions"]
    assert {"ingest transaction", "claim", "record", "RunWorkflow:FollowUp"} <= {span.name for span in trace}
    assert not any(MARKED.encode() in body for body in collector.bodies)
    untraced = json.loads((Path(__file__).parent / "histories/sent_at_once.json").read_text())["events"]
    assert len(await events_of(handle)) == len(untraced)
    history = await handle.fetch_history()
    assert MARKED not in history.to_json()
    tracer = OpenTelemetryTracer(collector.url, "replayer", "w")
    for interceptors in ([], [tracer.interceptor]):
        plugin = connector_plugin(sandboxed=False)
        await Replayer(workflows=[FollowUpWorkflow], plugins=[plugin], interceptors=interceptors).replay_workflow(
            history
        )
    tracer.close()


async def test_histories_of_the_past_replay_with_tracing() -> None:
    """Workflows that waited when tracing was switched on continue: every committed history replays with it."""
    tracer = OpenTelemetryTracer("http://127.0.0.1:1", "replayer", "w")
    replayer = Replayer(
        workflows=[FollowUpWorkflow, LaunchWorkflow, RegistryWorkflow],
        plugins=[connector_plugin(sandboxed=False)],
        interceptors=[tracer.interceptor],
    )
    paths = sorted((Path(__file__).parent / "histories").glob("*.json"))
    assert len(paths) > 20
    for path in paths:
        await replayer.replay_workflow(WorkflowHistory.from_json(path.stem, path.read_text()))
    tracer.close()


def test_nothing_is_imported_without_the_setting() -> None:
    """Worker and API import nothing of OpenTelemetry's SDK; its API is imported by FastAPI, which needs it itself."""
    code = "import sys, worker, starter.api.server; print(*sys.modules)"
    imported = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert [name for name in imported if name.startswith(_OF_TRACING)] == []
