"""`GET /v1/audit`: pages, filters, and who appears in an entry."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.api_keys import Scope
from connector.rules.model.audit import Act, AuditAction
from connector.store.audit import record_audit
from connector.store.users.users import find_user_keys
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api import open_client

EXTERNAL = {"delivery": {"type": "external"}}


async def entries(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


async def test_pages_do_not_overlap(api: httpx.AsyncClient) -> None:
    """`next` is the `before` of the next page, and null after the last one."""
    for name in "abcde":
        await api.put(f"/v1/campaigns/{name}", json=EXTERNAL)
    seen, before = [], None
    while True:
        page = (await api.get("/v1/audit", params={"limit": 2} | ({"before": before} if before else {}))).json()
        seen += [entry["subject"] for entry in page["entries"]]
        if (before := page["next"]) is None:
            break
    assert seen == ["e", "d", "c", "b", "a"]


async def test_saving_what_is_saved_already_leaves_no_entry(api: httpx.AsyncClient) -> None:
    """A deployment that applies the same files every hour does not fill the trail."""
    for _ in range(3):
        await api.put("/v1/campaigns/a", json=EXTERNAL)
    [entry] = await entries(api)
    assert entry["details"] == {"change": "new", "revision": 1}


async def test_a_user_is_found_by_any_id(api: httpx.AsyncClient, context: AppContext) -> None:
    """The entry has the surrogate key only."""
    await api.put("/v1/users/ada", json={})
    async with context.database.write(context.workspace) as tx:
        known, _ = await find_user_keys(tx, ["ada"])
        await record_audit(tx, OPERATOR, Act(AuditAction.CHANGE_CONSENT, known["ada"]))
    [entry] = await entries(api, subject="ada")
    assert entry["subject"] == known["ada"]
    assert await entries(api, subject=known["ada"]) == [entry]
    assert await entries(api, subject="bob") == []


async def test_the_key_of_an_entry_has_its_name(context: AppContext) -> None:
    """And the trail needs `manage`: a key that reads users does not read who did what."""
    service = ApiKeyService(context.database, context.workspace, OPERATOR)
    deploy, dashboard = [
        await service.create(name, [Scope(scope)]) for name, scope in (("deploy", "manage"), ("d", "read"))
    ]
    keys = Keys(stored=ApiKeyCache(context.database, context.workspace))
    async with open_client(context, given=deploy.secret.text, keys=keys) as api:
        await api.put("/v1/campaigns/a", json=EXTERNAL)
        [entry] = await entries(api, actor=deploy.key.id)
        assert entry["actor"] == {"kind": "key", "id": deploy.key.id, "name": "deploy"}
        created = await entries(api, action="create_key", actor="operator")
        assert [one["details"]["name"] for one in created] == ["d", "deploy"]
        assert deploy.secret.text[-43:] not in str(created)
    async with open_client(context, given=dashboard.secret.text, keys=keys) as api:
        assert (await api.get("/v1/audit")).status_code == 403


async def test_without_a_key_the_actor_is_anonymous(context: AppContext) -> None:
    """`connector dev` on loopback needs no key."""
    async with open_client(context, given=None, keys=Keys(is_open=True)) as api:
        await api.put("/v1/campaigns/a", json=EXTERNAL)
        [entry] = await entries(api)
    assert entry["actor"] == {"kind": "anonymous", "id": None, "name": None}
    assert (entry["origin"], len(entry["request_id"])) == ("127.0.0.1", 32)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "before=0",
        f"before={2**63}",
        "action=steal",
        "since=yesterday",
        "since=2026-03-02T00:00:00",
        "since=9999-12-31T23:59:59-23:59",
    ],
)
async def test_wrong_queries(api: httpx.AsyncClient, query: str) -> None:
    """422 for each."""
    assert (await api.get(f"/v1/audit?{query}")).status_code == 422


async def test_a_reason_has_a_bound(api: httpx.AsyncClient) -> None:
    """200 characters, in a query as in a body."""
    why = "x" * 201
    assert (await api.put(f"/v1/campaigns/a?reason={why}", json=EXTERNAL)).status_code == 422
    await api.put(f"/v1/campaigns/a?reason={why[:200]}", json=EXTERNAL)
    assert (await entries(api))[0]["reason"] == why[:200]
    assert (await api.post("/v1/campaigns/a/publish", json={"reason": why})).status_code == 422
