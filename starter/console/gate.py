"""The ASGI gate in front of everything that NiceGUI serves: its pages, files, internal routes and websocket."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, quote

import structlog
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.store.engine.outages import StoreUnavailable
from starter.console.addresses import Addresses
from starter.console.headers import NONCE, PLAIN_POLICY, page_policy, with_headers
from starter.console.sessions import MAX_SOCKETS_OF_A_SESSION, SESSION, Session
from starter.console.state import Console

PUBLIC_PATHS = frozenset({"/healthz", "/sign-in"})
ASSETS = "/assets/"
_FILES, _SOCKET = "/_nicegui/", "/_nicegui_ws"
_OF_A_PAGE = "/_nicegui/client/"
"""The routes of one open page, such as that of its file upload; its id follows."""
MAX_BODY_BYTES = 1_100_000
"""What a page may send: a file of a definition, of up to 1 MB. Browsers check it too, but only browsers."""
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_EVENT = '42["event"'
"""How a frame of the websocket begins that a click or key in a page has caused."""
_CHECK_SECONDS = 1.0
_LEAVE_SECONDS = 0.5
_REFUSED_HEADERS = frozenset({b"x-forwarded-prefix", b"x-forwarded-host"})
"""NiceGUI would write their values into pages."""

_log = structlog.get_logger("console")


class Gate:
    """Lets nothing but the sign-in, its assets and `/healthz` through without a session.

    Args:
        front: the application of what is reached before the sign-in, and of the sign-out.
        pages: NiceGUI's application.
        owns_page: tells whether a session has opened the page with this id, whose websocket comes.
        has_room: tells whether a session may open one more page.
    """

    def __init__(
        self,
        console: Console,
        addresses: Addresses,
        front: ASGIApp,
        pages: ASGIApp,
        owns_page: Callable[[Session, str], bool],
        has_room: Callable[[Session], bool],
    ) -> None:
        self._console, self._addresses, self._front, self._pages = console, addresses, front, pages
        self._owns_page, self._has_room = owns_page, has_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, serve one websocket, or pass on the begin and the end of the process."""
        if scope["type"] == "lifespan":
            await self._pages(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def watch(self) -> None:
        """End sessions that are over or whose key was revoked, every second, until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                await self._console.end_invalid_sessions()
            except StoreUnavailable:
                continue  # the keys were never read, so there are no sessions of stored keys
            except Exception:
                _log.exception("console_broke")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, with_headers(send, PLAIN_POLICY, is_cacheable=False))
            return
        session = self._session(headers)
        state = scope["state"] = {**scope.get("state", {}), SESSION: session, NONCE: secrets.token_urlsafe(18)}
        if path in PUBLIC_PATHS or path.startswith(ASSETS) or path == "/sign-out":
            plain = with_headers(send, PLAIN_POLICY, is_cacheable=path.startswith(ASSETS))
            await self._front(scope, receive, plain)
        elif session is None:
            await _ask_to_sign_in(scope, headers)(scope, receive, with_headers(send, PLAIN_POLICY, is_cacheable=False))
        elif (refused := self._refuse_inside(session, scope["method"], path)) is not None:
            await refused(scope, receive, with_headers(send, PLAIN_POLICY, is_cacheable=False))
        else:
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _REFUSED_HEADERS]
            policy = page_policy(state[NONCE], headers["host"])
            await self._pages(scope, receive, with_headers(send, policy, is_cacheable=path.startswith(_FILES)))

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the refusal of a request that no page of the console sends."""
        if scope["path"] == "/healthz":
            return None
        if scope["path"].startswith(_SOCKET):
            return PlainTextResponse("pages use a websocket here\n", 404)  # and not its replacement by polling
        if not self._addresses.is_host(headers):
            return PlainTextResponse("the console does not answer under this host name\n", 421)
        if scope["method"] not in _SAFE_METHODS and not self._addresses.is_own_origin(headers):
            return PlainTextResponse("only pages of the console may send this\n", 403)
        if scope["method"] not in _SAFE_METHODS and _is_too_large(headers):
            return PlainTextResponse(f"pages send at most {MAX_BODY_BYTES:,} bytes, and say how many\n", 413)
        return None

    def _refuse_inside(self, session: Session, method: str, path: str) -> Response | None:
        """Return the refusal of what belongs to the page of somebody else, or of one page too many."""
        if path.startswith(_OF_A_PAGE):
            is_own = self._owns_page(session, path.removeprefix(_OF_A_PAGE).partition("/")[0])
            return None if is_own else PlainTextResponse("there is no such page\n", 404)
        if method in _SAFE_METHODS and not path.startswith(_FILES) and not self._has_room(session):
            return PlainTextResponse("too many open pages; close some, and try again\n", 503)
        return None

    def _session(self, headers: Headers) -> Session | None:
        if self._console.open_session is not None:
            return self._console.open_session
        cookies = read_cookies(headers)
        id = cookies.get(cookie_name(self._addresses))
        return None if id is None else self._console.sessions.find(id)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        session = self._session(headers)
        is_own = self._addresses.is_host(headers) and self._addresses.is_own_origin(headers)
        page = parse_qs(scope["query_string"].decode("latin-1")).get("client_id", [""])
        if (
            session is None
            or not is_own
            or not self._owns_page(session, page[0])
            or session.sockets >= MAX_SOCKETS_OF_A_SESSION
        ):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        scope["state"] = {**scope.get("state", {}), SESSION: session}
        session.sockets += 1
        try:
            await self._pages(scope, _until_ended(receive, self._console, session), send)
        finally:
            session.sockets -= 1


def _until_ended(receive: Receive, console: Console, session: Session) -> Receive:
    """Return a `receive` that reports a disconnection as soon as the session has ended, and notes what people do."""

    async def receive_until_ended() -> Message:
        message, end = asyncio.ensure_future(receive()), asyncio.ensure_future(session.ended.wait())
        try:
            await asyncio.wait((message, end), return_when=asyncio.FIRST_COMPLETED)
            if session.ended.is_set():
                await asyncio.sleep(_LEAVE_SECONDS)  # in which the page is told to leave; what it sends is ignored
                return {"type": "websocket.disconnect", "code": 1008}
            received = message.result()
        finally:
            message.cancel()
            end.cancel()
        if (received.get("text") or "").startswith(_EVENT):
            console.sessions.use(session)
        return received

    return receive_until_ended


def _ask_to_sign_in(scope: Scope, headers: Headers) -> Response:
    """Return the way to the sign-in for a page, 401 for anything else.

    A link on another site opens the page without the cookie (SameSite=Strict). The answer then asks the browser to load
    it again, now from our own origin, so that people who are signed in need not sign in again.
    """
    path = scope["path"]
    is_page = scope["method"] == "GET" and headers.get("sec-fetch-mode", "navigate") == "navigate"
    if not is_page or path.startswith("/_nicegui"):
        return PlainTextResponse("sign in first\n", 401)
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return HTMLResponse('<!doctype html><title>Console</title><meta http-equiv="refresh" content="0">')
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse("/sign-in?next=" + quote(path + (f"?{query}" if query else ""), safe=""), 303)


def cookie_name(addresses: Addresses) -> str:
    """Return the name of the session's cookie; over https with the prefix that keeps other hosts from setting it."""
    return "__Host-connector_console" if addresses.is_https else "connector_console"


def read_cookies(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request. A strange one, of another application on this host, does not hide ours."""
    return cookie_parser(headers.get("cookie", ""))


def _is_too_large(headers: Headers) -> bool:
    """Whether a body is too large, or does not say how large it is; browsers always say it."""
    length = headers.get("content-length", "0")
    is_counted = "transfer-encoding" not in headers and length.isascii() and length.isdecimal()
    return not is_counted or len(length) > 12 or int(length) > MAX_BODY_BYTES
