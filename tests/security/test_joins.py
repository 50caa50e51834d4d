"""Item 1: who may join two users, on a real process and socket, over every route that links ids."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connector.store.engine.database import Database, database_now
from connector.store.users.inbox import InboxMessage, insert_message
from connector.store.users.users import find_user
from starter.api.access.user_tokens import UserTokens
from starter.api.context import machine_now
from tests.support.api_process import api_process
from tests.support.databases import forget_users
from tests.support.scoped_keys import create_keys

W = "default"
ROUTES = ("alias", "batch", "import")
SECRET = "a secret of the tests, and of no one else"


@dataclass
class Attack:
    """A running API, with keys by their scopes."""

    client: httpx.AsyncClient
    keys: dict[str, str]
    url: str

    async def call(self, verb: str, path: str, body: Any = None, key: str = "ingest") -> httpx.Response:
        """Send a request with the key of these scopes."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        return await self.client.request(verb, path, json=body, headers=headers)

    async def send(self, kind: str, key: str = "ingest", **message: Any) -> None:
        """Send one message of Segment's protocol, which must be accepted."""
        answer = await self.call("POST", f"/v1/{kind}", message, key)
        assert answer.status_code == 200, answer.text

    async def join(self, previous: str, id: str, route: str = "alias", key: str = "ingest") -> str | None:
        """Try to join two ids; return the fault, None if they were joined."""
        alias = {"previousId": previous, "userId": id}
        if route == "alias":
            answer = await self.call("POST", "/v1/alias", alias, key)
            if answer.status_code == 403:
                assert answer.json()["error"]["details"] == {"missing": ["manage"]}
                assert answer.json()["code"] == "forbidden"
            return None if answer.status_code == 200 else str(answer.json()["message"])
        answer = await self.call("POST", f"/v1/{route}", {"batch": [{"type": "alias", **alias}]}, key)
        assert answer.status_code == 200, answer.text
        rejected = answer.json().get("rejected", [])
        return str(rejected[0]["fault"]) if rejected else None

    async def user(self, id: str) -> dict[str, Any] | None:
        """Return the profile; None if there is no such user."""
        answer = await self.call("GET", f"/v1/users/{id}", key="read")
        return None if answer.status_code == 404 else answer.json()

    async def inbox(self, id: str) -> list[str]:
        """Return the ids of the messages in a user's inbox."""
        answer = await self.call("GET", f"/v1/users/{id}/inbox", key="read")
        return [message["id"] for message in answer.json().get("messages", [])]

    async def deliver(self, user: str) -> None:
        """Put a message into a user's inbox; its id is the user's."""
        database = Database.open(self.url)
        try:
            async with database.write(W) as tx:
                stored, now = await find_user(tx, user), await database_now(tx)
                assert stored is not None
                at = {"created_at": now, "expires_at": now.replace(year=now.year + 1)}
                shown: dict[str, Any] = {"kind": "in_app_message", "content": {"title": "private"}, "priority": 1}
                message = InboxMessage(user, f"{user}.d", stored.user_key, campaign="c", **shown, **at)
                await insert_message(tx, message)
        finally:
            await database.close()


@pytest.fixture(scope="module")
async def _attack(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attack]:
    folder = tmp_path_factory.mktemp("joins")
    url = f"sqlite+aiosqlite:///{shutil.copy(_sqlite_template, folder / 'connector.db')}"
    keys = await create_keys(url, "ingest", "read", "manage", "ingest+manage", "ingest+read", "client")
    secrets = {f"CONNECTOR_{name}_SECRETS": f'["{SECRET}"]' for name in ("CLIENT", "INBOX")}
    async with api_process(url, folder / "api.log", other=secrets) as api:
        yield Attack(api.client, keys, url)


@pytest.fixture
async def attack(_attack: Attack) -> Attack:
    """A real API that knows no users yet; one process for all tests of this module."""
    await forget_users(_attack.url)
    return _attack


def event(user: str) -> dict[str, Any]:
    return {"user": user, "type": "event", "name": "seen", "occurred_at": "2026-11-28T12:00:00Z"}


FIRST_USES: dict[str, tuple[str, str, Any]] = {
    "userId": ("POST", "/v1/track", {"userId": "ID", "event": "e"}),
    "identify": ("POST", "/v1/identify", {"userId": "ID", "traits": {}}),
    "interaction": ("POST", "/v1/interactions", {"interactions": [event("ID")]}),
    "users": ("POST", "/v1/interactions", {"interactions": [], "users": [{"id": "ID"}]}),
    "put": ("PUT", "/v1/users/ID", {}),
    "patch": ("PATCH", "/v1/users/ID", {}),
    "batch": ("POST", "/v1/batch", {"batch": [{"type": "page", "userId": "ID"}]}),
    "alias": ("POST", "/v1/alias", {"userId": "ID", "previousId": "ID"}),
}
"""Every request by which an id becomes known as a user's own; `alias` of an id with itself creates no user."""


