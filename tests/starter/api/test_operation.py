"""Keys, health, metrics, request ids, and the one shape of errors."""

import httpx
import pytest
from structlog.testing import capture_logs

from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.scopes import Keys, KeysMissing, keys_for
from tests.support.api import KEY, configured, open_client

LISTED = "/v1/follow-ups"


@pytest.mark.parametrize("given", [None, "wrong", KEY + "x", KEY[:-1]])
@pytest.mark.parametrize("path", [LISTED, "/v1/users/u", "/v1/campaigns/c", "/metrics"])
async def test_without_the_key(context: AppContext, given: str | None, path: str) -> None:
    """401 that says how a key is sent, before anything else is looked at."""
    async with open_client(context, given=given) as api:
        answer = await api.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer KEY" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json"])
async def test_open_to_all(context: AppContext, path: str) -> None:
    """Health and the description need no key."""
    async with open_client(context, given=None) as api:
        assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("keys", "dev", "host", "allowed"),
    [
        ([KEY], False, "0.0.0.0", True),
        ([KEY], True, "127.0.0.1", True),
        ([], True, "127.0.0.1", True),
        ([], True, "::1", True),
        ([], True, "localhost", True),
        ([], True, "0.0.0.0", False),
        ([], True, "connector.example", False),
        ([], False, "127.0.0.1", False),
    ],
)
async def test_where_keys_are_needed(
    sqlite_database: Database, keys: list[str], dev: bool, host: str, allowed: bool
) -> None:
    """Only `connector dev` on loopback goes without, as long as none is stored."""
    settings = Settings(api_keys=configured(*keys), dev=dev)
    if allowed:
        await keys_for(settings, host, sqlite_database).check_any_exist()
    else:
        with pytest.raises(KeysMissing, match="CONNECTOR_API_KEYS"):
            await keys_for(settings, host, sqlite_database).check_any_exist()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_web_pages_cannot_use_an_open_api(context: AppContext, headers: dict[str, str], status: int) -> None:
    """Without keys, neither a page of another origin nor a name that was bound to loopback gets in."""
    async with open_client(context, given=None, keys=Keys(is_open=True)) as api:
        assert (await api.get(LISTED, headers=headers)).status_code == status


async def test_ready_without_temporal(api: httpx.AsyncClient) -> None:
    """Interactions are accepted while Temporal is away, so 200, with a note."""
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["database"], told["temporal"]) == ("degraded", "ok", "unreachable")
    assert "accepted" in told["note"]


async def test_not_ready_without_the_database() -> None:
    """503 that says which part is away; the process itself is alive."""
    database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    async with open_client(build_context(Settings(), database), given=None) as api:
        ready, alive = await api.get("/readyz"), await api.get("/healthz")
    await database.close()
    assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
    assert alive.status_code == 200


async def test_every_answer_has_a_request_id(api: httpx.AsyncClient) -> None:
    """The caller's own where it is harmless, else a new one."""
    ids = [
        (await api.get("/healthz", headers=headers)).headers["X-Request-Id"]
        for headers in ({}, {"X-Request-Id": "mine-1"}, {"X-Request-Id": "x" * 65}, {"X-Request-Id": "a b"})
    ]
    assert ids[1] == "mine-1"
    assert all(len(given) == 32 for given in (ids[0], *ids[2:]))
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("DELETE", LISTED, 405, "method_not_allowed")],
)
async def test_errors_of_the_framework_have_our_shape(
    api: httpx.AsyncClient, verb: str, path: str, status: int, code: str
) -> None:
    """{"error": {"code", "message"}}, whoever found the fault."""
    answer = await api.request(verb, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.headers["X-Request-Id"]


async def test_an_unexpected_error_says_nothing_but_where_to_look(
    context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in our shape, with the request id under which the log has it; its own text stays here."""

    async def broken(_items: object, _users: object) -> None:
        raise ValueError("anna@example.com")

    monkeypatch.setattr(context.intake, "ingest_with_users", broken)
    async with open_client(context) as api:
        with capture_logs() as logged:
            answer = await api.post("/v1/interactions", json={"interactions": []}, headers={"X-Request-Id": "here"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "here" in answer.json()["error"]["message"]
    assert "anna" not in answer.text
    assert [line["event"] for line in logged] == ["request_failed", "request"]


async def test_metrics_name_routes_and_no_ids(api: httpx.AsyncClient) -> None:
    """Labels are the routes' patterns: their number is bounded, and no user is in them."""
    await api.get("/v1/users/secret-user")
    await api.post("/v1/interactions", json={"interactions": [5]})
    text = (await api.get("/metrics")).text
    assert 'route="/v1/users/{id}",status="404"' in text
    assert 'connector_interactions_total{status="invalid"}' in text
    assert "secret-user" not in text


async def test_logs_name_routes_and_no_ids(api: httpx.AsyncClient) -> None:
    """Guarantee 8: no path is logged, because it may hold a user's id."""
    with capture_logs() as logged:
        await api.get("/v1/users/secret-user")
    assert [(line["route"], line["status"]) for line in logged] == [("/v1/users/{id}", 404)]
    assert "secret-user" not in str(logged)


async def test_the_description_is_whole(api: httpx.AsyncClient) -> None:
    """Every reference in the OpenAPI document leads somewhere, and bodies are described."""
    document = (await api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert {"Interactions", "User", "Campaign", "Card", "PublishOptions"} <= set(schemas)
    assert list(_dangling(document, schemas)) == []
    assert "requestBody" in document["paths"]["/v1/users/{id}"]["patch"]


def _dangling(part: object, schemas: dict[str, object]) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        missing = [ref for ref in own if ref.removeprefix("#/components/schemas/") not in schemas]
        return missing + [ref for value in part.values() for ref in _dangling(value, schemas)]
    return [ref for value in part for ref in _dangling(value, schemas)] if isinstance(part, list) else []
