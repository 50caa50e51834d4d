"""The whole worker: real store, real intake, real outbox, real Temporal; messages go to the console."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

import worker
from connector import names
from connector.store.engine.revision import WrongTables
from connector.temporal.outbox import Outbox
from tests.support.builders import ORIGINAL
from tests.support.workspace import AT_ONCE, LATER, Workspace, settings_for
from worker import run_worker


async def test_interaction_to_message(workspace: Workspace) -> None:
    """Design 3: published, interacted with, sent; the workflow and the row agree."""
    await workspace.open(ORIGINAL, AT_ONCE)
    await workspace.receive_push()
    assert (await workspace.workflow_of(await workspace.becomes("at-once", "sent")).result()).state == "sent"


async def test_exception_signalled_by_hand_calls_it_off(workspace: Workspace) -> None:
    """Design 6: a signal from the `temporal` command goes through intake, which ends the row and signals back."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    handle = workspace.workflow_of(await workspace.becomes("later", "waiting"))
    await handle.signal(names.EXCEPTION, {"type": "no-such-type"})
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    assert (await handle.result()).state == "excepted"
    assert (await workspace.becomes("later", "excepted")).exception_id == "p1"


async def test_stop_ends_the_waits_promptly(workspace: Workspace) -> None:
    """P9: rows and workflows end, without anybody waiting for the due time."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    handle = workspace.workflow_of(await workspace.becomes("later", "waiting"))
    await workspace.order("stop", "later")
    assert (await handle.result()).state == "dropped"
    assert (await workspace.becomes("later", "dropped")).reason == "stopped"


async def test_part_that_cannot_go_on_stops_the_worker(
    environment: WorkflowEnvironment, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with a dead outbox would look alive and start nothing: it ends instead, and says why."""

    async def fail(_: object, __: asyncio.Event) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Outbox, "run", fail)
    with pytest.raises(ExceptionGroup) as ended:
        await run_worker(settings_for("w", sqlite_url, tmp_path), asyncio.Event(), client=environment.client)
    assert [type(error) for error in ended.value.exceptions] == [ZeroDivisionError]


async def test_process_ends_on_sigterm(environment: WorkflowEnvironment, sqlite_url: str, tmp_path: Path) -> None:
    """`python worker.py` runs until SIGTERM and ends with 0; each line that it writes is JSON."""
    surroundings = {
        "TEMPORAL_ADDRESS": environment.client.service_client.config.target_host,
        "CONNECTOR_DATABASE_URL": sqlite_url,
        "CONNECTOR_WORKSPACE": f"w{uuid4().hex[:8]}",
        "CONNECTOR_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        worker.__file__,
        env=os.environ | surroundings,
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            while b"worker_started" not in (line := await process.stderr.readline()):
                assert json.loads(line), "it ended before it ran"
            process.send_signal(signal.SIGTERM)
            assert [json.loads(line)["event"] async for line in process.stderr] == ["worker_stopped"]
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_stopped_while_temporal_is_away(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a server that is not there yet, and can be told to stop waiting."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    stopped = asyncio.Event()
    running = asyncio.create_task(run_worker(settings_for("w", sqlite_url, tmp_path), stopped))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), 0.5)
    stopped.set()
    async with asyncio.timeout(10):
        await running


async def test_database_without_tables_is_told(tmp_path: Path) -> None:
    """It says what to run before it waits for anything, and never starts an outbox that could only fail."""
    nothing_there = settings_for("w", f"sqlite:///{tmp_path / 'empty.db'}", tmp_path)
    with pytest.raises(WrongTables, match="connector setup"):
        await run_worker(nothing_there, asyncio.Event())


async def test_wrong_settings_are_told_in_one_line() -> None:
    """`python worker.py` names the variable, without a traceback."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        worker.__file__,
        env=os.environ | {"CONNECTOR_SMTP_PORT": "mail"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    [line] = [json.loads(line) for line in said.splitlines()]
    assert (line["event"], line["level"]) == ("worker_refused", "error")
    assert line["text"].startswith("CONNECTOR_SMTP_PORT: ")
