"""The previous release and this one on the same database and the same Temporal, in both directions."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from connector.store.tables import follow_ups, user_aliases
from tests.support.builders import follow_on, now
from tests.support.connector_processes import ConnectorProcesses
from tests.support.databases import PostgreSQL, open_database
from tests.support.polling import until
from tests.support.repository import ROOT

PREVIOUS = "d476d51"
"""The commit of the previous release, 0.2.0."""
AT_ONCE = follow_on("at-once", {"event": "go"})
SOON = follow_on("soon", {"event": "go"}, delay={"after": "20 seconds"})
CANCELLED = follow_on("cancelled", {"event": "go"}, delay={"after": "1 day"}, exceptions=[{"event": "stay"}])
CAMPAIGNS = {campaign["campaign"]: campaign for campaign in (AT_ONCE, SOON, CANCELLED)}
SECONDS = 120.0


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The checkout of the previous release; skips where the history of this one does not have it."""
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history of this checkout does not have the commit {PREVIOUS}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "previous", filter="data")
    return tmp_path / "previous"


@pytest.fixture
def empty_url(postgresql_server: PostgreSQL) -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    name = postgresql_server.create()
    yield postgresql_server.url(name)
    postgresql_server.drop(name)


class Story:
    """A user of each phase has a message at once, one that comes in some later phase, and one that the next cancels."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.expected: dict[tuple[str, str], str] = {}
        self._last: str | None = None

    async def play(self, api: httpx.AsyncClient, user: str) -> None:
        """Report what the user of a phase does, and wait until the message at once went out."""
        items = [_event(user, "go"), *([_event(self._last, "stay")] if self._last else ())]
        users = [{"id": user, "push_tokens": ["token"]}]
        answer = await api.post("/v1/interactions", json={"interactions": items, "users": users})
        assert {item["status"] for item in answer.json()["results"]} == {"accepted"}, answer.text
        self.expected |= {(user, "at-once"): "sent", (user, "soon"): "sent", (user, "cancelled"): "waiting"}
        if self._last:
            self.expected[self._last, "cancelled"] = "excepted"
        self._last = user
        await until(lambda: self._is_sent_at_once(user), f"the message of {user}", seconds=SECONDS)

    async def ends(self) -> bool:
        """Return whether every follow-up has the state that is expected."""
        return await self._states() == self.expected

    async def _is_sent_at_once(self, user: str) -> bool:
        return (await self._states()).get((user, "at-once")) == "sent"

    async def _states(self) -> dict[tuple[str, str], str]:
        columns = (user_aliases.c.external_id, follow_ups.c.campaign, follow_ups.c.state)
        statement = select(*columns).join(follow_ups, user_aliases.c.user_key == follow_ups.c.user_key)
        async with self.database.read("default") as tx:
            return {(user, campaign): state for user, campaign, state in await tx.execute(statement)}


def _event(user: str, name: str) -> dict[str, Any]:
    return {"user": user, "type": "event", "name": name, "occurred_at": now().isoformat()}


@asynccontextmanager
async def running(release: ConnectorProcesses) -> AsyncIterator[httpx.AsyncClient]:
    """Run a worker and an API of a release until the block ends."""
    async with release.worker(), release.api() as api:
        yield api


@pytest.mark.timeout(400)
async def test_an_upgrade_and_a_rollback(
    environment: WorkflowEnvironment, empty_url: str, previous: Path, tmp_path: Path
) -> None:
    """Each release works on the newest tables and goes on with what the other began; nothing is lost or sent twice."""
    temporal = environment.client.service_client.config.target_host
    workspace = f"w{uuid4().hex[:8]}"
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old = ConnectorProcesses(workspace, empty_url, temporal, tmp_path / "old", root=previous)
    new = ConnectorProcesses(workspace, empty_url, temporal, tmp_path / "new")
    await old.setup()
    async with open_database(empty_url) as database:
        story = Story(database)
        async with running(old) as api:
            for name, campaign in CAMPAIGNS.items():
                assert (await api.put(f"/v1/campaigns/{name}", json=campaign)).is_success
                assert (await api.post(f"/v1/campaigns/{name}/publish")).is_success
            await story.play(api, "before")
            await new.setup()
            await story.play(api, "old-program-on-new-tables")
        async with running(new) as api:
            await story.play(api, "upgraded")
        async with running(old) as api:
            await story.play(api, "rolled-back")
            await until(story.ends, "the end of every follow-up", seconds=SECONDS)
    printed = Counter(_messages(tmp_path / "old") + _messages(tmp_path / "new"))
    assert printed == {key: 1 for key, state in story.expected.items() if state == "sent"}


def _messages(folder: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (folder / "worker.log").read_text().splitlines() if line.startswith("{")]
    return [(line["user"], line["campaign"]) for line in lines if line.get("event") == "message"]
