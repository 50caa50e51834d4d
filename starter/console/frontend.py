"""NiceGUI, set up so that it writes no files, loads nothing from elsewhere and obeys our content security policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from jinja2 import DictLoader
from nicegui import Client, core, ui
from nicegui.client import templates
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from starter.console.headers import NONCE
from starter.console.sessions import SESSION, Session
from starter.console.theme import COLOURS, HEAD

MAX_OPEN_PAGES, MAX_OPEN_PAGES_OF_A_KEY = 500, 250
"""Pages in memory: those that are shown, and those that were left less than a minute ago."""
_RECONNECT_SECONDS = 10.0
_TITLE = "Campaign Connector"


def create_frontend(not_found: Callable[[], Awaitable[None]]) -> ASGIApp:
    """Return NiceGUI's application. There is one per process, because NiceGUI has one registry of pages.

    Args:
        not_found: builds the page under every address that no page has.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if not core.app.config.has_run_config:
        _add_nonces()
        _bind_events_to_pages()
        core.app.add_api_route("/_nicegui/{path:path}", _answer_no_file, include_in_schema=False)
        core.app.config.socket_io_js_transports = ["websocket"]
        core.app.config.quasar_config["brand"].update(COLOURS)
        core.app.config.quasar_config["loadingBar"] = {"skipHijack": True}  # it has no name for readers of screens
        ui.add_head_html(HEAD, shared=True)
    ui.run_with(
        app,
        root=not_found,
        title=_TITLE,
        favicon=None,
        dark=None,
        language="en-US",
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT_SECONDS,
        message_history_length=100,
        tailwind=False,
        storage_secret=None,
        show_welcome_message=False,
    )
    return app


async def _answer_no_file() -> Response:
    """Answer for a file that NiceGUI does not have: without it, each such request would open a page."""
    return PlainTextResponse("not found\n", 404)


def has_room(session: Session) -> bool:
    """Whether a session may open one more page: one key leaves room for the others."""
    clients = list(Client.instances.values())
    own = sum(1 for client in clients if (found := _session_of(client)) and found.caller.id == session.caller.id)
    return len(clients) < MAX_OPEN_PAGES and own < MAX_OPEN_PAGES_OF_A_KEY


def owns_page(session: Session, id: str) -> bool:
    """Whether this session has opened the page with this id."""
    client = Client.instances.get(id)
    return client is not None and _session_of(client) is session


def leave_pages(session: Session) -> None:
    """Tell the open pages of a session that has ended to load again, which leads to the sign-in."""
    for client in list(Client.instances.values()):
        if _session_of(client) is session:
            client.run_javascript("window.location.reload()")


def _session_of(client: Client) -> Session | None:
    try:
        found: Session | None = client.request.scope["state"].get(SESSION)
    except RuntimeError:  # it was made by no request
        return None
    return found


def _bind_events_to_pages() -> None:
    """Drop what a websocket sends about a page that is not its own: NiceGUI trusts the id in each message."""
    handlers = core.sio.handlers["/"]
    for name in ("event", "javascript_response", "ack", "log"):
        handlers[name] = _for_own_page(handlers[name])


def _for_own_page(handler: Callable[[str, dict[str, Any]], None]) -> Callable[[str, dict[str, Any]], None]:
    def handle(socket: str, message: dict[str, Any]) -> None:
        if message.get("client_id") in core.sio.rooms(socket):
            handler(socket, message)

    return handle


def _add_nonces() -> None:
    """Give every script of NiceGUI's template the nonce of the request, before any value is filled in."""
    loader = templates.env.loader
    assert loader is not None  # noqa: S101
    source, _, _ = loader.get_source(templates.env, "index.html")
    nonce = f'<script nonce="{{{{ request.state.{NONCE} }}}}"'
    templates.env.loader = DictLoader({"index.html": source.replace("<script", nonce)})
