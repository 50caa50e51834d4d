"""The seam to Temporal: connecting, search attributes, and how a follow-up is started."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.temporal import client as client_module
from connector.temporal.client import (
    SEARCH_ATTRIBUTES,
    TemporalLink,
    TemporalUnavailable,
    connect,
    register_search_attributes,
)
from connector.temporal.connection_faults import ConnectionLog
from connector.temporal.starting import start_arguments
from connector.wire import FollowUpStart
from tests.support.polling import until
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness

START = FollowUpStart(
    workspace="shop",
    follow_up_id="0123",
    campaign="cart-reminder-2",
    user_key="abcd",
    due_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    channels=("push",),
)


def test_start_is_readable_and_findable() -> None:
    """Design 6: id, queue, summary and the four search attributes, with nothing of the user but the surrogate key."""
    told = start_arguments(START)
    assert told["id"] == "follow-up/shop/cart-reminder-2/abcd/0123"
    assert told["task_queue"] == "connector-shop"
    assert told["static_summary"] == "cart-reminder-2 · due 2026-03-02 12:00Z"
    attributes = {pair.key.name: pair.value for pair in told["search_attributes"]}
    assert attributes == {
        "CampaignId": "cart-reminder-2",
        "UserKey": "abcd",
        "FollowUpState": "waiting",
        "DueAt": START.due_at,
    }


async def test_follow_up_is_started_once(environment: WorkflowEnvironment) -> None:
    """Guarantee 6: while it runs a second start finds it; once it has ended a second start is refused."""
    harness = WorkflowHarness(environment, FakeActivities(push=[SENT]))
    start = START.model_copy(update={"workspace": harness.workspace})
    words: dict[str, Any] = start_arguments(start)
    first = await harness.client.start_workflow(names.FOLLOW_UP, start, **words)
    again = await harness.client.start_workflow(names.FOLLOW_UP, start, **words)
    assert again.result_run_id == first.result_run_id
    async with harness.workers():
        await first.result()
        with pytest.raises(WorkflowAlreadyStartedError):
            await harness.client.start_workflow(names.FOLLOW_UP, start, **words)


async def test_search_attributes_are_registered_once(environment: WorkflowEnvironment) -> None:
    """`connector setup` can be run again."""
    assert len(SEARCH_ATTRIBUTES) == 5
    assert await register_search_attributes(environment.client) == []


async def test_connects_as_temporals_own_settings_say(
    environment: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEMPORAL_ADDRESS is enough, as for the `temporal` command."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
    client = await connect(attempts=1)
    assert await client.service_client.check_health()


async def test_server_that_is_not_there_is_an_error_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where attempts are counted, the last failure is told."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(RuntimeError, match=r"127\.0\.0\.1"):
        await connect(attempts=2)


async def test_callers_share_an_attempt_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Temporal is silent, the tenth caller waits as long as the first; the next one tries again."""
    attempts: list[asyncio.Event] = []

    async def fail() -> Client:
        attempts.append(asyncio.Event())
        await attempts[-1].wait()
        raise TemporalUnavailable("silent")

    monkeypatch.setattr(client_module, "_connect_once", fail)
    link = TemporalLink()
    for _ in range(2):
        attempts.clear()
        callers = [asyncio.create_task(link.client()) for _ in range(10)]
        await until(lambda: attempts)
        attempts[0].set()
        errors = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(error) for error in errors] == [TemporalUnavailable] * 10
        assert len(attempts) == 1


def test_wait_for_temporal_becomes_a_warning() -> None:
    """At once it is information, after half a minute a warning with the reason, then one every ten minutes."""
    now = [0.0]
    log = ConnectionLog("temporal:7233", "shop", clock=lambda: now[0])
    refused = RuntimeError("Os { code: 111, kind: ConnectionRefused }")
    with capture_logs() as logged:
        for seconds in (0, 10, 31, 60, 630, 632, 1300):
            now[0] = seconds
            log.record_failure(refused)
        log.record_success()
    assert [(line["event"], line["log_level"], line.get("seconds")) for line in logged] == [
        ("temporal_awaited", "info", None),
        ("temporal_unreachable", "warning", 31),
        ("temporal_unreachable", "warning", 632),
        ("temporal_unreachable", "warning", 1300),
        ("temporal_reached", "info", 1300),
    ]
    assert {(line["address"], line["namespace"]) for line in logged} == {("temporal:7233", "shop")}
    assert logged[1]["reason"] == "nothing listens there"


async def test_wait_ends_when_the_namespace_exists(
    environment: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker waits for a wrong namespace as for a server that is away, and the log names it."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nobodys")
    monkeypatch.setattr(client_module, "_CONNECT_TIMEOUT_SECONDS", 60.0)
    with capture_logs() as logged:
        waiting = asyncio.create_task(TemporalLink().wait_for_client())
        try:
            await until(lambda: logged)
        finally:
            waiting.cancel()
    assert (logged[0]["event"], logged[0]["namespace"]) == ("temporal_awaited", "nobodys")
    assert "no such namespace" in logged[0]["reason"]
