"""The store or Temporal restored from an older backup: differences are found and corrected, and nothing goes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.health.agreement import decide_agreement
from connector.ingest.intake import Intake
from connector.rules.model.users import User
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups, user_aliases
from connector.store.users.descriptions import save_user
from connector.temporal.comparison import Differences, compare
from connector.temporal.recovery import Recovery
from tests.support.builders import ORIGINAL, PUSHED, follow_on, now
from tests.support.databases import PostgreSQL, open_database
from tests.support.dumps import dump, restore
from tests.support.fake_channel import FakeChannel
from tests.support.polling import until
from tests.support.workspace import Workspace, settings_for, working

LATER = follow_on("later", PUSHED, delay={"after": "1 day"}, exceptions=[{"event": "make_purchase"}])
USERS = "abcdef"
AT_ONCE = timedelta(0)


class Desk:
    """A workspace on PostgreSQL whose database and Temporal can be set back; `channel` is the provider."""

    def __init__(self, server: PostgreSQL, url: str, environment: WorkflowEnvironment, folder: Path) -> None:
        self.server, self.url, self.environment, self.folder = server, url, environment, folder
        self.name, self.channel = f"w{uuid4().hex[:8]}", FakeChannel()
        self.database_name = url.partition("?")[0].rpartition("/")[2]
        self.workspace: Any = None
        self.found = Differences()
        self._pushes: dict[str, dict[str, Any]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Workspace]:
        """Run a worker on the database as it is now, until the block ends."""
        async with open_database(self.url) as database:
            workspace = Workspace(database, self.environment)
            workspace.name = self.name
            workspace.intake = _intake(database, self.name)
            with self.environment.with_time_skipping_disabled():
                async with working(self.environment, settings_for(self.name, self.url, self.folder)):
                    self.workspace = workspace
                    yield workspace

    async def trigger(self, *users: str) -> None:
        """Report a push to each of these users, with an id of its own; the same report, if it was made before."""
        for user in users:
            report = {"id": f"push-{user}", "user": user, "type": "receive_push", "campaign": "o"}
            self._pushes.setdefault(user, {**report, "occurred_at": now().isoformat()})
        await self.workspace.intake.ingest([self._pushes[user] for user in users])
        await until(lambda: self._are_started(users), "follow-ups whose workflows were started")

    async def states(self) -> dict[str, str]:
        """Return the state of each user's follow-up."""
        return {user: row.state for user, row in (await self._rows()).items()}

    async def becomes(self, user: str, state: str) -> None:
        """Wait until a user's follow-up is in this state."""

        async def is_so() -> bool:
            return (await self.states()).get(user) == state

        await until(is_so, f"a follow-up of {user} that is {state}")

    async def workflow(self, user: str) -> WorkflowHandle[Any, Any]:
        """Return the workflow of a user's follow-up."""
        row = (await self._rows())[user]
        name = names.follow_up_id(self.name, row.campaign, row.user_key, row.id)
        return self.environment.client.get_workflow_handle(name)

    async def send_now(self, user: str) -> None:
        """Have a user's message sent, and wait for its result."""
        await (await self.workflow(user)).execute_update(names.SEND_NOW)
        await self.becomes(user, "sent")

    async def compare(self) -> dict[str, str]:
        """Return how follow-ups differ, by their ids."""
        self.found = found = await compare(self.workspace.database, self.name, self.environment.client, late=AT_ONCE)
        kinds = {"lost": found.lost, "closed": found.closed, "ended": found.ended, "unknown": found.unknown}
        return {id: kind for kind, ids in kinds.items() for id in ids}

    async def ids(self) -> dict[str, str]:
        """Return the user by the id of each follow-up."""
        return {row.id: user for user, row in (await self._rows()).items()}

    async def recover(self) -> int:
        """Do what the worker does in the first run of its reconciliation."""
        recovery = Recovery(self.workspace.database, self.name, late=AT_ONCE)
        return await recovery.recover(self.environment.client)

    async def set_back_temporal(self, *, lost: str, running_again: str) -> None:
        """Have Temporal forget a user's workflow, and run one again that has completed, as an older Temporal would."""
        client = self.environment.client
        async with open_database(self.url) as database:
            self.workspace.database = database
            gone, again = await self.workflow(lost), await self.workflow(running_again)
        await client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=gone.id)
            )
        )
        await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=again.id, run_id=(await again.describe()).run_id),
                reason="an older Temporal",
                workflow_task_finish_event_id=4,
                request_id=uuid4().hex,
                reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE],
            )
        )

    async def _are_started(self, users: tuple[str, ...]) -> bool:
        rows = await self._rows()
        return all(user in rows and rows[user].started_at is not None for user in users)

    async def _rows(self) -> dict[str, Any]:
        statement = select(follow_ups, user_aliases.c.external_id).join(
            user_aliases, user_aliases.c.user_key == follow_ups.c.user_key
        )
        async with self.workspace.database.read(self.name) as tx:
            return {row.external_id: row for row in await tx.execute(statement)}


