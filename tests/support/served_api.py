"""The real API, served on a socket by a thread of this process, for clients that open connections themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from connector.app.context import open_context
from connector.app.http_server import serve_until
from connector.app.preflight import listen
from connector.settings.application import Settings
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.server import uvicorn_config
from tests.support.api import KEY, configured

_SECONDS = 60.0


@contextmanager
def serving_api(settings: Settings) -> Iterator[str]:
    """Serve the API of these settings, with `KEY` as its key, until the end of the block; yields its address."""
    listening: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=_serve, args=(settings, listening), daemon=True)
    thread.start()
    address, loop, stopped = listening.result(_SECONDS)
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(_SECONDS)


def _serve(settings: Settings, listening: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    async def serve() -> None:
        stopped = asyncio.Event()
        async with open_context(settings) as context:
            with listen("127.0.0.1", 0, option="--port") as socket:
                app = create_app(context, Keys(configured(KEY)))
                address = f"http://127.0.0.1:{socket.getsockname()[1]}"
                listening.set_result((address, asyncio.get_running_loop(), stopped))
                await serve_until(stopped, uvicorn_config(app, settings), socket)

    try:
        asyncio.run(serve())
    except BaseException as fault:
        if listening.done():
            raise
        listening.set_exception(fault)
