"""A key in an app is public: it reports and reads for the user of a valid token only, and only what an app can know."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.rules.model.api_keys import Scope
from connector.rules.model.interactions import CARD_INTERACTIONS, InteractionType
from connector.rules.targeting.client_reports import CLIENT_INTERACTIONS, SERVER_EVENTS, SERVER_PROPERTIES
from tests.support.builders import now
from tests.support.client_keys import CLIENT_SECRET, ORIGIN, KeyedApi, keyed_api, sign
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
async def api(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedApi]:
    """A real server, one for all tests of this module; each test has users of its own."""
    folder = tmp_path_factory.mktemp("client")
    async with keyed_api(_sqlite_template, folder, CONNECTOR_CLIENT_USER_RATE="1000") as started:
        yield started


def item(kind: str, **fields: Any) -> dict[str, Any]:
    """An item without its user, of whatever its type needs."""
    target = {} if "name" in fields or kind in ("make_purchase", "start_session") else {"campaign": "o"}
    if kind in CARD_INTERACTIONS:
        target = {"card": "banner"}
    return {"type": kind, "occurred_at": now().isoformat(), **target, **fields}


async def results(app: httpx.AsyncClient, *items: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    """Report items, and return their results."""
    answer = await app.post("/v1/interactions", json={"interactions": list(items), **body})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["users" if body else "results"]
    return found


BAD_TOKENS: dict[str, str | None] = {
    "none": None,
    "empty": "",
    "a word": "user-v1",
    "expired": sign("mallory", seconds=-1),
    "for months": sign("mallory", seconds=31 * 86_400),
    "of a guessed secret": sign("mallory", secret="x" * 40),
    "of another workspace": sign("mallory", workspace="other"),
    "of another purpose": sign("mallory", purpose="inbox-v1"),
    "cut": sign("mallory")[:-1],
    "lengthened": sign("mallory") + "A",
    "with another user": re.sub(r"\.[^.]+", ".dmljdGlt", sign("mallory"), count=1),
    "with another expiry": re.sub(r"\.\d+\.", ".1999999999.", sign("mallory")),
}
ROUTES = (
    ("POST", "/v1/interactions"),
    ("GET", "/v1/users/mallory/inbox"),
    ("POST", "/v1/inbox/card.banner/view"),
    ("POST", "/v1/pushes/p/open"),
)


async def test_without_a_valid_user_token_a_client_key_is_worth_nothing(api: KeyedApi) -> None:
    """Whatever is wrong with the token, nothing is answered but 401."""
    async with api.caller("servers") as server:
        created = (await server.post("/v1/users/mallory/inbox-token")).json()["token"]
    for name, token in {**BAD_TOKENS, "an inbox token": created}.items():
        async with api.caller("client", token) as app:
            for method, path in ROUTES:
                answer = await app.request(method, path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), (name, path)
    async with api.caller("client") as app:
        two = httpx.Headers([("X-User-Token", sign("mallory")), ("X-User-Token", sign("victim"))])
        assert (await app.get("/v1/users/mallory/inbox", headers=two)).status_code == 401
    async with api.caller(sign("mallory")) as app:
        assert (await app.get("/v1/users/mallory/inbox")).status_code == 401, "a user token is no key"


async def test_a_client_reports_about_its_own_user_only(api: KeyedApi) -> None:
    """Items about others are invalid and store nothing; items without a user are about the token's."""
    async with api.app("m1") as app, api.caller("read") as reader:
        answers = await results(
            app,
            item("event", name="seen"),
            item("event", name="seen twice", user="m1"),
            item("event", name="forged", user="victim-1"),
            item("open_push", user="victim-1"),
        )
        assert [one["status"] for one in answers] == ["accepted", "accepted", "invalid", "invalid"]
        assert answers[2]["fault"].startswith("user: is not the user of the token")
        changed = await results(app, users=[{"id": "victim-1", "attributes": {"theme": "dark"}}])
        assert changed[0]["status"] == "invalid"
        assert (await reader.get("/v1/users/victim-1")).status_code == 404
        assert (await reader.get("/v1/users/m1")).status_code == 200


