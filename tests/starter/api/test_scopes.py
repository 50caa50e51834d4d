"""Which scope each route asks for, and that a key for ingest alone reads nothing."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.rules.model.api_keys import SERVER_SCOPES, Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api import open_client
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation

INGEST, READ, MANAGE = Scope.INGEST, Scope.READ, Scope.MANAGE

ROUTES: dict[str, set[Scope]] = {
    "POST /v1/interactions": {INGEST},
    "PUT /v1/users/{id}": {INGEST},
    "PATCH /v1/users/{id}": {INGEST},
    "GET /v1/users/{id}": {READ},
    "DELETE /v1/users/{id}": {MANAGE},
    "GET /v1/users/{id}/explain": {READ},
    "GET /v1/users/{id}/inbox": {READ},
    "POST /v1/users/{id}/inbox-token": {READ, INGEST},
    "POST /v1/users/{id}/user-token": {READ, INGEST},
    "POST /v1/inbox/{message}/view": {INGEST},
    "POST /v1/inbox/{message}/click": {INGEST},
    "POST /v1/inbox/{message}/dismiss": {INGEST},
    "POST /v1/pushes/{delivery}/open": {INGEST},
    "POST /v1/pushes/{delivery}/click": {INGEST},
    "GET /v1/campaigns/{id}": {READ},
    "GET /v1/campaigns/{id}/results": {READ},
    "PUT /v1/campaigns/{id}": {MANAGE},
    "POST /v1/campaigns/{id}/publish": {MANAGE},
    "POST /v1/campaigns/{id}/stop": {MANAGE},
    "POST /v1/campaigns/{id}/resume": {MANAGE},
    "GET /v1/campaigns/{id}/resume": {READ},
    "POST /v1/campaigns/{id}/archive": {MANAGE},
    "GET /v1/follow-ups": {READ},
    "GET /metrics": {READ},
}
TRACKED = {"GET /o/{token}.gif", "GET /c/{token}", "GET /s/{token}", "GET /u/{token}", "POST /u/{token}"}
OPEN = {"GET /healthz", "GET /readyz", "POST /webhooks/{provider}", *TRACKED}
"""Health is for whoever restarts the process; of tracked links the token is the key; providers sign what they send."""


class Holders:
    """Clients of one application, by the scopes of their keys."""

    def __init__(self, context: AppContext) -> None:
        self.context, self.desk = context, ApiKeyService(context.database, context.workspace, OPERATOR)
        self.keys = Keys(stored=ApiKeyCache(context.database, context.workspace))

    async def client(self, *scopes: Scope) -> httpx.AsyncClient:
        key = (await self.desk.create("a", scopes)).secret.text if scopes else None
        return open_client(self.context, given=key, keys=self.keys)


@pytest.fixture
def holders(context: AppContext) -> Holders:
    return Holders(context)


async def described(holders: Holders) -> dict[str, dict[str, Any]]:
    api = await holders.client()
    paths = (await api.get("/openapi.json")).json()["paths"]
    return {f"{verb.upper()} {path}": operation for path, verbs in paths.items() for verb, operation in verbs.items()}


def needed_scopes(operation: dict[str, Any]) -> set[Scope]:
    """Return the scopes that a server's key needs."""
    ways = operation["security"]
    return {Scope(scope) for way in ways for scopes in way.values() for scope in scopes} - {Scope.CLIENT}


async def test_every_route_lists_its_scopes(holders: Holders) -> None:
    """In `security`, by the names that the schemes have, and in words; those that are open have none."""
    routes = await described(holders)
    assert {name for name, operation in routes.items() if "security" not in operation} == OPEN
    for name, scopes in ROUTES.items():
        operation = routes[name]
        assert all(
            set(needed) in (scopes, {Scope.CLIENT}) for way in operation["security"] for needed in way.values()
        ), name
        assert all(f"`{scope}`" in operation["description"].rpartition("Needs ")[2] for scope in scopes), name
    assert set(ROUTES) | OPEN <= set(routes)


async def test_no_route_goes_without(holders: Holders) -> None:
    """Whatever the document lists asks for a key, and for every scope that it names, before it checks anything else."""
    routes = await described(holders)
    keyless = await holders.client()
    without = {missing: await holders.client(*(SERVER_SCOPES - {missing})) for missing in SERVER_SCOPES}
    for name, operation in routes.items():
        if name in OPEN:
            continue
        verb, path = name.replace("{", "").replace("}", "").split(" ")
        assert (await keyless.request(verb, path)).status_code == 401, name
        needed = needed_scopes(operation)
        for missing in needed:
            answer = await without[missing].request(verb, path, content=b"not JSON")
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), name
            assert answer.json()["error"]["details"]["missing"] == [missing.value]
            assert f"lacks the scope {missing.value}" in answer.json()["error"]["message"]