def use_of(way: str, id: str) -> tuple[str, str, Any]:
    """Return the request by which an id is first used."""
    verb, path, body = FIRST_USES[way]

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(one) for name, one in value.items()}
        return [put(one) for one in value] if isinstance(value, list) else value.replace("ID", id)

    return verb, path.replace("ID", id), put(body)


async def test_a_key_with_ingest_takes_over_no_user(attack: Attack) -> None:
    """No route joins an id that any request identified; erasing the attacker erases no one else."""
    await attack.send("identify", userId="mallory", traits={})
    for way in FIRST_USES:
        victim = f"victim-{way}"
        assert (await attack.call(*use_of(way, victim))).status_code == 200, way
        if way != "alias":
            await attack.deliver(victim)
        for route in ROUTES:
            assert await attack.join(victim, "mallory", route), (way, route)
            assert await attack.join(victim, f"new-{way}", route), (way, route)
    assert await attack.inbox("mallory") == []
    assert (await attack.call("DELETE", "/v1/users/mallory", key="manage")).status_code == 204
    for way in FIRST_USES.keys() - {"alias"}:
        assert await attack.inbox(f"victim-{way}") == [f"victim-{way}"]


async def test_an_unused_id_cannot_be_joined(attack: Attack) -> None:
    """Whoever signs up with it later is a new user."""
    for route in ROUTES:
        assert await attack.join(f"future-{route}", "mallory", route)
        answer = await attack.call("PUT", f"/v1/users/future-{route}", {"first_name": route})
        assert answer.status_code == 200
        assert (await attack.user(f"future-{route}") or {})["first_name"] == route
    assert await attack.user("mallory") is None, "a refused join leaves nothing"


@pytest.mark.parametrize("way", sorted(FIRST_USES.keys() - {"alias"}))
async def test_an_id_that_was_planted_as_anonymous_is_split_off(attack: Attack, way: str) -> None:
    """Bob's id, reported as an anonymous one and joined into mallory, is a new user when bob signs up with it."""
    await attack.send("track", anonymousId="bob", event="planted")
    assert await attack.join("bob", "mallory") is None
    await attack.deliver("mallory")
    assert (await attack.call(*use_of(way, "bob"))).status_code == 200
    assert await attack.inbox("bob") == []
    await attack.deliver("bob")
    assert await attack.inbox("mallory") == ["mallory"]
    for route in ROUTES:
        assert await attack.join("bob", "mallory", route), "bob is identified now"
    (join,) = (await attack.user("mallory") or {})["joins"]
    assert (join["previous_id"], join["id"], join["undone_by"]) == ("bob", "mallory", None)
    assert join["undone_at"] is not None
    assert (await attack.call("DELETE", "/v1/users/mallory", key="manage")).status_code == 204
    assert await attack.inbox("bob") == ["bob"]


async def test_an_anonymous_id_with_company_is_not_waited_for(attack: Attack) -> None:
    """Mallory's own visitor, joined into an anonymous `bob`, is no id of bob's when bob signs up."""
    await attack.send("page", anonymousId="bob")
    await attack.send("identify", anonymousId="visitor", traits={"is": "mallory"})
    await attack.send("alias", previousId="visitor", anonymousId="bob")
    await attack.send("identify", userId="bob", traits={"email": "bob@shop.example"})
    assert (await attack.user("visitor") or {})["email"] is None
    assert (await attack.user("bob") or {})["attributes"] == {}


async def test_a_visitor_who_is_someones_joins_no_two_users(attack: Attack) -> None:
    """An anonymous id that ann's user has already is no bridge from ann to mallory."""
    await attack.send("page", anonymousId="visitor")
    assert await attack.join("visitor", "ann") is None
    await attack.deliver("ann")
    for route in ROUTES:
        assert await attack.join("visitor", "mallory", route)
    assert await attack.inbox("mallory") == []
    assert await attack.inbox("visitor") == ["ann"]


