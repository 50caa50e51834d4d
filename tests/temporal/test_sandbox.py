"""Where workflows run: tests in the full sandbox, production without it. Both make the same commands (test_replay)."""

from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from connector.temporal.client import connect
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness


async def _modules_imported_by_a_run(
    environment: WorkflowEnvironment, client: Client, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Run a follow-up from start to sent; return the modules that were executed meanwhile."""
    harness = WorkflowHarness(environment, FakeActivities(push=[SENT, SENT]))
    harness.client = client
    executed: list[str] = []
    execute = SourceFileLoader.exec_module

    def record(loader: SourceFileLoader, module: ModuleType) -> None:
        executed.append(module.__name__)
        execute(loader, module)

    async with harness.workers():
        await (await harness.follow_up()).result()  # the first run of a process may import what every run shares
        monkeypatch.setattr(SourceFileLoader, "exec_module", record)
        assert (await (await harness.follow_up()).result()).state == "sent"
    return sorted(executed)


async def test_tests_run_in_the_full_sandbox(environment: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of the tests has every module of `workflows` that a follow-up uses imported again for each run."""
    imported = await _modules_imported_by_a_run(environment, environment.client, monkeypatch)
    modules = ["activity_calls", "follow_up", "operator_actions", "steps"]
    assert imported == ["workflows", *(f"workflows.{module}" for module in modules)]


async def test_production_imports_nothing_for_a_run(
    environment: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client that every process gets from `connect` runs workflows without importing a single module."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
    assert await _modules_imported_by_a_run(environment, await connect(attempts=1), monkeypatch) == []
