"""Operators at the command line: the real commands on the real server, and what they say when it cannot be done."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from connector.temporal.follow_up_client import FollowUpClient, FollowUpUnavailable, FollowUpUnknown, OperationRefused
from connector.temporal.outbox import Outbox
from tests.support.actors import OPERATOR
from tests.support.api import KEY
from tests.support.builders import ABANDONED, ORIGINAL, buy, now, push
from tests.support.installation import Installation
from tests.support.served_api import serving_api
from tests.support.workspace import AT_ONCE, LATER, Workspace, settings_for

Command = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def command(
    request: pytest.FixtureRequest,
    workspace: Workspace,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Command]:
    """Run `connector` as a process on the shop's database and Temporal, or with its API."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", workspace.client.service_client.config.target_host)
    if getattr(request, "param", "store") == "http":
        with serving_api(settings_for(workspace.name, sqlite_url, tmp_path)) as url:
            monkeypatch.setenv("CONNECTOR_API_URL", url)
            monkeypatch.setenv("CONNECTOR_API_KEY", KEY)
            yield _run
    else:
        monkeypatch.setenv("CONNECTOR_DATABASE_URL", sqlite_url)
        monkeypatch.setenv("CONNECTOR_WORKSPACE", workspace.name)
        yield _run


async def _run(*words: str) -> tuple[int, str, str]:
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "starter.cli", *words, **pipes)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def waiting(workspace: Workspace) -> Any:
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    return await workspace.becomes("later", "waiting")


@pytest.mark.parametrize("command", ["store", "http"], indirect=True)
async def test_postpone_and_cancel_at_the_command_line(workspace: Workspace, command: Command) -> None:
    """Later by a duration, then until a time, then ended; repeating the end says what became of it."""
    row = await waiting(workspace)
    code, out, _ = await command("postpone", row.id, "--by", "2 hours", "--json")
    told = json.loads(out)
    assert (code, told["id"], told["update"], told["state"]) == (0, row.id, "postpone", "waiting")
    assert (await workspace.becomes("later", "waiting")).next_at == row.due_at + timedelta(hours=2)
    until = (now() + timedelta(days=3)).replace(microsecond=0)
    code, out, _ = await command("postpone", row.id, "--until", until.isoformat(), "--note", "after the fair")
    assert (code, out.splitlines()[0]) == (0, f"{row.id}: waiting until {until:%Y-%m-%dT%H:%M:%SZ}")
    code, _, err = await command("postpone", row.id, "--until", "2026-01-01T00:00:00Z")
    assert code == 1
    assert "has passed" in err
    code, out, _ = await command("cancel", row.id)
    assert (code, out.splitlines()[0]) == (0, f"{row.id}: dropped (cancelled_by_operator)")
    code, out, err = await command("cancel", row.id)
    assert (code, out, err) == (1, "", "it has ended: dropped (cancelled_by_operator)\n")


async def test_send_now_at_the_command_line(workspace: Workspace, command: Command) -> None:
    """It says that the rules still apply, and it goes out."""
    row = await waiting(workspace)
    code, out, _ = await command("send-now", row.id)
    assert code == 0
    assert "quiet hours may hold it" in out
    await workspace.becomes("later", "sent")
    assert (await command("send-now", row.id))[2] == "it has ended: sent\n"


async def test_ended_and_unknown_ones(workspace: Workspace) -> None:
    """Told from the store, without asking Temporal."""
    await workspace.open(ORIGINAL, AT_ONCE)
    await workspace.receive_push()
    row = await workspace.becomes("at-once", "sent")

    async def refuse_to_connect() -> Client:
        raise AssertionError("Temporal was asked")

    client = FollowUpClient(workspace.database, workspace.name, refuse_to_connect, OPERATOR)
    with pytest.raises(OperationRefused, match="it has ended: sent"):
        await client.cancel(row.id)
    with pytest.raises(FollowUpUnknown, match="there is no follow-up 'unknown'"):
        await client.send_now("unknown")


@pytest.fixture
async def installation(sqlite_database: Database) -> Installation:
    """An installation with one row that waits, and no worker."""
    built = Installation(sqlite_database)
    await built.publish(ORIGINAL, ABANDONED)
    await built.ingest(push("e1", 0))
    return built


async def test_without_a_worker(installation: Installation, environment: WorkflowEnvironment) -> None:
    """Told in words after a while: what was asked has no answer, and may be asked again."""
    [row] = await installation.rows()
    client = FollowUpClient(
        installation.database, "default", _client(environment), OPERATOR, answer_timeout=timedelta(seconds=1)
    )
    with pytest.raises(FollowUpUnavailable, match="was not started yet"):
        await client.cancel(row.id)
    await Outbox(installation.database, "default", environment.client).flush()
    with pytest.raises(FollowUpUnavailable, match="no worker is polling 'connector-default'"):
        await client.cancel(row.id)


async def test_ended_while_the_workflow_had_ended_too(
    installation: Installation, environment: WorkflowEnvironment
) -> None:
    """Between the look and the update it ended: the refusal is the store's, not Temporal's NOT_FOUND."""
    [row] = await installation.rows()

    async def client() -> Client:
        await installation.ingest(buy("b1", 1))
        return environment.client

    with pytest.raises(OperationRefused, match=r"it has ended: excepted \(exception\)"):
        await FollowUpClient(installation.database, "default", client, OPERATOR).cancel(row.id)


def _client(environment: WorkflowEnvironment) -> Callable[[], Awaitable[Client]]:
    async def client() -> Client:
        return environment.client

    return client
