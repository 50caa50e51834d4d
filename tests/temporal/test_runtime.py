"""The SDK's runtime: one per process, whose core logs through Python's logging, without texts of failures."""

import logging
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from connector.temporal.runtime import process_runtime
from tests.support.polling import until


@workflow.defn
class BrokenWorkflow:
    """A workflow whose task fails with a marked text."""

    @workflow.run
    async def run(self) -> None:
        """Fail the task: a ValueError is a fault of the code."""
        raise ValueError("marked-text-of-a-failure")


def test_one_runtime_per_process() -> None:
    """Every client shares one runtime, and the SDK's default is the same one."""
    assert process_runtime() is process_runtime()
    assert Runtime.default() is process_runtime()


async def test_core_messages_are_log_records(
    environment: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    """A workflow task that fails is a warning of `temporalio.core` with the failure's type, not with its text."""
    caplog.set_level(logging.WARNING)
    address = environment.client.service_client.config.target_host
    client, name = await Client.connect(address, runtime=process_runtime()), uuid4().hex
    runner = UnsandboxedWorkflowRunner()

    async with Worker(client, task_queue=name, workflows=[BrokenWorkflow], workflow_runner=runner):
        handle = await client.start_workflow(BrokenWorkflow.run, id=name, task_queue=name)
        record = (await until(lambda: [r for r in caplog.records if r.name == "temporalio.core"], "a message"))[0]
        await handle.terminate()
    assert (record.levelname, record.getMessage()) == ("WARNING", "Failing workflow task")
    fields = vars(record)
    assert (fields["error"], fields["target"]) == ("ValueError", "temporalio_sdk_core::worker::workflow")
    assert "marked-text" not in repr(fields)
