"""Item 5: an opt-out survives every later word that is no explicit, newer statement; on a real process and socket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from connector.store.audit import AuditFilter, list_audit
from connector.store.engine.database import Database
from connector.store.tables import deliveries
from connector.store.users.users import find_user
from connector.tracking.tokens import LinkKind, Token, Tokens
from starter.webhooks.protocol import WebhookCall
from tests.support.api_process import api_process
from tests.support.scoped_keys import create_keys
from tests.support.webhook_senders import MailgunSender, TwilioSender, samples

W = "default"
SECRET = "a secret of the tests, and of no one else"
MAILGUN, TWILIO = MailgunSender(), TwilioSender()
SETTINGS = {
    "CONNECTOR_TRACKING_URL": "https://links.shop.example",
    "CONNECTOR_TRACKING_SECRETS": f'["{SECRET}"]',
    "CONNECTOR_MAILGUN_SIGNING_KEY": MAILGUN.key,
    "CONNECTOR_TWILIO_AUTH_TOKEN": TWILIO.token,
    "CONNECTOR_TWILIO_WEBHOOK_URL": TWILIO.url,
}
OPT_OUTS = {
    "link": ("email", "user"),
    "one click": ("email", "user"),
    "mailgun unsubscribed": ("email", "provider"),
    "mailgun complained": ("email", "provider"),
    "twilio": ("sms", "provider"),
    "segment": ("email", "service"),
    "service": ("email", "service"),
    "users": ("sms", "service"),
}
"""Every way to opt out: the channel, and the source that is recorded."""
IN_WORDS = {
    "link": "by the user, with a link to unsubscribe",
    "one click": "by the user, with a link to unsubscribe",
    "mailgun unsubscribed": "reported by mailgun (unsubscribed)",
    "mailgun complained": "reported by mailgun (complained)",
    "twilio": "reported by twilio (unsubscribed)",
}
"""The words of the consent history; all other sources are a service."""


@dataclass
class Shop:
    """A running API, and how its users, providers and services opt out."""

    client: httpx.AsyncClient
    keys: dict[str, str]
    url: str

    async def call(self, verb: str, path: str, body: Any = None, key: str = "ingest") -> dict[str, Any]:
        """Send a request with the key of these scopes, which must succeed."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        answer = await self.client.request(verb, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    async def opt_out(self, way: str, user: str) -> None:
        """Let a user opt out in this way, now."""
        now = datetime.now(UTC)  # noqa: TID251 - a test's "now"
        stated = {"state": "unsubscribed", "effective_at": now.isoformat()}
        match way.split():
            case ["link"]:
                await self._follow_link(user)
            case ["one", _]:
                await self._follow_link(user, data={"List-Unsubscribe": "One-Click"})
            case ["mailgun", kind]:
                event = samples("mailgun")[kind] | {
                    "timestamp": time.time(),
                    "id": user,
                    "recipient": f"{user}@shop.example",
                }
                await self._webhook("mailgun", MAILGUN.call(event, now))
            case ["twilio"]:
                await self._webhook("twilio", TWILIO.call(samples("twilio")["a stop"] | {"From": number_of(user)}, now))
            case ["segment"]:
                message = {"userId": user, "event": "Unsubscribed", "timestamp": now.isoformat()}
                await self.call("POST", "/v1/track", message)
            case ["service"]:
                await self.call("PATCH", f"/v1/users/{user}", {"consent": {"email": stated}})
            case ["users"]:
                described = {"id": user, "consent": {"sms": "unsubscribed", "effective_at": now.isoformat()}}
                await self.call("POST", "/v1/interactions", {"interactions": [], "users": [described]})

    async def statement(self, user: str, channel: str) -> dict[str, Any]:
        """Return what holds for a user and channel, which is the consent as well."""
        profile = await self.call("GET", f"/v1/users/{user}", key="read")
        held: dict[str, Any] = profile["consent_statements"][channel]
        assert profile["consent"][channel] == held["state"]
        return held

    async def _follow_link(self, user: str, **more: Any) -> None:
        token = Tokens([SECRET], W, lifetime=timedelta(days=9))
        delivery = f"{user.encode().hex():0<26}"[:26] + ".email"
        database = Database.open(self.url)
        try:
            async with database.write(W) as tx:
                stored = await find_user(tx, user)
                assert stored is not None
                row = {"id": delivery, "follow_up_id": delivery[:26], "campaign": "c", "channel": "email", "attempt": 1}
                await tx.execute(insert(deliveries).values(workspace=W, user_key=stored.user_key, state="sent", **row))
        finally:
            await database.close()
        path = token.write(Token(LinkKind.UNSUBSCRIBE, delivery), at=datetime.now(UTC))  # noqa: TID251
        answer = await self.client.post(f"/u/{path}", **more)
        assert answer.status_code == 200, answer.text

    async def _webhook(self, provider: str, call: WebhookCall) -> None:
        path = f"/webhooks/{provider}" + (f"?{call.query}" if call.query else "")
        headers = {"content-type": "application/x-www-form-urlencoded", **call.headers}
        answer = await self.client.post(path, content=call.body, headers=headers)
        assert answer.is_success, answer.text


def number_of(user: str) -> str:
    return "+1202555" + str(sum(user.encode()) % 10_000).zfill(4)


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A real API on a fresh database, to which Mailgun and Twilio report."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    keys = await create_keys(sqlite_url, "ingest", "read", "ingest+manage")
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        yield Shop(api.client, keys, sqlite_url)


def profile(user: str, **more: Any) -> dict[str, Any]:
    return {"email": f"{user}@shop.example", "phone": number_of(user), **more}


