"""`POST /webhooks/{provider}` from end to end: who may call, what is read, and what a call changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from connector.app.context import build_context
from connector.channels.twilio import sign_request
from connector.rules.model.users import User
from connector.rules.provider_events.events import PROVIDERS
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.tables import interactions
from connector.store.users.descriptions import save_user
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.api import KEY, configured, open_client
from tests.support.builders import ORIGINAL, at, follow_on
from tests.support.installation import Installation
from tests.support.provider_servers import AUTH_TOKEN, CALLBACK, twilio
from tests.support.signed_provider import Signed, signed

NOW = datetime.now(UTC)  # noqa: TID251 - the tests' own clock
OPENED = follow_on("f", {"interaction": "open_email", "campaign": "o"}, delay={"after": "1 day"})


ELSEWHERE = "https://elsewhere.test/webhooks/twilio"


class Line:
    """An API that two of the providers may call."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.context = build_context(Settings(), installation.database)
        self.providers = {name: Signed(name) for name in ("sendgrid", "twilio")}
        self.app = create_app(self.context, Keys(configured(KEY)), self.providers)
        transport = httpx.ASGITransport(self.app)
        self.api = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def call(self, body: bytes | list[Any], name: str = "sendgrid") -> httpx.Response:
        """A signed call."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.api.post(f"/webhooks/{name}", content=content, headers=signed(content))

    async def logged(self) -> list[tuple[str, str]]:
        async with self.installation.database.read("default") as tx:
            found = select(interactions.c.topic, interactions.c.id).order_by(interactions.c.seq)
            return [(topic, id) for topic, id in await tx.execute(found)]


@pytest.fixture
async def line(installation: Installation) -> AsyncIterator[Line]:
    await installation.publish(ORIGINAL, OPENED)
    ready = Line(installation)
    async with installation.database.write("default") as tx:
        await save_user(tx, User(id="u", email="ada@shop.test"), NOW)
    yield ready
    await ready.api.aclose()


def told(id: str = "e1", happened: str = "opened", **more: Any) -> dict[str, Any]:
    return {"id": id, "happened": happened, "at": at(5), "arguments": {"campaign": "o", "user": "u"}, **more}


async def test_a_call_becomes_interactions_and_follow_ups(line: Line) -> None:
    """Verified, read, ingested before the response; repeated it changes nothing; an odd event stops no other."""
    odd = [told("e3", "survey"), told("e4", "deferred"), told("e5", "no such word"), {"id": 1}, 7, None, "x"]
    batch = [told(), *odd, told("e2", "delivered", message_id="m")]
    for _ in range(2):
        answer = await line.call(batch)
        assert (answer.status_code, answer.content) == (204, b"")
    assert [topic for topic, _ in await line.logged()] == ["open_email", "receive_email"]
    assert [(row.campaign, row.state) for row in await line.installation.rows()] == [("f", "waiting")]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {}}, 403, "forbidden"),
        ({"headers": {"X-At": "0", "X-Signature": "00"}}, 403, "forbidden"),
        ({"content": b"[]"}, 403, "forbidden"),
        ({"age": timedelta(hours=1)}, 403, "forbidden"),
        ({"content": b"{}", "resign": True}, 400, "invalid_body"),
        ({"content": b"[" * 100_000, "resign": True}, 400, "invalid_body"),
        ({"content": b"\x1f\x8b\x08\x00", "resign": True}, 400, "invalid_body"),
        ({"content": b" " * (1024 * 1024 + 1), "resign": True}, 413, "too_large"),
        ({"url": "/webhooks/postmark"}, 404, "not_found"),
        ({"url": "/webhooks/nobody"}, 404, "not_found"),
        ({"url": "/webhooks/sendgrid/more"}, 404, "not_found"),
        ({"url": "/webhooks/SENDGRID"}, 404, "not_found"),
        ({"method": "GET"}, 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_taken(line: Line, change: dict[str, Any], status: int, code: str) -> None:
    """Each with its status, in our error's shape, and without a trace."""
    body = json.dumps([told()]).encode()
    content = change.get("content", body)
    headers = signed(content if change.get("resign") else body, age=change.get("age", timedelta(0)))
    answer = await line.api.request(
        change.get("method", "POST"),
        change.get("url", "/webhooks/sendgrid"),
        content=content,
        headers=change.get("headers", headers),
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await line.logged() == []


async def test_ten_megabytes_are_not_read(line: Line) -> None:
    """Reading the body stops at its limit, whoever signed it."""
    given = 0

    async def receive() -> dict[str, Any]:
        nonlocal given
        given += 65536
        return {"type": "http.request", "body": b"x" * 65536, "more_body": given < 10 * 1024 * 1024}

    answers: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/webhooks/sendgrid", "query_string": b""}
    scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in signed(b"").items()]
    await line.app(
        {**scope, "raw_path": b"/webhooks/sendgrid", "scheme": "http", "server": ("127.0.0.1", 80)}, receive, send
    )
    assert (answers[0]["status"], given <= 1024 * 1024 + 65536) == (413, True)


