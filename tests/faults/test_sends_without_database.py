"""Messages in flight while the database is down and the worker is alive: every answer of a receiver is recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.support.builders import follow_on, now
from tests.support.connector_processes import ConnectorProcesses
from tests.support.databases import PostgreSQL
from tests.support.polling import until

OF_EACH = 7
FIRST_ANSWERS = {"ok": 200, "busy": 429, "broken": 500, "silent": None}
"""The receiver's answers to a user's first request; it accepts every later one. None: it never answers."""
EXPECTED = {"ok": (1, "sent", None), "busy": (2, "sent", None), "broken": (2, "sent", None)}
UNANSWERED = (1, "failed", "send_unknown")


class Receiver:
    """A webhook receiver that answers nothing before the test lets it."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.may_answer = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, whose path is the user."""
        user = (await reader.readline()).split()[1].decode().strip("/")
        self.requests[user] += 1
        await self.may_answer.wait()
        status = FIRST_ANSWERS[user.split("-")[0]] if self.requests[user] == 1 else 200
        if status is None:
            await asyncio.Event().wait()
        writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    ready = Receiver()
    server = await asyncio.start_server(ready.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    ready.url = f"http://{host}:{port}/{{{{ user.id }}}}"
    yield ready
    server.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [3, 20, 60])
async def test_no_answer_is_forgotten_while_the_database_is_away(
    environment: WorkflowEnvironment, server: PostgreSQL, receiver: Receiver, tmp_path: Path, seconds: float
) -> None:
    """Guarantee 4: 200 is recorded as sent, 429 and 500 are tried again; only what has no answer is unknown."""
    temporal = environment.client.service_client.config.target_host
    processes = ConnectorProcesses(
        f"w{uuid4().hex[:8]}", server.url("connector"), temporal, tmp_path, CONNECTOR_WEBHOOK_ALLOW_PRIVATE="true"
    )
    users = [f"{kind}-{number}" for kind in FIRST_ANSWERS for number in range(OF_EACH)]
    campaign = follow_on("f", {"event": "go"}, messages={"webhook": {"url": receiver.url}})
    async with processes.api() as api, processes.worker():
        assert (await api.put("/v1/campaigns/f", json=campaign)).is_success
        assert (await api.post("/v1/campaigns/f/publish")).is_success
        events = [{"user": id, "type": "event", "name": "go", "occurred_at": now().isoformat()} for id in users]
        assert (await api.post("/v1/interactions", json={"interactions": events})).is_success
        await until(lambda: receiver.requests.total() == len(users), "a request for each user", seconds=100)
        server.shut_down()
        receiver.may_answer.set()
        await asyncio.sleep(seconds)  # the outage itself
        server.start()
        await until(lambda: _have_ended(server), "the end of every follow-up", seconds=150)
    results = {user: (receiver.requests[user], state, reason) for user, state, reason in _follow_ups(server)}
    assert results == {user: EXPECTED.get(user.split("-")[0], UNANSWERED) for user in users}


def _follow_ups(server: PostgreSQL) -> list[tuple[str, str, str | None]]:
    rows = server.execute(
        "SELECT external_id, state, reason FROM follow_ups JOIN user_aliases USING (workspace, user_key)",
        name="connector",
    )
    return [(str(user), str(state), reason) for user, state, reason in rows]


def _have_ended(server: PostgreSQL) -> bool:
    return {state for _, state, _ in _follow_ups(server)} <= {"sent", "failed"}
