"""Every answer carries a request id, whoever gives it, and so does every line that the request leaves in the log."""

import io
import json

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.app.logs import configure_logs
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.api.requests.body import MAX_BODY_BYTES
from tests.support.api import KEY, configured, open_client

MINE = "mine-17"
UNVERIFIED = {"X-Twilio-Signature": "checked once the body has been read"}
TWILIO = Settings.model_validate(
    {
        "twilio": {
            "account_sid": "AC" + "0" * 32,
            "auth_token": "t" * 32,
            "sender": "+15550100",
            "status_callback": "https://links.shop.example/webhooks/twilio",
        }
    }
)


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """With Twilio's webhook set up."""
    return build_context(TWILIO, sqlite_database)


@pytest.fixture
def log() -> io.StringIO:
    """What the process logs, as it does where nobody reads along."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    return stream


async def check(answer: httpx.Response, log: io.StringIO, status: int) -> dict[str, object]:
    """The same id in the answer and in each line; gives the request's own line."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert answer.status_code == status, answer.text
    assert answer.headers["X-Request-Id"] == MINE
    assert {line["request_id"] for line in lines} == {MINE}
    [own] = [line for line in lines if line["event"] == "request"]
    assert own["status"] == status
    return own


@pytest.mark.parametrize(
    ("status", "verb", "path", "sent"),
    [
        (200, "GET", "/v1/follow-ups", {}),
        (400, "POST", "/v1/interactions", {"content": b"{"}),
        (401, "GET", "/v1/follow-ups", {"headers": {"Authorization": "Bearer wrong"}}),
        (401, "GET", "/v1/follow-ups", {"headers": {"Authorization": "Basic !"}}),
        (401, "GET", "/v1/users/u/inbox", {"headers": {"Authorization": "Bearer inbox-v1.forged"}}),
        (404, "GET", "/v1/users/nobody", {}),
        (404, "GET", "/nowhere", {}),
        (405, "DELETE", "/v1/interactions", {}),
        (413, "POST", "/v1/interactions", {"content": b" " * (MAX_BODY_BYTES + 1)}),
        (422, "POST", "/v1/interactions", {"json": []}),
        (422, "GET", "/v1/follow-ups?limit=0", {}),
        (404, "GET", "/o/forged.gif", {}),
        (404, "GET", "/c/forged", {}),
        (404, "GET", "/s/forged", {}),
        (404, "GET", "/u/forged", {}),
        (404, "POST", "/u/forged", {}),
        (405, "PUT", "/u/forged", {}),
        (403, "POST", "/webhooks/twilio", {"content": b"MessageSid=SM1"}),
        (403, "POST", "/webhooks/twilio", {"content": b"MessageSid=SM1", "headers": UNVERIFIED}),
        (400, "POST", "/webhooks/twilio", {"content": b"\xff", "headers": UNVERIFIED}),
        (413, "POST", "/webhooks/twilio", {"content": b"x" * 5_000_000, "headers": UNVERIFIED}),
    ],
)
async def test_in_every_answer(
    context: AppContext, log: io.StringIO, status: int, verb: str, path: str, sent: dict[str, object]
) -> None:
    """Answers, refusals, tracked links and webhooks alike."""
    async with open_client(context) as api:
        api.headers["X-Request-Id"] = MINE
        await check(await api.request(verb, path, **sent), log, status)  # type: ignore[arg-type]


async def test_in_answers_of_scopes_and_rates(context: AppContext, log: io.StringIO) -> None:
    """429, with the key's id in the request's line."""
    async with open_client(context, keys=Keys(configured(KEY), rate=0.01)) as api:
        await api.get("/v1/follow-ups")
        log.truncate(0)
        log.seek(0)
        own = await check(await api.get("/v1/follow-ups", headers={"X-Request-Id": MINE}), log, 429)
    assert own["key"] == "env-1"
    assert KEY not in log.getvalue()


async def test_while_the_database_is_away(log: io.StringIO) -> None:
    """503, for the keys' sake or the route's."""
    database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    context = build_context(Settings(), database)
    for keys, given in (
        (Keys(stored=ApiKeyCache(database, "default")), "ck_0123456789ab_" + "A" * 43),
        (Keys(configured(KEY)), KEY),
    ):
        log.truncate(0)
        log.seek(0)
        async with open_client(context, given=given, keys=keys) as api:
            own = await check(await api.get("/v1/users/u", headers={"X-Request-Id": MINE}), log, 503)
        assert own["status"] == 503
    await database.close()


async def test_in_an_answer_that_nobody_meant(
    context: AppContext, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500: the failure's line has the id and the key's id too."""

    async def broken(*_: object) -> None:
        raise ValueError("anna@example.com")

    monkeypatch.setattr(context.intake, "ingest_with_users", broken)
    async with open_client(context) as api:
        answer = await api.post("/v1/interactions", json={"interactions": []}, headers={"X-Request-Id": MINE})
    await check(answer, log, 500)
    failed = json.loads(log.getvalue().splitlines()[0])
    assert (failed["event"], failed["key"], failed["request_id"]) == ("request_failed", "env-1", MINE)
    assert "anna" not in log.getvalue()
