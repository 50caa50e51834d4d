"""Nothing of the console is reached before the sign-in, and what is reached after it is bounded by the key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from connector.app.context import AppContext
from connector.rules.model.api_keys import Scope as KeyScope
from connector.rules.model.audit import ActorKind
from starter.api.access.callers import ANONYMOUS, Keys
from starter.api.access.key_cache import ApiKeyCache
from starter.api.requests.errors import ApiError
from starter.console.addresses import Addresses
from starter.console.gate import Gate
from starter.console.headers import PLAIN_POLICY, with_headers
from starter.console.polling import Polling
from starter.console.sessions import SESSION, Session, Sessions
from starter.console.sign_in import SignIn
from starter.console.state import Console, Viewer
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api import Clock, configured

HOST = "127.0.0.1:8090"
ORIGIN = f"http://{HOST}"
KEY = "a-key-of-the-settings-that-only-this-test-knows"


class Pages:
    """What stands in the place of NiceGUI, and notes whatever reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope["path"])
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                self.reached.append(message["text"])
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"inside"})


class Door:
    """A gate with its parts."""

    def __init__(self, context: AppContext, keys: Keys, *, public_url: str | None = None) -> None:
        self.clock, self.pages = Clock(), Pages()
        sessions = Sessions(3600, 600, self.clock)
        open_session = Session(ANONYMOUS, None, 0, 0) if keys.is_open else None
        self.console = Console(context, keys, sessions, Polling(5), open_session)
        addresses = Addresses(public_url)
        front = SignIn(self.console, addresses, 3600).app()
        self.gate = Gate(
            self.console, addresses, front, self.pages, lambda _session, page: page == "mine", lambda _: True
        )

    def client(self, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.gate)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)

    async def sign_in(self, client: httpx.AsyncClient, key: str, target: str = "/campaigns") -> httpx.Response:
        """Fill in the form and send it."""
        form = await client.get("/sign-in", params={"next": target})
        fields = dict(re.findall(r'name="(token|next)" value="([^"]*)"', form.text))
        return await client.post("/sign-in", data={**fields, "key": key}, headers={"origin": ORIGIN})

    async def connect(self, cookie: str | None, *, page: str = "mine", **changed: str | None) -> Socket:
        """Open a websocket with the headers that a browser sends."""
        sent: dict[str, str | None] = {"host": HOST, "origin": ORIGIN, "cookie": cookie, **changed}
        headers = [(name.encode(), text.encode()) for name, text in sent.items() if text is not None]
        query = f"client_id={page}&EIO=4&transport=websocket".encode()
        scope = {"type": "websocket", "path": "/_nicegui_ws/socket.io/", "query_string": query, "headers": headers}
        socket = Socket()
        socket.task = asyncio.create_task(self.gate(scope, socket.incoming.get, socket.outgoing.put))
        await socket.incoming.put({"type": "websocket.connect"})
        async with asyncio.timeout(30):
            socket.answer = (await socket.outgoing.get())["type"]
        return socket


class Socket:
    """One websocket."""

    task: asyncio.Task[None]
    answer: str

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.outgoing: asyncio.Queue[Any] = asyncio.Queue()

    async def send(self, text: str) -> None:
        await self.incoming.put({"type": "websocket.receive", "text": text})


@pytest.fixture
def service(context: AppContext) -> ApiKeyService:
    return ApiKeyService(context.database, "default", OPERATOR)


@pytest.fixture
def door(context: AppContext) -> Door:
    return Door(context, Keys(configured(KEY), stored=ApiKeyCache(context.database, "default")))


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.client() as opened:
        yield opened


PATHS = [
    "/", "/campaigns", "/campaigns/welcome", "/compose", "/users", "/users/u-17", "/follow-ups", "/provider-events",
    "/keys", "/audit", "/docs", "/redoc", "/openapi.json", "/metrics", "/favicon.ico", "/robots.txt",
    "/_nicegui/3.18.0/static/nicegui.js", "/_nicegui/3.18.0/static/quasar.umd.prod.js",
    "/_nicegui/3.18.0/components/x", "/_nicegui/3.18.0/libraries/x", "/_nicegui/3.18.0/resources/x/y",
    "/_nicegui/3.18.0/dynamic_resources/x", "/_nicegui/3.18.0/esm/x/y", "/_nicegui/auto/static/x/y",
    "/_nicegui/client/1/upload/2", "/_nicegui_ws", "/_nicegui_ws/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
    "/socket.io/", "/healthz/", "/healthz/x", "/Healthz", "/sign-in/", "/sign-in/../campaigns", "/SIGN-IN",
    "/assets", "/assetsx", "/%61ssets/../campaigns", "//", "//healthz", "/.", "/..", "/%2e%2e/", "/sign-out/",
    "/sign-in%2f..%2fcampaigns", "/sign-in;x", "/sign-in%00", "/healthz%00", "/*",
]  # fmt: skip
"""Pages, NiceGUI's internal routes, and ways to write a path that might slip past the gate."""


