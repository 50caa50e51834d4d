"""Keys and the cleanup over HTTP: only `admin` reaches them, and a secret is shown once and kept nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from connector.app.context import AppContext, build_context
from connector.rules.model.api_keys import SERVER_SCOPES, Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.tables import audit, keys
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api import open_client

OTHERS = sorted(SERVER_SCOPES - {Scope.ADMIN})
CALLS: dict[str, tuple[str, str, Any]] = {
    "list": ("GET", "/v1/keys", None),
    "create": ("POST", "/v1/keys", {"name": "mine", "scopes": ["admin"]}),
    "create the like": ("POST", "/v1/keys", {"name": "mine", "scopes": OTHERS}),
    "rotate": ("POST", "/v1/keys/VICTIM/rotate", {"overlap": "0 seconds"}),
    "revoke": ("POST", "/v1/keys/VICTIM/revoke", {}),
    "clean up": ("POST", "/v1/cleanup", {}),
    "count": ("POST", "/v1/cleanup", {"dry_run": True}),
}


class Desk:
    """One application, and clients of it by the scopes of their keys."""

    def __init__(self, database: Database) -> None:
        self.context: AppContext = build_context(Settings(), database)
        self.service = ApiKeyService(database, "default", OPERATOR)
        self.keys = Keys(stored=ApiKeyCache(database, "default"), rate=1000)
        self.stack = AsyncExitStack()

    async def caller(self, *scopes: Scope) -> httpx.AsyncClient:
        """Return a client with a new key of these scopes."""
        return await self.with_key((await self.service.create("caller", scopes)).secret.text)

    async def with_key(self, key: str) -> httpx.AsyncClient:
        """Return a client that sends this key."""
        return await self.stack.enter_async_context(open_client(self.context, given=key, keys=self.keys))

    async def dumped(self, *tables: Any) -> str:
        """Return all rows of some tables as a text."""
        async with self.context.database.read("default") as tx:
            return "".join([str((await tx.execute(select(table))).all()) for table in tables])


@pytest.fixture
async def desk(sqlite_database: Database) -> AsyncIterator[Desk]:
    """An application on an empty database."""
    desk = Desk(sqlite_database)
    async with desk.stack:
        yield desk


async def test_no_other_scope_reaches_keys_or_the_cleanup(desk: Desk) -> None:
    """Not one of them, and not all of them together: nothing is shown, and nothing changes."""
    victim = (await desk.service.create("victim", [Scope.ADMIN])).key.id
    callers = [await desk.caller(scope) for scope in OTHERS] + [await desk.caller(*OTHERS)]
    before = await desk.dumped(keys, audit)
    for caller in callers:
        for name, (verb, path, body) in CALLS.items():
            answer = await caller.request(verb, path.replace("VICTIM", victim), json=body)
            assert (answer.status_code, answer.json()["error"]["details"]) == (403, {"missing": ["admin"]}), name
    assert await desk.dumped(keys, audit) == before


async def test_admin_reaches_nothing_else_without_a_key_that_it_makes(desk: Desk) -> None:
    """It neither reads users nor reports nor orders; that it can make a key which does leaves an entry with its id."""
    admin = await desk.caller(Scope.ADMIN)
    for verb, path, missing in (
        ("GET", "/v1/users/u", "read"),
        ("GET", "/v1/audit", "manage"),
        ("PUT", "/v1/users/u", "ingest"),
        ("POST", "/v1/campaigns/o/stop", "manage"),
    ):
        answer = await admin.request(verb, path)
        assert (answer.status_code, answer.json()["error"]["details"]) == (403, {"missing": [missing]})
    made = (await admin.post("/v1/keys", json={"name": "reader", "scopes": ["read"], "reason": "to look"})).json()
    reader = await desk.with_key(made["key"])
    assert (await reader.get("/v1/follow-ups")).status_code == 200
    [entry] = [row for row in await _entries(desk) if row.action == "create_key"][-1:]
    assert (entry.actor_kind, entry.subject, entry.reason) == ("key", made["id"], "to look")
    assert entry.details == {"name": "reader", "scopes": ["read"], "expires_at": None}


async def test_a_secret_is_shown_once_and_stored_nowhere(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Neither lists nor the audit trail nor logs nor the table of keys have it, and no cache keeps the response."""
    admin = await desk.caller(Scope.ADMIN)
    created = await admin.post("/v1/keys", json={"name": "shop", "scopes": ["ingest"], "expires": "90 days"})
    rotated = await admin.post(f"/v1/keys/{created.json()['id']}/rotate", json={"overlap": "1 hour"})
    later = await admin.get("/v1/keys")
    revoked = await admin.post(f"/v1/keys/{rotated.json()['id']}/revoke")
    stored = await desk.dumped(keys, audit)
    for answer in (created, rotated):
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        secret = answer.json()["key"].rpartition("_")[2]
        for text in (later.text, revoked.text, stored, caplog.text):
            assert secret not in text
    assert [key["state"] for key in later.json()["keys"]] == ["active", "expires", "expires"]
    assert rotated.json()["replaces"]["id"] == created.json()["id"]


