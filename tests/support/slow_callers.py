"""Callers that hold on to what a server gives them: they send a body or a head slowly, and come again when cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType

_BEGIN_SECONDS = 20.0


def head(path: str, length: int, headers: Mapping[str, str] = MappingProxyType({}), *, method: str = "POST") -> bytes:
    """Return the head of a request that announces a body of so many bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def connect(port: int, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect from an address of this machine: every one in 127.0.0.0/8 is."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def send_slowly(
    port: int,
    start: bytes,
    *,
    source: str,
    drip: bytes = b" ",
    every: float = 0.5,
    began: Callable[[], None] = lambda: None,
) -> None:
    """Send `start`, then a drip at a time, and begin again as soon as the server answers or hangs up; for ever.

    Args:
        began: called as soon as `start` is sent, or the server has hung up on it.
    """
    while True:
        with suppress(OSError):
            reader, writer = await connect(port, source)
            try:
                writer.write(start)
                await writer.drain()
                began()
                answered = asyncio.ensure_future(reader.read(1))
                while not answered.done():
                    writer.write(drip)
                    await writer.drain()
                    await asyncio.wait((answered,), timeout=every)
            finally:
                began()
                writer.close()
        await asyncio.sleep(every)


@asynccontextmanager
async def slow_callers(port: int, start: bytes, number: int, *, sources: int = 1) -> AsyncIterator[None]:
    """Run so many slow callers, from so many addresses beginning with 127.0.0.2, until the block ends.

    The block begins when all of them have begun.
    """
    begun = [asyncio.Event() for _ in range(number)]
    tasks = [
        asyncio.create_task(send_slowly(port, start, source=f"127.0.0.{2 + place % sources}", began=event.set))
        for place, event in enumerate(begun)
    ]
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            await asyncio.gather(*(event.wait() for event in begun))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
