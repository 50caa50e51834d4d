"""Ids in paths are opaque: no id reaches another user, by escapes, slashes, dots, redirects or the Host header."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starter.remote.registration import path as path_over_http
from tests.support.api import KEY
from tests.support.api_process import ApiProcess, api_process

SECRET = "a secret of the tests, and of no one else"
AWKWARD_IDS = (
    "a/b",
    "/",
    "//",
    "trail/",
    "/lead",
    "a//b",
    "a%2Fb",
    "a%252Fb",
    "100%",
    "%",
    "%zz",
    ".",
    "..",
    "../x",
    "a/../b",
    "a b",
    " ",
    "+",
    "a?b=c",
    "a#b",
    "a;b=c",
    "a&b",
    "a\\b",
    "a:b@c",
    "{id}",
    "inbox",
    "a/inbox",
    "a/explain",
    "a\nb\r",
    "jürgen",
    "日本/東京",
    "👩‍👩‍👧",
    "e\u0301",
    "\u202egnp",
    "\ufffd",
)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@dataclass(frozen=True)
class Answer:
    """A response as it came over the socket."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class Wire:
    """Sends requests without a client that changes the path."""

    def __init__(self, port: int) -> None:
        self._port = port

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        """Send one request with the key."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            sent = {"Authorization": f"Bearer {KEY}", **headers}
            connection.request(method, target, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
        finally:
            connection.close()


def path_of(id: str, rest: str = "") -> str:
    """Return the path of a user; dots are encoded too, so that no client resolves them."""
    return f"/v1/users/{quote(id, safe='').replace('.', '%2E')}{rest}"


@pytest.mark.parametrize("id", AWKWARD_IDS)
def test_commands_over_http_ask_about_the_id_alone(id: str) -> None:
    """HTTP clients resolve dots: without their encoding, `connector explain ..` would be about another route."""
    sent = httpx.Request("GET", "https://connector.test" + path_over_http("/v1/users/{id}/explain", id=id)).url.raw_path
    start, user, end = sent.decode().rsplit("/", 2)
    assert (start, unquote(user), end) == ("/v1/users", id, "explain")


@pytest.fixture(scope="module")
async def api(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiProcess]:
    """A real server that can create inbox tokens, one for all tests of this module."""
    folder = tmp_path_factory.mktemp("ids")
    database = shutil.copy(_sqlite_template, folder / "connector.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONNECTOR_INBOX_SECRETS", json.dumps([SECRET]))
        async with api_process(f"sqlite+aiosqlite:///{database}", folder / "api.log") as started:
            yield started


def use_every_route(wire: Wire, id: str) -> list[int]:
    """Do everything that can be done with a user id in a path, and expect this user each time.

    Returns:
        The statuses of the erasure, and of what reads and writes the user afterwards.
    """
    assert wire.send("PUT", path_of(id), {"first_name": "P"}).body["id"] == id
    assert wire.send("PATCH", path_of(id), {"attributes": {"mark": id}}).body["id"] == id
    read = wire.send("GET", path_of(id)).body
    assert (read["id"], read["attributes"]) == (id, {"mark": id})
    assert wire.send("GET", path_of(id, "/explain")).body["user"] == id
    assert wire.send("GET", path_of(id, "/inbox")).status == 200
    token = wire.send("POST", path_of(id, "/inbox-token")).body["token"]
    assert wire.send("GET", path_of(id, "/inbox"), Authorization=f"Bearer {token}").status == 200
    assert wire.send("GET", f"/v1/follow-ups?user={quote(id, safe='')}").status == 200
    erased = wire.send("DELETE", path_of(id))
    return [answer.status for answer in (erased, wire.send("GET", path_of(id)), wire.send("PUT", path_of(id), {}))]


async def test_every_route_works_with_every_id(api: ApiProcess) -> None:
    """An id may consist of anything that JSON can say, and all routes mean the same user by it."""
    wire = Wire(api.port)
    for id in AWKWARD_IDS:
        assert await asyncio.to_thread(use_every_route, wire, id) == [204, 404, 410], id


async def test_any_id_survives_the_round_trip(api: ApiProcess) -> None:
    """Whatever hypothesis thinks of: written by path, read by path, and reported about in a body."""
    wire = Wire(api.port)
    erased = set(AWKWARD_IDS)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(ids)
    def round_trip(id: str) -> None:
        if id in erased:
            return
        reported = {"interactions": [], "users": [{"id": id, "first_name": "B"}]}
        assert wire.send("POST", "/v1/interactions", reported).body["users"][0]["status"] == "accepted"
        assert wire.send("GET", path_of(id)).body["first_name"] == "B"
        assert wire.send("PUT", path_of(id), {"first_name": "P"}).body["id"] == id
        assert wire.send("GET", path_of(id)).body["first_name"] == "P"
        assert wire.send("DELETE", path_of(id)).status == 204
        assert wire.send("GET", path_of(id)).status == 404
        erased.add(id)

    await asyncio.to_thread(round_trip)


async def test_no_path_reaches_another_user(api: ApiProcess) -> None:
    """Erasing anybody else does not erase `trail`."""
    wire = Wire(api.port)
    assert wire.send("PUT", "/v1/users/trail", {}).status == 200
    for target in (
        "/v1/users/trail%2F",
        "/v1/users/trail/",
        "/v1/users/%2Ftrail",
        "/v1/users//trail",
        "/v1/users/./trail",
        "/v1/users/x%2F..%2Ftrail",
        "/v1/users/x/../trail",
        "/v1/users/trail%",
        "/v1/users/trail%FF",
        "/v1/users/trail%00",
        "/v1/users/trail%20",
        "/v1/users/trail;x",
        "/v1/users/trail#x",
        "/v1/users/trail#",
        "/v1/users/TRAIL",
    ):
        assert wire.send("DELETE", target).status in (400, 404, 422), target
        assert wire.send("GET", "/v1/users/trail").status == 200, target


async def test_two_spellings_of_an_id_are_one_user(api: ApiProcess) -> None:
    """Escapes of harmless characters, in ids and in routes, change nothing."""
    wire = Wire(api.port)
    assert wire.send("PUT", "/v1/users/trail", {}).status == 200
    for target in ("/v1/users/%74rail", "/v1/%75sers/trail", "/%76%31/users/%74%72%61%69%6c"):
        assert wire.send("GET", target).body["id"] == "trail"


async def test_what_cannot_be_decoded_is_refused(api: ApiProcess) -> None:
    """Bytes that are not UTF-8 would all become one id, and a broken escape is an id that was not encoded."""
    wire = Wire(api.port)
    assert wire.send("PUT", path_of("x\ufffd"), {}).status == 200
    for escape in ("%FF", "%C3", "%ED%A0%80", "%", "%4", "%zz", "50%"):
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/explain"), ("GET", "/inbox")):
            answer = wire.send(method, f"/v1/users/x{escape}{rest}")
            assert (answer.status, answer.body["error"]["code"]) == (422, "invalid"), (escape, rest)
            assert "x-request-id" in answer.headers
    assert wire.send("GET", path_of("x\ufffd")).status == 200


async def test_no_redirect_and_no_reflected_host(api: ApiProcess) -> None:
    """With a slash too many or too few nothing is redirected, and no response quotes the Host of the request."""
    document = (await api.client.get("/openapi.json")).json()
    paths = [path.replace("{", "").replace("}", "") for path in document["paths"]] + ["/docs", "/openapi.json", "/"]
    wire = Wire(api.port)
    for path in paths:
        for target in (path, f"{path}/", f"{path}%2F", f"/{path}", f"//evil.test{path}"):
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                answer = wire.send(method, target, Host="evil.test")
                assert answer.status not in range(300, 400), (method, target)
                assert answer.status < 500, (method, target)
                assert "location" not in answer.headers
                if "evil.test" not in target:
                    assert "evil.test" not in str(answer.headers) + answer.text, (method, target)
