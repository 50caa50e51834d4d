"""The client of the API: its deadline, what it repeats, and the errors that it raises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from pydantic import SecretStr

from connector.rules.model.errors import ConnectorError, DefinitionError, OrderRefused
from connector.settings.remote import RemoteSettings
from starter.remote import client as client_module
from starter.remote.client import ApiClient
from starter.remote.registration import Request, get, path

URL = "https://connector.shop.example/under"
SETTINGS = RemoteSettings(url=URL, key=SecretStr("ck_a-secret-of-thirty-two-characters"))
READ = get("/v1/status", state="open", limit=5, after=None, dry_run=True)
ACT = Request("POST", "/v1/orders", body={"verb": "stop"})
KEYED = Request("POST", "/v1/orders", body={"verb": "stop"}, idempotency_key="k")
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_MAX_WAIT_SECONDS", 0)


class Server:
    """Answers requests in order, the last answer again and again, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers, self.requests = list(answers), list[httpx.Request]()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def send(self, request: Request) -> object:
        """Send a request by the client."""
        async with ApiClient(SETTINGS, transport=httpx.MockTransport(self)) as client:
            return await client.send(request)


def error(status: int, code: str, message: str = "words", **details: object) -> httpx.Response:
    """Return an error of the API."""
    shown = {"code": code, "message": message, **({"details": details} if details else {})}
    return httpx.Response(status, json={"error": shown}, headers={"X-Request-Id": "r-1"})


OK = httpx.Response(200, json={"fine": True})


async def test_a_request() -> None:
    """The key, the query without what is not given, and a path whose ids are encoded."""
    server = Server(OK)
    assert await server.send(READ) == {"fine": True}
    [sent] = server.requests
    assert str(sent.url) == f"{URL}/v1/status?state=open&limit=5&dry_run=true"
    assert sent.headers["Authorization"] == "Bearer ck_a-secret-of-thirty-two-characters"
    await server.send(KEYED)
    assert (server.requests[1].headers["Idempotency-Key"], json.loads(server.requests[1].content)) == (
        "k",
        {"verb": "stop"},
    )
    assert path("/v1/campaigns/{id}/status", id="a/b c?") == "/v1/campaigns/a%2Fb%20c%3F/status"


PASSING = error(503, "store_unavailable")
LOST = httpx.ReadError("reset")


@pytest.mark.parametrize(
    ("request_", "first", "attempts"),
    [
        (READ, PASSING, 2),
        (KEYED, PASSING, 2),
        (ACT, PASSING, 1),
        (READ, LOST, 2),
        (KEYED, LOST, 2),
        (ACT, LOST, 1),
        (ACT, httpx.ConnectError("refused"), 2),
        (ACT, error(429, "rate_limited"), 2),
        (ACT, error(503, "overloaded"), 2),
        (READ, error(503, "temporal_unavailable"), 1),
        (READ, error(500, "internal"), 1),
        (READ, httpx.Response(502, text="bad gateway"), 2),
        (ACT, httpx.Response(502, text="bad gateway"), 1),
        (READ, error(404, "not_found"), 1),
    ],
)
async def test_what_is_repeated(request_: Request, first: httpx.Response | Exception, attempts: int) -> None:
    """Only what does no harm: reads, requests with an idempotency key, and what was refused before it began."""
    server = Server(first, OK)
    if attempts == 2:
        assert await server.send(request_) == {"fine": True}
    else:
        with pytest.raises(ConnectorError):
            await server.send(request_)
    assert len(server.requests) == attempts


async def test_it_gives_up() -> None:
    """Three attempts, then the error."""
    server = Server(PASSING)
    with pytest.raises(ConnectorError, match="words"):
        await server.send(READ)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (error(404, "not_found", "x is not known"), "ApiRefused", "x is not known"),
        (error(403, "forbidden", "the key lacks the scope manage"), "ApiRefused", "the key lacks the scope manage"),
        (error(401, "unauthorized", "a key is needed"), "ApiRefused", "a key is needed; CONNECTOR_API_KEY or "),
        (error(500, "internal", "internal error"), "ApiFailed", r"internal error \(request r-1\)"),
        (error(500, "internal", "the log has it under r-1"), "ApiFailed", "under r-1$"),
        (httpx.Response(200, text="<html>"), "ApiUnreachable", "does not answer as the connector's API does: HTTP 200"),
        (httpx.Response(200, json=[1]), "ApiUnreachable", "does not answer as"),
        (httpx.Response(307, headers={"Location": "https://evil.example"}), "ApiUnreachable", "API's own address$"),
        (httpx.ConnectError("All connection attempts failed"), "ApiUnreachable", f"{URL} cannot be reached: All"),
    ],
)
async def test_errors(answer: httpx.Response | Exception, kind: str, text: str) -> None:
    """The API's words, and what to do where only the caller can know; no redirect is followed."""
    server = Server(answer)
    with pytest.raises(ConnectorError, match=text) as raised:
        await server.send(READ)
    assert type(raised.value).__name__ == kind
    assert {sent.url.host for sent in server.requests} == {"connector.shop.example"}


async def test_problems_and_faults() -> None:
    """A refused order and a wrong definition are the errors of local runs, with the places."""
    with pytest.raises(OrderRefused) as refused:
        await Server(error(409, "refused", problems=["one", "two"])).send(ACT)
    assert refused.value.problems == ["one", "two"]
    fault = {"key": "delay", "problem": "is missing", "file": "a.yaml", "line": 3}
    with pytest.raises(DefinitionError) as wrong:
        await Server(error(422, "invalid", faults=[fault])).send(ACT)
    assert str(wrong.value) == "a.yaml:3: delay: is missing"


async def test_a_deadline() -> None:
    """An API that never answers is given up, and a read is tried again."""
    count = 0

    async def silent(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        await asyncio.sleep(3600)
        return OK

    async with ApiClient(SETTINGS, transport=httpx.MockTransport(silent)) as client:
        with pytest.raises(ConnectorError, match="has not answered within 0 seconds"):
            await client.send(get("/v1/status", seconds=0.01))
    assert count == 3