async def test_every_change_holds_within_a_second(desk: Desk) -> None:
    """What an admin makes works, and what it revokes or rotates without an overlap does not any more."""
    admin = await desk.caller(Scope.ADMIN)
    made = [(await admin.post("/v1/keys", json={"name": "k", "scopes": ["read"]})).json() for _ in range(2)]
    callers = [await desk.with_key(key["key"]) for key in made]
    assert [(await caller.get("/v1/follow-ups")).status_code for caller in callers] == [200, 200]
    await admin.post(f"/v1/keys/{made[0]['id']}/revoke")
    await admin.post(f"/v1/keys/{made[1]['id']}/rotate", json={"overlap": "0 seconds"})
    async with asyncio.timeout(30):
        while [(await caller.get("/v1/follow-ups")).status_code for caller in callers] != [401, 401]:
            await asyncio.sleep(0.05)
    refused = await admin.post(f"/v1/keys/{made[0]['id']}/rotate")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "refused")


@pytest.mark.parametrize(
    ("path", "body", "status", "key"),
    [
        ("/v1/keys", {"name": "app", "scopes": ["client", "read"]}, 422, "scopes"),
        ("/v1/keys", {"name": "app", "scopes": []}, 422, "scopes"),
        ("/v1/keys", {"name": "app", "scopes": ["root"]}, 422, "scopes[0]"),
        ("/v1/keys", {"name": " ", "scopes": ["read"]}, 422, "name"),
        ("/v1/keys", {"name": "a\nb", "scopes": ["read"]}, 422, "name"),
        ("/v1/keys", {"name": "x" * 256, "scopes": ["read"]}, 422, "name"),
        ("/v1/keys", {"scopes": ["read"]}, 422, "name"),
        ("/v1/keys", {"name": "app", "scopes": ["read"], "rate": 0}, 422, "rate"),
        ("/v1/keys", {"name": "app", "scopes": ["read"], "rate": 1e9}, 422, "rate"),
        ("/v1/keys", {"name": "app", "scopes": ["read"], "expires": "soon"}, 422, "expires"),
        ("/v1/keys", {"name": "app", "scopes": ["read"], "expires": "0 days"}, 422, "expires"),
        ("/v1/keys", {"name": "app", "scopes": ["read"], "secret": "mine"}, 422, "secret"),
        ("/v1/keys/000000000000/rotate", {"overlap": "long"}, 422, "overlap"),
        ("/v1/keys/000000000000/rotate", {}, 404, None),
        ("/v1/keys/000000000000/revoke", {}, 404, None),
        ("/v1/keys/env-tests/revoke", {}, 404, None),
        ("/v1/cleanup", {"dry": True}, 422, "dry"),
    ],
)
async def test_wrong_requests_change_nothing(
    desk: Desk, path: str, body: dict[str, Any], status: int, key: str | None
) -> None:
    """The fault names its key."""
    admin = await desk.caller(Scope.ADMIN)
    before = await desk.dumped(keys, audit)
    answer = await admin.post(path, json=body)
    faults = answer.json()["error"].get("details", {}).get("faults", [])
    assert (answer.status_code, key in [None, *(fault["key"] for fault in faults)]) == (status, True), answer.text
    assert await desk.dumped(keys, audit) == before


async def test_a_whole_key_in_the_path_is_not_quoted(desk: Desk) -> None:
    """Whoever pastes a whole key gets its id back, never the secret."""
    admin = await desk.caller(Scope.ADMIN)
    made = (await admin.post("/v1/keys", json={"name": "k", "scopes": ["read"]})).json()
    revoked = await admin.post(f"/v1/keys/{made['key']}/revoke")
    assert (revoked.status_code, revoked.json()["id"]) == (200, made["id"])
    invented = f"ck_{'0' * 12}_{'S' * 43}"
    assert "SSSS" not in (await admin.post(f"/v1/keys/{invented}/revoke")).text


async def test_the_cleanup_counts_and_leaves_an_entry(desk: Desk) -> None:
    """A dry run changes nothing; a run says what it deleted, and who ran it is in the trail."""
    admin = await desk.caller(Scope.ADMIN)
    before = len(await _entries(desk))
    counted = (await admin.post("/v1/cleanup", json={"dry_run": True})).json()
    assert (counted, len(await _entries(desk))) == (
        {"rows": {}, "partitions": {}, "faults": [], "has_more": False},
        before,
    )
    ran = await admin.post("/v1/cleanup", json={"reason": "before the backup"})
    [entry] = (await _entries(desk))[before:]
    assert (ran.status_code, entry.action, entry.reason) == (200, "clean_up", "before the backup")
    assert json.loads(json.dumps(entry.details)) == {"rows": {}}


async def _entries(desk: Desk) -> list[Any]:
    async with desk.context.database.read("default") as tx:
        return list((await tx.execute(select(audit).order_by(audit.c.seq))).all())