async def test_the_store_away_is_told_again(line: Line) -> None:
    """503 with Retry-After, so that the provider sends it again; nothing is lost and nothing is answered 2xx."""
    nowhere = Database.open("postgresql://nobody@127.0.0.1:1/none")
    away = create_app(build_context(Settings(), nowhere), Keys(configured(KEY)), line.providers)
    body = json.dumps([told()]).encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(away), base_url="http://127.0.0.1") as api:
        answer = await api.post("/webhooks/sendgrid", content=body, headers=signed(body))
    await nowhere.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await line.call(body)).status_code == 204
    assert len(await line.logged()) == 1


async def test_the_same_call_ten_times_at_once(line: Line) -> None:
    """Providers repeat a call while the first is still in progress."""
    batch = [told(f"e{n}", message_id=f"m{n}") for n in range(20)]
    answers = await asyncio.gather(*(line.call(batch) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(await line.logged()) == 20


async def test_what_leads_nowhere_is_counted(line: Line) -> None:
    """By provider and reason, once; and each event by its outcome."""
    before = _counted("connector_unmatched_reports_total", reason="unknown_campaign")
    fates = _counted("connector_provider_events_total", fate="accepted")
    batch = [told(), told("e2", arguments={"campaign": "later", "user": "u"})]
    for _ in range(2):
        await line.call(batch)
    assert _counted("connector_unmatched_reports_total", reason="unknown_campaign") == before + 1
    assert _counted("connector_provider_events_total", fate="accepted") == fates + 1
    metrics = await line.api.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert 'connector_unmatched_reports_total{provider="sendgrid",reason="unknown_campaign"}' in metrics.text


def _counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"provider": "sendgrid", **labels}) or 0.0


@pytest.mark.parametrize(
    ("callback", "webhook", "status"),
    [
        (CALLBACK, None, 204),
        (None, CALLBACK, 204),
        (CALLBACK, ELSEWHERE, 204),
        (ELSEWHERE, CALLBACK, 204),
        (ELSEWHERE, ELSEWHERE, 403),
        (None, None, 404),
    ],
)
@pytest.mark.parametrize("query", [urlencode({"delivery": "x.sms"}), "campaign=o&user=u"])
async def test_twilio_is_heard_at_both_of_its_addresses(
    installation: Installation, query: str, callback: str | None, webhook: str | None, status: int
) -> None:
    """That of our own texts' status callbacks, and that of all else: signed for either, whatever it is about."""
    settings = Settings(twilio=twilio("https://t.test", status_callback=callback, webhook_url=webhook))
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+491701"}
    headers = {"X-Twilio-Signature": sign_request(f"{CALLBACK}?{query}", form.items(), AUTH_TOKEN)}
    async with open_client(build_context(settings, installation.database), given=None) as api:
        assert (await api.post(f"/webhooks/twilio?{query}", data=form, headers=headers)).status_code == status
        unsigned = await api.post(f"/webhooks/twilio?{query}", data=form)
    assert unsigned.status_code == (404 if status == 404 else 403)


async def test_the_document_tells_of_it(line: Line) -> None:
    """With its providers by name, and every status that it answers."""
    document = (await line.api.get("/openapi.json")).json()
    post = document["paths"]["/webhooks/{provider}"]["post"]
    assert {"204", "400", "403", "404", "413", "503"} <= post["responses"].keys()
    [name] = post["parameters"]
    assert name["schema"]["enum"] == list(PROVIDERS)


async def test_an_unreachable_address_is_shown(line: Line) -> None:
    """GET shows it, and PUT accepts GET's response; `explain` shows it too; the writable form has no such key."""
    await line.call([told("b", "bounced", permanent=True, recipient="ADA@shop.test")])
    line.api.headers["Authorization"] = f"Bearer {KEY}"
    user = (await line.api.get("/v1/users/u")).json()
    assert user["unreachable"] == {"email": "ada@shop.test"}
    assert (await line.api.put("/v1/users/u", json=user)).status_code == 200
    assert (await line.api.get("/v1/users/u")).json() == user
    assert (await line.api.get("/v1/users/u/explain")).json()["unreachable"] == ["email"]
    assert (await line.api.patch("/v1/users/u", json={"email": "new@shop.test"})).status_code == 200
    assert (await line.api.get("/v1/users/u/explain")).json()["unreachable"] == []
    schema = (await line.api.get("/openapi.json")).json()["components"]["schemas"]["User"]
    assert "unreachable" not in schema["properties"]