@pytest.mark.parametrize("scopes", [{READ}, {INGEST}, {MANAGE}])
async def test_one_scope_is_enough_for_its_routes(holders: Holders, scopes: set[Scope]) -> None:
    """Whatever the answer is, it is not 401 or 403."""
    api = await holders.client(*scopes)
    for name, needed in ROUTES.items():
        verb, path = name.replace("{", "").replace("}", "").split(" ")
        answer = await api.request(verb, path)
        assert (answer.status_code in (401, 403)) == (not needed <= scopes), name


async def test_changing_a_user_tells_nothing_of_them(holders: Holders) -> None:
    """An empty change is no way to read; whoever may read as well gets the whole user, as before."""
    ingests, both = await holders.client(INGEST), await holders.client(INGEST, READ)
    described = {"email": "anna@example.com", "attributes": {"tier": "gold"}}
    assert (await ingests.put("/v1/users/u", json=described)).json()["email"] == "anna@example.com"
    for changes in ({}, {"first_name": "Anna"}):
        assert (await ingests.patch("/v1/users/u", json=changes)).json() == {"id": "u"}
        assert (await both.patch("/v1/users/u", json=changes)).json()["attributes"] == {"tier": "gold"}
    assert (await ingests.patch("/v1/users/new", json={})).json() == {"id": "new"}
    refused = await ingests.patch("/v1/users/u", json={"attributes": 5})
    assert (refused.status_code, "gold" in refused.text) == (422, False)


@pytest.mark.parametrize("verb", ["view", "click", "dismiss"])
async def test_acting_in_an_inbox_tells_neither_who_there_is_nor_what_was_done(holders: Holders, verb: str) -> None:
    """To ingest alone an unknown user and a known one, the first act and a repeat look the same."""
    await Installation(holders.context.database).publish({"card": "banner", "title": "t", "body": "b"})
    ingests, both = await holders.client(INGEST), await holders.client(INGEST, READ)
    await ingests.put("/v1/users/known", json={})
    act = f"/v1/inbox/card.banner/{verb}"
    answers = [
        (await ingests.post(act, json={"user": user, **({"id": "c"} if verb == "click" else {})})).json()
        for user in ("known", "known", "new", "new")
    ]
    assert [answer["status"] for answer in answers] == ["accepted"] * 4
    assert len({str(answer) for answer in answers}) == 1
    assert (await both.post(act, json={"user": "nobody"})).status_code == 404
    again = await both.post(act, json={"user": "known", **({"id": "c"} if verb == "click" else {})})
    assert again.json()["status"] == (
        "accepted" if verb == "click" and not again.json()["interaction"] else "duplicate"
    )


async def test_reports_tell_no_more_than_that_they_were_taken(holders: Holders) -> None:
    """A batch answers for each of its users with the id and the outcome."""
    ingests = await holders.client(INGEST)
    await ingests.put("/v1/users/u", json={"email": "anna@example.com"})
    installation = Installation(holders.context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    body = {"interactions": [push("p", 1)], "users": [{"id": "u", "first_name": "Anna"}]}
    answer = await ingests.post("/v1/interactions", json=body)
    assert answer.json() == {
        "results": [{"id": "p", "status": "accepted"}],
        "users": [{"id": "u", "status": "accepted"}],
    }


async def test_a_token_still_reads_and_acts(sqlite_database: Database) -> None:
    """Minted by a key that may do both; with it the user's device does both, and nothing else."""
    settings = Settings.model_validate({"inbox": {"secrets": ["s" * 32]}})
    holders = Holders(build_context(settings, sqlite_database))
    await Installation(sqlite_database).publish({"card": "banner", "title": "t", "body": "b"})
    minted = await (await holders.client(INGEST, READ)).post("/v1/users/u/inbox-token")
    phone = open_client(holders.context, given=minted.json()["token"], keys=holders.keys)
    assert (await phone.get("/v1/users/u/inbox")).status_code == 200
    assert [(await phone.post("/v1/inbox/card.banner/view")).json()["status"] for _ in range(2)] == [
        "accepted",
        "duplicate",
    ]
    assert (await phone.get("/v1/users/u")).status_code == 401
    as_user_name = httpx.BasicAuth(minted.json()["token"], "")
    keyless = await holders.client()
    assert (await keyless.get("/v1/users/u/inbox", auth=as_user_name)).status_code == 401