async def test_a_planted_id_that_signs_in_reads_nobodys_inbox(attack: Attack) -> None:
    """An id that its owner planted as an anonymous one of ann's, and whose user token the team's server signs later."""
    await attack.send("page", anonymousId="mallory")
    assert await attack.join("mallory", "ann") is None
    await attack.deliver("ann")
    token, _ = UserTokens(W, [SecretStr(SECRET)]).create("mallory", machine_now(), timedelta(hours=1))
    headers = {"Authorization": f"Bearer {attack.keys['client']}", "X-User-Token": token}
    answer = await attack.client.get("/v1/users/mallory/inbox", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["messages"] == []
    assert (await attack.user("ann") or {})["joins"][0]["undone_at"] is not None


async def test_the_flow_of_every_site_works_with_ingest(attack: Attack) -> None:
    """A visitor's page, then alias and identify: one user with the visitor's history; all over, nothing new."""
    for _ in range(2):
        batch = [
            {"type": "page", "anonymousId": "visitor", "messageId": "p"},
            {"type": "alias", "previousId": "visitor", "userId": "ann"},
            {"type": "identify", "userId": "ann", "traits": {"email": "ann@shop.example"}},
            {"type": "track", "userId": "ann", "event": "Signed Up", "messageId": "t"},
        ]
        answer = await attack.call("POST", "/v1/batch", {"batch": batch})
        assert answer.json() == {"success": True}
    for id in ("visitor", "ann"):
        user = await attack.user(id) or {}
        assert user["email"] == "ann@shop.example"
        assert [(one["previous_id"], one["id"], one["route"]) for one in user["joins"]] == [("visitor", "ann", "batch")]
        assert user["joins"][0]["joined_by"] == attack.keys["ingest"].split("_")[1]


async def test_manage_joins_and_undoes(attack: Attack) -> None:
    """With `manage` beside `ingest` two known ids are joined; a split undoes it for what comes after, and only then."""
    for id in ("old", "new"):
        await attack.send("identify", userId=id, traits={id: 1})
    assert await attack.join("old", "new")
    assert await attack.join("old", "new", key="ingest+manage") is None
    assert await attack.join("unseen", "new", "batch", key="ingest+manage") is None
    assert (await attack.user("unseen") or {})["attributes"] == {"old": 1, "new": 1}
    for key, status in (("ingest", 403), ("read", 403), ("manage", 200)):
        assert (await attack.call("POST", "/v1/users/old/split", key=key)).status_code == status
    for id in ("old", "new", "unknown"):
        wanted = 404 if id == "unknown" else 409
        assert (await attack.call("POST", f"/v1/users/{id}/split", key="manage")).status_code == wanted
    await attack.deliver("new")
    assert (await attack.user("old") or {})["attributes"] == {}
    assert await attack.inbox("old") == []
    assert await attack.join("old", "new"), "a split id is a user's own"
    joins = (await attack.user("new") or {})["joins"]
    manager = attack.keys["manage"].split("_")[1]
    assert {one["previous_id"]: one["undone_by"] for one in joins} == {"old": manager, "unseen": None}
    put = await attack.call("PUT", "/v1/users/new", await attack.user("new"))
    assert put.status_code == 200, "a profile that was read can be sent back"


async def test_a_joined_visitor_does_not_become_the_id_of_a_user(attack: Attack) -> None:
    """Mallory's id, joined as a visitor's, is not by what ann is shown to receivers, and can be split off."""
    await attack.send("identify", userId="ann", traits={})
    await attack.deliver("ann")
    await attack.send("identify", anonymousId="a-mallory", traits={"is": "mallory"})
    aliases = [
        {"type": "alias", "previousId": "a-mallory", "userId": "ann"},
        {"type": "alias", "previousId": "ann", "anonymousId": "a-mallory"},
    ]
    for messages in (aliases[:1], aliases[1:], aliases):
        assert (await attack.call("POST", "/v1/batch", {"batch": messages})).json() == {"success": True}
    split = await attack.call("POST", "/v1/users/a-mallory/split", key="manage")
    assert split.json() == {"id": "a-mallory", "split_from": "ann"}, split.text
    assert await attack.inbox("ann") == ["ann"]
    assert await attack.inbox("a-mallory") == []


async def test_a_token_of_an_id_that_was_split_off_opens_no_inbox(attack: Attack) -> None:
    """Bob, joined into ann by mistake, keeps no access to her inbox by the token of his phone; ann keeps hers."""
    for id in ("ann", "bob"):
        await attack.send("identify", userId=id, traits={})
    assert await attack.join("bob", "ann", key="ingest+manage") is None
    await attack.deliver("ann")
    tokens = {}
    for id in ("ann", "bob"):
        answer = await attack.call("POST", f"/v1/users/{id}/inbox-token", key="ingest+read")
        tokens[id] = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert (await attack.client.get("/v1/users/ann/inbox", headers=tokens[id])).status_code == 200
    assert (await attack.call("POST", "/v1/users/bob/split", key="manage")).status_code == 200
    for path, method in (("/v1/users/ann/inbox", "GET"), ("/v1/inbox/ann/view", "POST")):
        assert (await attack.client.request(method, path, headers=tokens["bob"])).status_code == 401
        assert (await attack.client.request(method, path, headers=tokens["ann"])).status_code == 200