async def test_nothing_is_reached_before_the_sign_in(door: Door, client: httpx.AsyncClient) -> None:
    """Whatever the path, the method and the cookie, only the sign-in, its assets and `/healthz` answer."""
    for path, cookie in product(
        PATHS, (None, "connector_console=", "connector_console=invented", "connector_console=\x01;=;;")
    ):
        headers = {"origin": ORIGIN} | ({} if cookie is None else {"cookie": cookie})
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code in (303, 401, 403, 404, 405), (method, path, answer.status_code)
            assert "inside" not in answer.text
    assert door.pages.reached == []


async def test_websockets_need_the_session_the_page_and_its_origin(door: Door, client: httpx.AsyncClient) -> None:
    """Without a session, from another origin or host, or for a page of somebody else, a websocket is refused."""
    await door.sign_in(client, KEY)
    cookie = f"connector_console={client.cookies['connector_console']}"
    refused = [
        await door.connect(None),
        await door.connect("connector_console=invented"),
        await door.connect(cookie, origin="http://evil.example"),
        await door.connect(cookie, origin="null"),
        await door.connect(cookie, origin=None),
        await door.connect(cookie, origin="http://evil.example", host="evil.example"),
        await door.connect(cookie, **{"sec-fetch-site": "cross-site"}),
        await door.connect(cookie, page="another"),
        await door.connect(cookie, page=""),
    ]
    assert {socket.answer for socket in refused} == {"websocket.close"}
    assert door.pages.reached == []
    socket = await door.connect(cookie)
    assert socket.answer == "websocket.accept"
    socket.task.cancel()


async def test_sockets_of_a_session_are_bounded(
    door: Door, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that opens again and again does not fill the process; a closed one makes room."""
    monkeypatch.setattr("starter.console.gate.MAX_SOCKETS_OF_A_SESSION", 2)
    await door.sign_in(client, KEY)
    cookie = f"connector_console={client.cookies['connector_console']}"
    sockets = [await door.connect(cookie) for _ in range(3)]
    assert [socket.answer for socket in sockets] == ["websocket.accept"] * 2 + ["websocket.close"]
    await sockets[0].incoming.put({"type": "websocket.disconnect"})
    await sockets[0].task
    again = await door.connect(cookie)
    assert again.answer == "websocket.accept"
    for socket in (*sockets, again):
        socket.task.cancel()


async def test_sign_in_and_out(door: Door, client: httpx.AsyncClient) -> None:
    """The cookie is HttpOnly and SameSite=Strict, the way leads back to the page, and the sign-out ends everything."""
    answer = await door.sign_in(client, KEY)
    assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns")
    set_cookie = answer.headers.get_list("set-cookie")[0].lower()
    assert all(part in set_cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert KEY not in answer.text + str(answer.headers)
    page = await client.get("/campaigns")
    assert (page.text, page.headers["cache-control"]) == ("inside", "no-store")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    assert page.headers["x-content-type-options"] == "nosniff"

    (session,) = door.console.sessions
    foreign = await client.post("/sign-out", data={"token": "x"}, headers={"origin": ORIGIN})
    assert foreign.status_code == 403
    assert (await client.post("/sign-out", data={"token": session.form_token})).status_code == 403  # no origin
    ended = await client.post("/sign-out", data={"token": session.form_token}, headers={"origin": ORIGIN})
    assert ended.headers["location"] == "/sign-in"
    assert session.ended.is_set()
    assert len(door.console.sessions) == 0
    assert (await client.get("/campaigns")).status_code == 303


@pytest.mark.parametrize(
    ("is_cacheable", "status", "kept"),
    [(True, 200, True), (True, 304, True), (True, 404, False), (True, 303, False), (False, 200, False)],
)
async def test_what_browsers_store(is_cacheable: bool, status: int, kept: bool) -> None:
    """Browsers store static files, unchanged ones included, but no error and nothing that depends on the viewer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    lasting = (b"cache-control", b"public, max-age=3600")
    answer = with_headers(send, PLAIN_POLICY, is_cacheable=is_cacheable)
    await answer({"type": "http.response.start", "status": status, "headers": [lasting]})
    assert (lasting in sent[0]["headers"]) is kept
    assert ((b"cache-control", b"no-store") in sent[0]["headers"]) is not kept


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        ("", 401, "a key is needed"),
        ("wrong", 401, "the key is not valid"),
        ("ck_000000000000_" + "A" * 43, 401, "the key is not valid"),
        ("k" * 5000, 401, "a key is needed"),
        ("\x00ü<script>alert(1)</script>", 401, "the key is not valid"),
    ],
)
async def test_wrong_keys(door: Door, client: httpx.AsyncClient, key: str, status: int, words: str) -> None:
    """A wrong key is refused in the words of the API, and is not repeated on the page."""
    answer = await door.sign_in(client, key)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "<script>" not in answer.text
    assert len(door.console.sessions) == 0