async def test_a_client_reports_only_what_an_app_can_know(api: KeyedApi) -> None:
    """Every type of interaction in turn, purchases by type and by name, and properties that are the provider's."""
    async with api.app("m2") as app:
        for kind in InteractionType:
            [result] = await results(app, item(kind.value))
            assert result["status"] == ("accepted" if kind in CLIENT_INTERACTIONS else "invalid"), kind
        for refused in (
            item("make_purchase"),
            item("make_purchase", name="harmless"),
            item("event", name="make_purchase"),
            *(item("open_push", properties={name: "x"}) for name in SERVER_PROPERTIES),
        ):
            [result] = await results(app, refused)
            assert result["status"] == "invalid", refused
        properties = dict.fromkeys(SERVER_PROPERTIES, "x")
        [result] = await results(app, item("event", name="signed up", properties=properties))
        assert result["status"] == "accepted", "events may have properties of any name"
        assert {"open_push", "view_content_card"} <= CLIENT_INTERACTIONS
        assert not any(kind.startswith(("receive_", "enroll_", "perform_")) for kind in CLIENT_INTERACTIONS)


async def test_a_client_uses_up_no_id_of_a_server(api: KeyedApi) -> None:
    """The ids of coming orders, used by the app first, are free for the server; the app's own repetitions are not."""
    ids = ["order-1", "o" * 255]
    early = [item("event", name="seen", id=id) for id in ids]
    async with api.app("buyer") as app, api.caller("servers") as server:
        for status in ("accepted", "duplicate"):
            assert await results(app, *early) == [{"id": id, "status": status} for id in ids]
        track = {"type": "track", "event": "seen", "messageId": "order-2"}
        assert (await app.post("/v1/track", json=track)).json() == {"success": True}
        assert (await app.post("/v1/batch", json={"batch": [{**track, "messageId": "order-3"}]})).is_success
        bought = [
            item("make_purchase", properties={"product": "p"}, id=id, user="buyer")
            for id in (*ids, "order-2", "order-3")
        ]
        for status in ("accepted", "duplicate"):
            assert [one["status"] for one in await results(server, *bought)] == [status] * len(bought)


def test_the_page_lists_what_a_client_may_report() -> None:
    """docs/keys.md has every type of interaction on the side where it belongs, and every property that is refused."""
    text = (ROOT / "docs" / "keys.md").read_text()
    may, may_not = (
        set(re.findall(r"`([a-z_]+)\*?`", part.split("\n\n")[0]))
        for part in re.split(r"\| a client may(?: not)? report \| because \|", text)[1:]
    )
    assert {kind for kind in may if kind in set(InteractionType)} == set(CLIENT_INTERACTIONS)
    prefixes = tuple(name for name in may_not if name.endswith("_"))
    refused = {kind for kind in InteractionType if kind in may_not or kind.startswith(prefixes)}
    assert refused == set(InteractionType) - CLIENT_INTERACTIONS
    assert may_not >= SERVER_PROPERTIES | SERVER_EVENTS


async def test_a_client_changes_listed_attributes_only(api: KeyedApi) -> None:
    """Neither addresses nor consent, by whatever name, and no attribute that the setting does not list."""
    before = {"email": "m3@shop.test", "consent": {"email": "unsubscribed"}, "attributes": {"tier": "free"}}
    async with api.caller("servers") as server, api.app("m3") as app:
        assert (await server.put("/v1/users/m3", json=before)).status_code == 200
        for changes in (
            {"email": "mallory@evil.test"},
            {"phone": "+15550100"},
            {"push_tokens": ["mine"]},
            {"consent": {"email": "subscribed"}},
            {"time_zone": "Asia/Tokyo"},
            {"attributes": {"tier": "gold"}},
            {"attributes": {"theme": "dark", "tier": "gold"}},
            {"attributes": {"theme": "dark"}, "email": "mallory@evil.test"},
        ):
            [result] = await results(app, users=[{"id": "m3", **changes}])
            assert result["status"] == "invalid", changes
        [result] = await results(app, users=[{"attributes": {"theme": "x" * 1023}}])
        assert result["status"] == "invalid", "a user must not use up the room for attributes of servers"
        [result] = await results(app, users=[{"attributes": {"theme": "dark"}, "first_name": "M"}])
        assert result == {"id": "m3", "status": "accepted"}
        after = (await server.get("/v1/users/m3")).json()
        assert after["attributes"] == {"tier": "free", "theme": "dark"}
        assert (after["email"], after["consent"]) == (before["email"], before["consent"])