def later_words(user: str, channel: str, before: str) -> list[tuple[str, str, Any]]:
    """Return every request with a word that an opt-out survives."""
    bare, path = {channel: "subscribed"}, f"/v1/users/{user}"
    older = {channel: {"state": "subscribed", "effective_at": before}}
    beside = {**bare, "effective_at": before}
    described = [{"id": user, "consent": bare}, {"id": user, "consent": older}, {"id": user, "consent": beside}]
    traits = {"consent": bare, "unsubscribed": False, "email": f"{user}@shop.example"}
    return [
        ("PUT", path, profile(user)),
        ("PUT", path, profile(user, consent={})),
        ("PUT", path, profile(user, consent=bare)),
        ("PUT", path, profile(user, consent=older)),
        ("PATCH", path, {"consent": bare}),
        ("PATCH", path, {"consent": older}),
        ("PATCH", path, {"consent": beside}),
        ("PATCH", path, {"email": f"{user}@shop.example", "phone": number_of(user)}),
        ("POST", "/v1/interactions", {"interactions": [], "users": described}),
        ("POST", "/v1/identify", {"userId": user, "traits": traits}),
        ("POST", "/v1/batch", {"batch": [{"type": "identify", "userId": user, "traits": traits}]}),
        ("POST", "/v1/import", {"batch": [{"type": "identify", "userId": user, "traits": traits}]}),
    ]


async def test_an_opt_out_survives(shop: Shop) -> None:
    """Every opt-out survives every later request; the opt-out of one channel is none of another."""
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()  # noqa: TID251
    for way, (channel, source) in OPT_OUTS.items():
        user = way.replace(" ", "-")
        await shop.call("PUT", f"/v1/users/{user}", profile(user, consent={channel: "subscribed"}))
        await shop.opt_out(way, user)
        stated = await shop.statement(user, channel)
        assert (stated["state"], stated["source"]) == ("unsubscribed", source), way
        for word in later_words(user, channel, before):
            await shop.call(*word)
            assert await shop.statement(user, channel) == stated, (way, word)
        stored = await shop.call("GET", f"/v1/users/{user}", key="read")
        assert stored["consent"] == {channel: "unsubscribed"}
        history = [(one["old"], one["new"], one["words"]) for one in stored["consent_history"]]
        said = f"{channel}: subscribed → unsubscribed, {IN_WORDS.get(way, 'by a service')}"
        first = f"{channel}: nothing stated → subscribed, by a profile"
        assert history == [("subscribed", "unsubscribed", said), (None, "subscribed", first)], way
        assert [one["stated_at"] for one in stored["consent_history"]] == [stated["at"], None], way


@pytest.mark.parametrize("key", ["ingest", "ingest+manage"])
async def test_subscribing_again_needs_a_time(shop: Shop, key: str) -> None:
    """An explicit, newer statement is applied and recorded with its source; an operator's is in the audit trail."""
    source = "service" if key == "ingest" else "operator"
    for way, (channel, _) in OPT_OUTS.items():
        user = way.replace(" ", "-")
        await shop.call("PUT", f"/v1/users/{user}", profile(user))
        await shop.opt_out(way, user)
        at = datetime.now(UTC)  # noqa: TID251
        again = {channel: {"state": "subscribed", "effective_at": at.isoformat()}}
        await shop.call("PATCH", f"/v1/users/{user}", {"consent": again}, key)
        stated = await shop.statement(user, channel)
        assert (stated["state"], stated["source"]) == ("subscribed", source), way
        assert datetime.fromisoformat(stated["at"]) == at
        await shop.call("PUT", f"/v1/users/{user}", profile(user, consent={channel: "unsubscribed"}))
        stored = await shop.call("GET", f"/v1/users/{user}", key="read")
        assert stored["consent"] == {channel: "unsubscribed"}, "a bare opt-out always applies"
        sources = ["profile", source, OPT_OUTS[way][1]]
        assert [one["source"] for one in stored["consent_history"]] == sources, "newest first"
        by_operator = [one["changed_by"] is not None for one in stored["consent_history"]]
        assert by_operator == [False, source == "operator", False]
    database = Database.open(shop.url)
    try:
        async with database.read(W) as tx:
            entries = await list_audit(tx, AuditFilter(), 100)
        changes = [entry.act.details for entry in entries if entry.act.action == "change_consent"]
    finally:
        await database.close()
    operators = [{channel: "subscribed"} for channel, _ in OPT_OUTS.values()] if key != "ingest" else []
    assert changes[::-1] == operators


async def test_a_statement_needs_a_whole_time(shop: Shop) -> None:
    """Without its zone, outside the years of UTC, or with a source of the sender's choice, it is refused as a whole."""
    for consent in (
        {"email": {"state": "subscribed", "effective_at": "2026-11-28T12:00:00"}},
        {"email": {"state": "subscribed", "effective_at": "now"}},
        {"email": {"state": "subscribed", "source": "user"}},
        {"email": "subscribed", "effective_at": "today"},
        {"email": "subscribed", "effective_at": "0001-01-01T00:00:00+23:59"},
        {"email": {"state": "subscribed", "effective_at": "9999-12-31T23:59:59-23:59"}},
    ):
        headers = {"Authorization": f"Bearer {shop.keys['ingest']}"}
        for verb in ("PUT", "PATCH"):
            answer = await shop.client.request(verb, "/v1/users/u", json={"consent": consent}, headers=headers)
            assert answer.status_code == 422, consent
            assert "consent" in answer.text
        body = {"interactions": [], "users": [{"id": "u", "consent": consent}]}
        assert (await shop.call("POST", "/v1/interactions", body))["users"][0]["status"] == "invalid"