def _intake(database: Database, workspace: str) -> Intake:
    return Intake(database, CatalogueCache(workspace), workspace, retention=timedelta(days=90))


class NoRecovery:
    """In place of the worker's own, so that only the test recovers."""

    def __init__(self, *_: object, **__: object) -> None: ...

    async def recover(self, _client: object) -> int:
        return 0


@pytest.fixture
def desk(
    postgresql_server: PostgreSQL,
    postgresql_url: str,
    environment: WorkflowEnvironment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    desk = Desk(postgresql_server, postgresql_url, environment, tmp_path)
    monkeypatch.setattr("worker.open_channels", lambda *_, **__: {"push": desk.channel})
    monkeypatch.setattr("connector.temporal.reconciliation.Recovery", NoRecovery)
    return desk


async def test_an_older_store(desk: Desk) -> None:
    """After a dump: sent, excepted, begun, begun and sent. Restored, each ends as it did, and is sent once at most."""
    async with desk.running() as workspace:
        await workspace.open(ORIGINAL, LATER)
        await _describe(desk, *USERS)
        await desk.trigger(*"abc")
        backup = dump(desk.server, desk.database_name)
        await desk.send_now("a")
        await (await desk.workflow("b")).signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
        await desk.becomes("b", "excepted")
        await desk.trigger(*"ef")
        await desk.send_now("f")
        users = await desk.ids()
        for user in "abf":
            await (await desk.workflow(user)).result()
    restore(desk.server, desk.database_name, backup)

    async with desk.running():
        assert await desk.states() == dict.fromkeys("abc", "waiting")

        async def differ() -> bool:
            found = {users[id]: kind for id, kind in (await desk.compare()).items()}
            return found == {"a": "closed", "b": "closed", "e": "unknown"}

        await until(differ, "the differences of the older store")
        check = decide_agreement(desk.found)
        assert "2 wait although their workflows have ended, 1 are not in the database" in (check.problem or "")
        assert await desk.recover() == 2
        assert await desk.states() == {"a": "sent", "b": "excepted", "c": "waiting"}
        await desk.trigger(*"ef")  # their reports are repeated, because the restored log lacks them
        assert await desk.recover() == 1
        assert (await desk.states())["f"] == "sent"
        for user in "ce":
            await desk.send_now(user)
        await until(lambda: _no_differences(desk), "agreement")
    assert sorted(desk.channel.users) == sorted("afce")


async def test_an_older_temporal(desk: Desk) -> None:
    """A workflow that is gone starts again, and one that runs again after its message was sent sends nothing."""
    async with desk.running() as workspace:
        await workspace.open(ORIGINAL, LATER)
        await _describe(desk, *"ac")
        await desk.trigger(*"ac")
        await desk.send_now("a")
        users = await desk.ids()
        sent = await desk.workflow("a")
        await sent.result()
    await desk.set_back_temporal(lost="c", running_again="a")

    async with desk.running():

        async def differ() -> bool:
            return {users[id]: kind for id, kind in (await desk.compare()).items()} == {"c": "lost", "a": "ended"}

        await until(differ, "the differences of the older Temporal")
        check = decide_agreement(desk.found)
        assert "1 wait without a workflow, 1 have ended although" in (check.problem or "")
        assert await desk.recover() == 1
        await desk.trigger("c")
        await desk.send_now("c")
        with pytest.raises(WorkflowUpdateFailedError, match="Workflow update failed"):
            await (await desk.workflow("a")).execute_update(names.SEND_NOW)
        await until(lambda: _no_differences(desk), "agreement")
    assert desk.channel.users == ["a", "c"]


async def _no_differences(desk: Desk) -> bool:
    return not await desk.compare()


async def _describe(desk: Desk, *users: str) -> None:
    """Describe users, so that their keys are in the backup."""
    async with desk.workspace.database.write(desk.name) as tx:
        for user in users:
            await save_user(tx, User(id=user, push_tokens=("t",)), await database_now(tx))
