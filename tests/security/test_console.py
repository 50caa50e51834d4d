"""What a person who has signed in at the console cannot do: fill it, reach the pages of others, or hide a cookie."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from nicegui import Client
from starlette.types import Receive, Scope, Send

from connector.app.context import AppContext, build_context
from connector.rules.model.audit import MAX_REASON_CHARACTERS
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.callers import Keys
from starter.api.access.key_cache import ApiKeyCache
from starter.console.addresses import Addresses
from starter.console.elements.dialogs import as_reason
from starter.console.frontend import MAX_OPEN_PAGES, MAX_OPEN_PAGES_OF_A_KEY, has_room
from starter.console.gate import MAX_BODY_BYTES, Gate
from starter.console.polling import Polling
from starter.console.sessions import SESSION, Session, Sessions
from starter.console.sign_in import SignIn
from starter.console.state import Console
from tests.support.api import configured

ORIGIN = "http://127.0.0.1:8090"
KEY = "a-key-of-the-settings-that-only-this-test-knows"


class Inside:
    """Stands in the place of NiceGUI behind a gate: notes the paths that reach it, and whether a page has room."""

    def __init__(self, context: AppContext) -> None:
        self.reached: list[str] = []
        self.is_full = False
        keys = Keys(configured(KEY), stored=ApiKeyCache(context.database, "default"))
        console = Console(context, keys, Sessions(3600, 600), Polling(5))
        addresses = Addresses(None)
        front = SignIn(console, addresses, 3600).app()
        self.gate = Gate(console, addresses, front, self, lambda _, page: page == "mine", lambda _: not self.is_full)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    @asynccontextmanager
    async def signed_in(self) -> AsyncIterator[httpx.AsyncClient]:
        """Open a client with a session."""
        transport = httpx.ASGITransport(self.gate)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN}) as client:
            token = re.findall(r'name="token" value="([^"]*)"', (await client.get("/sign-in")).text)[0]
            assert (await client.post("/sign-in", data={"token": token, "key": KEY})).status_code == 303
            yield client


@pytest.fixture
def inside(sqlite_database: Database) -> Inside:
    return Inside(build_context(Settings(), sqlite_database))


async def _endless() -> Any:
    yield b"x"


async def test_uploads_are_bounded_by_the_server(inside: Inside) -> None:
    """A file that is too large, or that does not say its size, is refused before any of it is read."""
    async with inside.signed_in() as client:
        path = "/_nicegui/client/mine/upload/1"
        assert (await client.post(path, content=b"x" * (MAX_BODY_BYTES + 1))).status_code == 413
        assert (await client.post(path, content=_endless())).status_code == 413
        for length in ("9" * 5000, "-1", "1_0", "²"):
            answer = await client.post(path, headers={b"content-length": length.encode()}, content=b"")
            assert answer.status_code == 413, length
        assert inside.reached == []
        assert (await client.post(path, content=b"x" * MAX_BODY_BYTES)).text == "inside"


async def test_the_routes_of_a_page_are_its_sessions_own(inside: Inside) -> None:
    """Nobody uploads into the page of another session, also with its id."""
    async with inside.signed_in() as client:
        for page in ("another", "", "mine/../another", "%6dine2"):
            for method in ("GET", "POST"):
                answer = await client.request(method, f"/_nicegui/client/{page}/upload/1")
                assert answer.status_code == 404, page
        assert inside.reached == []


async def test_no_page_is_built_beyond_the_room(inside: Inside) -> None:
    """Not even that of an address which no page has; the files that open pages load go on being served."""
    async with inside.signed_in() as client:
        inside.is_full = True
        for path in ("/", "/campaigns", "/no-such-page", "/_nicegui"):
            assert (await client.get(path)).status_code == 503, path
        assert inside.reached == []
        assert (await client.get("/_nicegui/3/static/nicegui.js")).text == "inside"


@pytest.fixture
def open_pages() -> Iterator[dict[str, Any]]:
    """The pages in memory, of which a test may invent some."""
    kept = dict(Client.instances)
    Client.instances.clear()
    yield Client.instances
    Client.instances.clear()
    Client.instances.update(kept)


def test_one_key_does_not_take_all_pages(open_pages: dict[str, Any]) -> None:
    """Whoever opens pages without end, in however many sessions, leaves room for other keys."""
    greedy, other = (SimpleNamespace(caller=SimpleNamespace(id=id)) for id in ("greedy", "other"))
    for number in range(MAX_OPEN_PAGES_OF_A_KEY):
        session = SimpleNamespace(caller=greedy.caller)  # each of its own sign-in
        open_pages[f"p{number}"] = SimpleNamespace(request=SimpleNamespace(scope={"state": {SESSION: session}}))
    assert not has_room(_as_session(greedy))
    assert has_room(_as_session(other))
    assert MAX_OPEN_PAGES_OF_A_KEY * 2 <= MAX_OPEN_PAGES


def _as_session(invented: Any) -> Session:
    session: Session = invented
    return session


@pytest.mark.parametrize("strange", ['a={"b": 1}', "fo@o=1", "ü=1", "a=b c", "path", 'a="', "expires=x", "=", ";;"])
async def test_cookies_of_other_applications_hide_none_of_ours(inside: Inside, strange: str) -> None:
    """A cookie that another application on this host has set signs nobody out."""
    async with inside.signed_in() as client:
        own = f"connector_console={client.cookies['connector_console']}"
        client.cookies.clear()
        for cookie in (f"{strange}; {own}", f"{own}; {strange}"):
            answer = await client.get("/campaigns", headers={b"cookie": cookie.encode("latin-1")})
            assert answer.text == "inside", cookie


def test_reasons_have_the_length_of_the_audit_trail() -> None:
    """Whatever a browser sends as a reason, the audit trail keeps as much as of a reason by the API."""
    assert as_reason("x" * 100_000) == "x" * MAX_REASON_CHARACTERS
    assert as_reason("a\0b ") == "ab"
    nothing: tuple[object, ...] = (None, "", "  ", "\0", {}, [])
    assert [as_reason(value) for value in nothing] == [None] * len(nothing)
