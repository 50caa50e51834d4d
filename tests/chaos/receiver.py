"""A receiver of webhooks that counts what it accepts by idempotency key, and does not always answer well."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random  # noqa: TID251 - the seed names the campaign; no rule draws anything

_MOODS = ("well", "slowly", "busy", "lost")
_WEIGHTS = (86, 6, 6, 2)
_ANSWERS = {204: b"HTTP/1.1 204 No Content\r\n\r\n", 503: b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}


class Receiver:
    """What was accepted: `accepted` counts requests by `webhook-id`; `unanswered` has those without an answer.

    `busy` has when a request was not accepted, UTC, by `webhook-id`.
    """

    def __init__(self, seed: int) -> None:
        self.accepted: Counter[str] = Counter()
        self.unanswered: set[str] = set()
        self.busy: dict[str, list[datetime]] = defaultdict(list)
        self.is_kind = False
        self.port = 0
        self._random = Random(f"receiver {seed}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await _read_head(reader):
                await reader.readexactly(int(head.get("content-length", "0")))
                await self._answer(head["webhook-id"], writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, key: str, writer: asyncio.StreamWriter) -> None:
        """Accept a message and say so, or say that it was not accepted, or accept it and lose the answer."""
        mood = "well" if self.is_kind else self._random.choices(_MOODS, _WEIGHTS)[0]
        if mood == "slowly":
            await asyncio.sleep(self._random.uniform(0.5, 2.0))
        if mood == "busy":
            self.busy[key].append(datetime.now(UTC))  # noqa: TID251 - the clock of the database, on one machine
        else:
            self.accepted[key] += 1
        if mood == "lost":
            self.unanswered.add(key)
            raise ConnectionResetError
        writer.write(_ANSWERS[503 if mood == "busy" else 204])
        await writer.drain()


async def _read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the headers of the next request by their names in lower case; none if the connection has ended."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
    except asyncio.IncompleteReadError:
        return {}
    pairs = (line.partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


@asynccontextmanager
async def run_receiver(seed: int) -> AsyncIterator[Receiver]:
    """Serve on loopback until the block ends."""
    receiver = Receiver(seed)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