async def test_a_client_reads_and_uses_its_own_inbox_only(api: KeyedApi) -> None:
    """The published card is seen, viewed once, and never by the name of another user."""
    async with api.caller("servers") as server, api.app("m4") as app:
        await server.put("/v1/users/victim-4", json={})
        assert (await app.get("/v1/users/m4/inbox")).json()["messages"][0]["id"] == "card.banner"
        assert [(await app.post("/v1/inbox/card.banner/view")).json()["status"] for _ in range(2)] == [
            "accepted",
            "duplicate",
        ]
        for other in ("victim-4", "unknown"):
            assert (await app.get(f"/v1/users/{other}/inbox")).status_code == 403
            assert (await app.post("/v1/inbox/card.banner/view", json={"user": other})).status_code == 403
        assert (await app.post("/v1/pushes/unknown/open")).status_code == 403
        assert (await server.get("/v1/users/victim-4/inbox")).json()["messages"][0]["viewed"] is False


async def test_created_tokens_are_those_of_the_documented_construction(api: KeyedApi) -> None:
    """By the route, which needs a server's key, and by the example in docs/keys.md, which runs unchanged."""
    async with api.caller("servers") as server:
        created = await server.post("/v1/users/a%2Fb%20%E2%82%AC/user-token")
        assert created.headers["Cache-Control"] == "no-store"
        token = created.json()["token"]
    async with api.caller("client", token) as app:
        assert [one["status"] for one in await results(app, item("event", name="e", user="a/b €"))] == ["accepted"]
    text = (ROOT / "docs" / "keys.md").read_text()
    [example] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "user-v1" in block]
    names: dict[str, Any] = {}
    exec(example, names)
    signed = names["user_token"](CLIENT_SECRET, "default", "ü/17")
    async with api.caller("client", signed) as app:
        assert [one["status"] for one in await results(app, item("event", name="e", user="ü/17"))] == ["accepted"]


async def test_a_client_s_request_has_few_items(api: KeyedApi) -> None:
    """One user with a token must not fill the log."""
    async with api.app("m11") as app:
        too_many = {"interactions": [item("event", name="e", id=str(n)) for n in range(101)]}
        assert (await app.post("/v1/interactions", json=too_many)).status_code == 413
        batch = {"batch": [message("track", event="e", messageId=str(n)) for n in range(101)]}
        assert (await app.post("/v1/batch", json=batch)).status_code == 400
        assert len(await results(app, *too_many["interactions"][1:])) == 100


async def test_an_erased_user_s_token_is_useless(api: KeyedApi) -> None:
    """It reports nothing, and does not bring the user back."""
    async with api.app("m5") as app, api.caller("manage") as operator, api.caller("read") as reader:
        await results(app, item("event", name="e"))
        assert (await operator.delete("/v1/users/m5")).status_code == 204
        [result] = await results(app, item("event", name="late"))
        assert result["status"] == "invalid"
        assert (await app.get("/v1/users/m5/inbox")).status_code == 410
        assert (await reader.get("/v1/users/m5")).status_code == 404


async def test_web_pages_call_from_listed_origins_only(api: KeyedApi) -> None:
    """Preflights need no key; no other origin, no cookies, no star, and no route but those of clients."""
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-user-token"}
    reports = [f"/v1/{name}" for name in ("interactions", "track", "identify", "page", "screen", "group", "batch")]
    inbox = ["/v1/inbox/card.banner/view", "/v1/pushes/p/open", "/v1/users/a%2Fb/inbox"]
    closed = ["/v1/alias", "/v1/import", "/v1/users/u", "/v1/users/u/user-token", "/v1/campaigns/o", "/metrics"]
    async with api.caller(None) as page:
        for path, origins in (
            *((path, {ORIGIN}) for path in reports),
            *((path, {ORIGIN, "https://inbox.example"}) for path in inbox),
            *((path, set()) for path in closed),
        ):
            for origin in (ORIGIN, "https://inbox.example", "https://evil.example", "null"):
                answer = await page.options(path, headers={"Origin": origin, **asks})
                allowed = answer.headers.get("Access-Control-Allow-Origin")
                assert allowed == (origin if origin in origins else None), (path, origin)
                assert "Access-Control-Allow-Credentials" not in answer.headers
                assert answer.status_code == 200 or allowed is None
    async with api.app("m6", Origin=ORIGIN) as page:
        answer = await page.post("/v1/interactions", json={"interactions": []})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)


async def test_one_user_does_not_use_up_the_rate_of_the_others(
    _sqlite_template: Path,  # noqa: PT019 - its value is used
    tmp_path: Path,
) -> None:
    """A user beyond their own rate waits, also with a new token; another user of the same key does not."""
    async with keyed_api(_sqlite_template, tmp_path, CONNECTOR_CLIENT_USER_RATE="0.02") as slow:
        async with slow.app("flood") as flood, slow.caller("client", sign("flood", seconds=60)) as again:
            assert (await flood.post("/v1/interactions", json={"interactions": []})).status_code == 200
            for app in (flood, again):
                answer = await app.post("/v1/interactions", json={"interactions": []})
                assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
                assert 0 < int(answer.headers["Retry-After"]) <= 50
        async with slow.app("m7") as app:
            assert (await app.post("/v1/interactions", json={"interactions": []})).status_code == 200