async def test_keys_need_the_scope_read(door: Door, client: httpx.AsyncClient, service: ApiKeyService) -> None:
    """A key of an app or of a service that reports is no sign-in."""
    for scope in (KeyScope.INGEST, KeyScope.MANAGE, KeyScope.CLIENT):
        issued = await service.create(scope.value, (scope,))
        answer = await door.sign_in(client, issued.secret.text)
        assert (answer.status_code, "the key lacks the scope read" in answer.text) == (403, True)


async def test_guessing_is_throttled(door: Door, client: httpx.AsyncClient) -> None:
    """Wrong keys are counted as at the API, with the time to wait."""
    codes = [(await door.sign_in(client, f"wrong-{number}")).status_code for number in range(25)]
    assert (codes[0], codes[-1]) == (401, 429)
    last = await door.sign_in(client, "wrong")
    assert int(last.headers["retry-after"]) >= 1
    assert (await door.sign_in(client, KEY)).status_code == 303


async def test_forged_forms(door: Door, client: httpx.AsyncClient) -> None:
    """A foreign page cannot sign a person in: the origin is checked, and the token of the form."""
    form = await client.get("/sign-in")
    token = re.findall(r'name="token" value="([^"]*)"', form.text)[0]
    data = {"key": KEY, "token": token}
    assert (await client.post("/sign-in", data=data)).status_code == 403
    assert (await client.post("/sign-in", data=data, headers={"origin": "http://evil.example"})).status_code == 403
    assert (await client.post("/sign-in", data={"key": KEY}, headers={"origin": ORIGIN})).status_code == 403
    async with door.client() as other:
        await other.get("/sign-in")
        assert (await other.post("/sign-in", data=data, headers={"origin": ORIGIN})).status_code == 403
    assert len(door.console.sessions) == 0
    large = await client.post("/sign-in", content=b"key=" + b"x" * 20_000, headers={"origin": ORIGIN})
    assert large.status_code == 403


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("/users/u%2F1?x=1", "/users/u%2F1?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("", "/"),
        ('/"><script>alert(1)</script>', "/&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
    ],
)
async def test_the_way_back_stays_here(client: httpx.AsyncClient, given: str, target: str) -> None:
    """The sign-in leads to a page of the console only."""
    form = await client.get("/sign-in", params={"next": given})
    assert f'name="next" value="{target}"' in form.text


async def test_a_revoked_key_ends_its_sessions(door: Door, client: httpx.AsyncClient, service: ApiKeyService) -> None:
    """Within seconds, its open websockets too; what they still send is not handled; other keys go on."""
    issued = await service.create("ana", (KeyScope.READ, KeyScope.MANAGE))
    await door.sign_in(client, issued.secret.text)
    cookie = f"connector_console={client.cookies['connector_console']}"
    (session,) = door.console.sessions
    viewer = Viewer(door.console, session, "127.0.0.1")
    actor = await viewer.actor(KeyScope.READ, KeyScope.MANAGE)
    assert (actor.kind, actor.id, actor.origin) == (ActorKind.CONSOLE, session.caller.id, "127.0.0.1")
    async with door.client() as other:
        await door.sign_in(other, KEY)
        socket = await door.connect(cookie)
        watch = asyncio.create_task(door.gate.watch())
        await service.revoke(str(session.caller.id))
        async with asyncio.timeout(30):
            await session.ended.wait()
            await socket.send('42["event",{}]')
            await socket.task
        watch.cancel()
        assert (await client.get("/campaigns")).status_code == 303
        assert (await other.get("/campaigns")).status_code == 200
    assert '42["event",{}]' not in door.pages.reached
    with pytest.raises(ApiError, match="the sign-in is over"):
        await viewer.actor(KeyScope.READ)


