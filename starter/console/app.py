"""The console as one ASGI application: the gate, the sign-in, and NiceGUI's pages behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connector.app.context import AppContext
from starter.api.access.callers import ANONYMOUS, Keys
from starter.console.addresses import Addresses
from starter.console.frontend import create_frontend, has_room, leave_pages, owns_page
from starter.console.gate import Gate
from starter.console.pages import registry
from starter.console.pages.not_found import show_not_found
from starter.console.polling import Polling
from starter.console.sessions import Session, Sessions
from starter.console.sign_in import SignIn
from starter.console.state import Console


@dataclass(frozen=True)
class ConsoleApp:
    """The application, and what has to run beside it."""

    console: Console
    gate: Gate

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End sessions that are over, and start follow-ups that actions of pages have made due."""
        stopped = asyncio.Event()
        watch = asyncio.create_task(self.gate.watch())
        sweep = asyncio.create_task(self.console.context.outbox.run(stopped))
        try:
            yield
        finally:
            watch.cancel()
            stopped.set()
            await asyncio.gather(watch, sweep, return_exceptions=True)


def create_console(context: AppContext, keys: Keys) -> ConsoleApp:
    """Create the console. A process can have one, because NiceGUI has one registry of pages."""
    settings = context.settings.console
    lifetime = settings.session_lifetime.total_seconds()
    sessions = Sessions(lifetime, settings.session_idle.total_seconds())
    open_session = Session(ANONYMOUS, None, began_at=0.0, used_at=0.0) if keys.is_open else None
    console = Console(context, keys, sessions, Polling(settings.interval.total_seconds()), open_session)
    addresses = Addresses(settings.public_url)
    pages = create_frontend(show_not_found)
    registry.install(console)
    sessions.on_end = leave_pages
    front = SignIn(console, addresses, lifetime).app()
    return ConsoleApp(console, Gate(console, addresses, front, pages, owns_page, has_room))