async def test_a_segment_sdk_sends_the_token_as_the_password(api: KeyedApi) -> None:
    """Some can send no header of their own; they join a colon to their write key."""
    for password in (sign("m8"), sign("m8") + ":"):
        async with api.caller(None) as app:
            app.auth = httpx.BasicAuth(api.keys["client"], password)
            assert (await app.get("/v1/users/m8/inbox")).status_code == 200
            assert (await app.get("/v1/users/m9/inbox")).status_code == 403


@pytest.mark.parametrize("other", [scope.value for scope in Scope if scope is not Scope.CLIENT])
def test_a_public_key_has_no_other_scope(other: str, sqlite_url: str, tmp_path: Path) -> None:
    """The command refuses to create one that has."""
    words = ("keys", "create", "--name", "app", "--scope", "client", "--scope", other, "--data", str(tmp_path))
    command = subprocess.run(
        [sys.executable, "-m", "starter.cli", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (command.returncode, command.stdout) == (1, "")
    assert "a key with the scope client is public" in command.stderr


def message(type: str, **fields: Any) -> dict[str, Any]:
    """A message of Segment's protocol, as SDKs send it: always with an `anonymousId`."""
    return {"type": type, "anonymousId": "device-1", "timestamp": now().isoformat(), **fields}


REFUSED_MESSAGES = (
    message("track", event="seen", userId="victim-10"),
    message("identify", userId="victim-10", traits={"theme": "dark"}),
    message("track", event="Order Completed", properties={"product_id": "p", "price": 1}),
    message("track", event="make_purchase"),
    message("track", event="Push Notification Received", properties={"campaign_id": "o"}),
    message("track", event="Email Delivered", properties={"campaign_id": "o"}),
    message("track", event="Campaign Converted", properties={"campaign_id": "o"}),
    message("track", event="Push Notification Tapped", properties={"campaign_id": "o", "source": "sendgrid"}),
    message("track", event="Unsubscribed"),
    message("identify", traits={"email": "mallory@evil.test"}),
    message("identify", traits={"pushTokens": ["mine"]}),
    message("identify", traits={"theme": "dark", "tier": "gold"}),
    message("identify", context={"traits": {"phone": "+15550100"}}),
    message("group", groupId="admins"),
    message("alias", previousId="victim-10"),
    message("alias", previousId="device-1"),
)
ACCEPTED_MESSAGES = (
    message("track", event="seen"),
    message("track", event="seen by name", userId="m10"),
    message("track", event="Push Notification Tapped", properties={"campaign_id": "o"}),
    message("page", name="Home"),
    message("screen", name="Home"),
    message("identify", traits={"theme": "dark", "firstName": "M"}),
)


async def test_segment_s_protocol_lets_a_client_do_no_more(api: KeyedApi) -> None:
    """Alone and in a batch: no other user, no server's facts, no addresses, no consent, no joins."""
    async with api.caller("servers") as server, api.app("m10") as app:
        await server.put("/v1/users/m10", json={"email": "m10@shop.test"})
        for sent in REFUSED_MESSAGES:
            answer = await app.post(f"/v1/{sent['type']}", json=sent)
            assert answer.status_code == (403 if sent["type"] == "alias" else 400), (sent, answer.text)
        for sent in ACCEPTED_MESSAGES:
            answer = await app.post(f"/v1/{sent['type']}", json=sent)
            assert answer.status_code == 200, (sent, answer.text)
        both = [*REFUSED_MESSAGES, *ACCEPTED_MESSAGES]
        rejected = (await app.post("/v1/batch", json={"batch": both})).json()["rejected"]
        assert [one["index"] for one in rejected] == list(range(len(REFUSED_MESSAGES)))
        assert (await app.post("/v1/import", json={"batch": []})).status_code == 403
        user = (await server.get("/v1/users/m10")).json()
        assert (user["email"], user["consent"], user["attributes"]) == ("m10@shop.test", {}, {"theme": "dark"})
        assert (user["phone"], user["first_name"], user["push_tokens"]) == (None, "M", [])
        for other in ("victim-10", "device-1"):
            assert (await server.get(f"/v1/users/{other}")).status_code == 404