async def test_scopes_are_checked_when_acting(door: Door, client: httpx.AsyncClient, service: ApiKeyService) -> None:
    """A key with `read` alone may look; an action that a page would not have offered is refused all the same."""
    issued = await service.create("guest", (KeyScope.READ,))
    await door.sign_in(client, issued.secret.text)
    (session,) = door.console.sessions
    viewer = Viewer(door.console, session, None)
    assert (viewer.may(KeyScope.READ), viewer.may(KeyScope.MANAGE)) == (True, False)
    with pytest.raises(ApiError, match="the key lacks the scope manage; it has read"):
        await viewer.actor(KeyScope.MANAGE)


async def test_only_people_keep_a_session_open(door: Door, client: httpx.AsyncClient) -> None:
    """Events of a page count as use; heartbeats and answers to the server do not."""
    await door.sign_in(client, KEY)
    socket = await door.connect(f"connector_console={client.cookies['connector_console']}")
    (session,) = door.console.sessions
    began = session.used_at
    for text, used_at in (("3", began), ('42["ack",{}]', began), ('42["event",{}]', began + 60)):
        door.clock.now = began + 60
        await socket.send(text)
        async with asyncio.timeout(30):
            while text not in door.pages.reached:
                await asyncio.sleep(0.01)
        assert session.used_at == used_at
    socket.task.cancel()


async def test_hosts_and_foreign_links(door: Door) -> None:
    """Another host name is refused, `/healthz` excepted; a link from elsewhere loads again instead of signing in."""
    async with door.client(host="evil.example") as rebound:
        assert (await rebound.get("/")).status_code == 421
        assert (await rebound.get("/sign-in")).status_code == 421
        assert (await rebound.get("/healthz")).json() == {"status": "alive"}
    async with door.client(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}) as linked:
        assert 'http-equiv="refresh"' in (await linked.get("/campaigns")).text
    assert door.pages.reached == []


async def test_https_and_its_cookie(context: AppContext) -> None:
    """Behind https the cookie is bound to the host and never sent without it."""
    door = Door(context, Keys(configured(KEY)), public_url="https://console.shop.example")
    base = "https://console.shop.example"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door.gate), base_url=base) as client:
        form = await client.get("/sign-in")
        token = re.findall(r'name="token" value="([^"]*)"', form.text)[0]
        answer = await client.post("/sign-in", data={"key": KEY, "token": token}, headers={"origin": base})
        set_cookie = answer.headers.get_list("set-cookie")[0]
        assert set_cookie.startswith("__Host-connector_console=")
        assert "; secure" in set_cookie.lower()
        assert "domain" not in set_cookie.lower()
        assert (await client.get("/")).text == "inside"


async def test_open_on_loopback(context: AppContext) -> None:
    """`connector dev` has no sign-in, yet foreign pages and host names are refused as before."""
    door = Door(context, Keys(stored=ApiKeyCache(context.database, "default"), is_open=True))
    async with door.client() as client:
        assert (await client.get("/")).text == "inside"
        assert (await client.get("/", headers={"host": "evil.example"})).status_code == 421
        assert (await client.post("/", headers={"origin": "http://evil.example"})).status_code == 403
        assert (await client.get("/sign-in")).status_code == 303
    assert (await door.connect(None, origin="http://evil.example")).answer == "websocket.close"
    assert door.console.open_session is not None
    actor = await Viewer(door.console, door.console.open_session, None).actor(KeyScope.MANAGE)
    assert (actor.kind, actor.id) == (ActorKind.ANONYMOUS, None)


async def test_prefixes_of_proxies_do_not_reach_pages(door: Door, client: httpx.AsyncClient) -> None:
    """NiceGUI writes `X-Forwarded-Prefix` into its pages, so the gate removes it."""
    seen: list[list[bytes]] = []

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append([name for name, _ in scope["headers"]])
        assert scope["state"][SESSION] is not None
        await door.pages(scope, receive, send)

    door.gate._pages = pages
    await door.sign_in(client, KEY)
    await client.get("/", headers={"x-forwarded-prefix": "/'><script>", "x-forwarded-host": "evil.example"})
    assert seen
    assert not any(name.startswith(b"x-forwarded") for names in seen for name in names)
