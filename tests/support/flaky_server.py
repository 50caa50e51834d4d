"""The real application behind a real server that fails half of all requests, for the SDKs that people use."""

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
from tests.support.api import KEY
from tests.support.builders import ABANDONED, ORIGINAL
from tests.support.installation import Installation

EVENTS = 400
"""How many events of no campaign an SDK sends beside the trigger and the exception."""


class Fate(Enum):
    """What becomes of a request: whether it is processed, and what is answered (None: the line is cut)."""

    WELL = (True, 200)
    REFUSED = (False, 500)
    UNHEARD = (True, None)
    LIMITED = (False, 429)
    BUSY_AFTER_ALL = (True, 503)
    CUT_OFF = (False, None)
    BROKEN_AFTER_ALL = (True, 500)


_W = Fate.WELL
ORDER = (
    Fate.REFUSED, _W, Fate.UNHEARD, Fate.CUT_OFF, _W, _W, Fate.LIMITED, _W, Fate.BUSY_AFTER_ALL, _W,
    Fate.BROKEN_AFTER_ALL, _W,
)  # fmt: skip
"""Half of them fail, twice in a row sometimes, each in its own way; then from the beginning."""


@dataclass
class Unreliable:
    """The application, with a fate for each request. `fates` has those that were met, in their order."""

    app: ASGIApp
    order: Sequence[Fate] = ORDER
    fates: list[Fate] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        fate = self.order[len(self.fates) % len(self.order)]
        self.fates.append(fate)
        processed, status = fate.value
        if processed:
            await self.app(scope, receive, send if fate is Fate.WELL else _unheard)
        if fate is not Fate.WELL:
            await self._fail(status, scope, receive, send)

    async def _fail(self, status: int | None, scope: Scope, receive: Receive, send: Send) -> None:
        if status is None:
            await _cut(send)
            return
        headers = {"Retry-After": "1"} if status in (429, 503) else {}
        await JSONResponse({"error": {"code": "unlucky"}}, status, headers)(scope, receive, send)


async def _unheard(message: Message) -> None:
    """The answer, lost on its way."""


async def _cut(send: Send) -> None:
    """End the connection without a word: the server's own object for this request has it."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0)


@dataclass
class FlakyServer:
    """What a test works with: where the server is, and what is in the store behind it."""

    url: str
    installation: Installation
    unreliable: Unreliable

    async def numbers(self) -> list[int]:
        """The property `n` of every event of no campaign in the log, in order."""
        async with self.installation.database.read("default") as tx:
            told = await tx.execute(select(interactions.c.properties).where(interactions.c.topic == "Song Played"))
            return sorted(properties["n"] for (properties,) in told)

    async def check(self) -> None:
        """All are there, none twice; the follow-up began and was excepted; half of all requests failed."""
        assert await self.numbers() == list(range(EVENTS))
        assert await self.installation.outcomes() == [("the-trigger", "excepted", "the-exception:1")]
        async with self.installation.database.read("default") as tx:
            topics = [topic for (topic,) in await tx.execute(select(interactions.c.topic))]
        assert len(topics) == EVENTS + 2
        fates = self.unreliable.fates
        assert set(fates[: len(ORDER)]) == set(Fate), "too few requests to meet every fate"
        failed = sum(fate is not Fate.WELL for fate in fates)
        assert failed >= len(fates) * 0.45


@asynccontextmanager
async def serve(database: Database, order: Sequence[Fate] = ORDER) -> AsyncIterator[FlakyServer]:
    """The server, for as long as the block runs.

    Args:
        order: the fates of requests, over and over.
    """
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED)
    unreliable = Unreliable(create_app(build_context(Settings(), database), Keys([KEY])), order)
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
    """The server as it is."""
    return serve(database, [Fate.WELL])


def in_campaign() -> dict[str, Any]:
    """The properties of a push of the original, as the mobile spec has them."""
    return {"campaign": {"name": "o", "medium": "Push"}}
