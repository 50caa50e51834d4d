"""The real application behind a real server that fails half of all requests, for tests of public SDKs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from socket import socket
from typing import Any

import uvicorn
from sqlalchemy import select
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.app.context import build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.tables import interactions
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.api import KEY, configured
from tests.support.builders import ABANDONED, ORIGINAL
from tests.support.installation import Installation

EVENTS = 400
"""How many events without a campaign an SDK sends besides the trigger and the exception."""


class RequestOutcome(Enum):
    """The outcome of a request: whether it is processed, and the status (None: the connection is cut)."""

    OK = (True, 200)
    REFUSED = (False, 500)
    RESPONSE_LOST = (True, None)
    RATE_LIMITED = (False, 429)
    BUSY_AFTER_PROCESSING = (True, 503)
    DISCONNECTED = (False, None)
    ERROR_AFTER_PROCESSING = (True, 500)


ORDER = (
    RequestOutcome.REFUSED,
    RequestOutcome.OK,
    RequestOutcome.RESPONSE_LOST,
    RequestOutcome.DISCONNECTED,
    RequestOutcome.OK,
    RequestOutcome.OK,
    RequestOutcome.RATE_LIMITED,
    RequestOutcome.OK,
    RequestOutcome.BUSY_AFTER_PROCESSING,
    RequestOutcome.OK,
    RequestOutcome.ERROR_AFTER_PROCESSING,
    RequestOutcome.OK,
)
"""Half of them fail, sometimes twice in a row, each in its own way; then from the start."""


@dataclass
class UnreliableApp:
    """The application with an outcome for each request; `outcomes` has those of past requests in their order."""

    app: ASGIApp
    order: Sequence[RequestOutcome] = ORDER
    outcomes: list[RequestOutcome] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        outcome = self.order[len(self.outcomes) % len(self.order)]
        self.outcomes.append(outcome)
        processed, status = outcome.value
        if processed:
            await self.app(scope, receive, send if outcome is RequestOutcome.OK else _lose_response)
        if outcome is not RequestOutcome.OK:
            await self._fail(status, scope, receive, send)

    async def _fail(self, status: int | None, scope: Scope, receive: Receive, send: Send) -> None:
        if status is None:
            await _cut(send)
            return
        headers = {"Retry-After": "1"} if status in (429, 503) else {}
        await JSONResponse({"error": {"code": "unlucky"}}, status, headers)(scope, receive, send)


async def _lose_response(message: Message) -> None:
    """Lose the response."""


async def _cut(send: Send) -> None:
    """Close the connection without a response; the server keeps it behind `send`."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


@dataclass
class FlakyServer:
    """The server's URL, and the store behind it."""

    url: str
    installation: Installation
    unreliable: UnreliableApp

    async def numbers(self) -> list[int]:
        """Return the property `n` of every event without a campaign in the log, in order."""
        async with self.installation.database.read("default") as tx:
            found = await tx.execute(select(interactions.c.properties).where(interactions.c.topic == "Song Played"))
            return sorted(properties["n"] for (properties,) in found)

    async def check(self) -> None:
        """Check that the log has each event once, the follow-up was cancelled, and half of all requests failed."""
        assert await self.numbers() == list(range(EVENTS))
        assert await self.installation.outcomes() == [("the-trigger", "excepted", "the-exception:1")]
        async with self.installation.database.read("default") as tx:
            topics = [topic for (topic,) in await tx.execute(select(interactions.c.topic))]
        assert len(topics) == EVENTS + 2
        outcomes = self.unreliable.outcomes
        assert set(outcomes[: len(ORDER)]) == set(RequestOutcome), "too few requests to meet every fate"
        failed = sum(outcome is not RequestOutcome.OK for outcome in outcomes)
        assert failed >= len(outcomes) * 0.45


@asynccontextmanager
async def serve(database: Database, order: Sequence[RequestOutcome] = ORDER) -> AsyncIterator[FlakyServer]:
    """Run the server until the block ends.

    Args:
        order: the outcomes of requests, repeated.
    """
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED)
    unreliable = UnreliableApp(create_app(build_context(Settings(), database), Keys(configured(KEY))), order)
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(unreliable, lifespan="off", log_config=None, access_log=False)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield FlakyServer(f"http://127.0.0.1:{listening.getsockname()[1]}", installation, unreliable)
        finally:
            server.should_exit = True
            await serving


def serve_without_faults(database: Database) -> AbstractAsyncContextManager[FlakyServer]:
    """Run a server that does not fail."""
    return serve(database, [RequestOutcome.OK])


def in_campaign() -> dict[str, Any]:
    """The properties of a push of the original, as in the mobile specification."""
    return {"campaign": {"name": "o", "medium": "Push"}}
