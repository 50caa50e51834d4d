"""The whole system: worker, API, store, Temporal and the servers that messages are sent to are real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.app.context import build_context
from connector.settings.application import Settings
from connector.settings.inbox import InboxSettings
from connector.settings.providers import Smtp
from connector.settings.tracking import TrackingSettings
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.api import KEY, configured
from tests.support.builders import follow_on
from tests.support.mail_server import Mailbox, serve_mail
from tests.support.polling import until
from tests.support.provider_servers import Providers
from tests.support.workspace import working

LINKS = "https://links.test"
"""The public address of the API."""

SECRET = SecretStr("a secret of the tests, and of no one else")

ANN = {"id": "ann", "email": "ann@example.com", "phone": "+4915112345678", "push_tokens": ["ann-phone"]}
SCHEDULED = {"delivery": {"type": "scheduled", "send": "at_publish"}}
"""An original that this system sends as soon as it is published."""

FOLLOW_ON = "Follow-on"
"""The subject of every follow-on's mail."""


class System:
    """The system as seen from outside: the API, and the servers that messages are sent to."""

    def __init__(self, app: FastAPI, mail: Mailbox, providers: Providers) -> None:
        self.app, self.mail, self.providers = app, mail, providers
        self.api = self.client(Authorization=f"Bearer {KEY}")

    def client(self, **headers: str) -> httpx.AsyncClient:
        """Return a client of the API without a key, as a browser, a phone or a provider has it."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=LINKS, headers=headers)

    async def open(self, original: dict[str, Any], condition: dict[str, Any], *users: dict[str, Any]) -> None:
        """Describe the users, save the original and a follow-on of it by mail, and publish both in their order.

        Args:
            original: messages and whatever else it has; its id is `original`, as a campaign's unless it is a `card`.
            condition: the trigger of the follow-on, without its target.
        """
        kind = "card" if "card" in original else "campaign"
        for user in users or (ANN,):
            await self.do("PUT", f"/v1/users/{user['id']}", user)
        await self.do("PUT", "/v1/campaigns/original", {kind: "original", **original})
        await self.do("PUT", "/v1/campaigns/follow-on", mailed({**condition, kind: "original"}))
        await self.do("POST", "/v1/campaigns/original/publish", {"with_follow_ons": True})

    async def report(self, kind: str, user: str = "ann", **words: Any) -> None:
        """Report an event, as a service does."""
        event = {"user": user, "type": kind, "occurred_at": datetime.now(UTC).isoformat(), **words}  # noqa: TID251
        answer = await self.do("POST", "/v1/interactions", {"interactions": [event]})
        assert [result["status"] for result in answer["results"]] == ["accepted"]

    async def provider_reports(self, status: str) -> None:
        """Report the status of the newest text message, as Twilio does."""
        url, form, signature = self.providers.report(status)
        async with self.client(**{"X-Twilio-Signature": signature}) as twilio:
            answer = await twilio.post(url, data=form)
        assert answer.status_code == 204, answer.text

    async def do(self, verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the API, which must succeed, and return the response."""
        answer = await self.api.request(verb, path, json=body)
        assert answer.is_success, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    def mails(self, subject: str) -> list[EmailMessage]:
        """Return the mails with this subject in the order of their arrival."""
        return [mail for mail in self.mail.mails if mail["Subject"] == subject]

    async def letter(self, subject: str) -> EmailMessage:
        """Wait for the mail with this subject, and return it."""
        await until(lambda: self.mails(subject), f"a letter: {subject}")
        return self.mails(subject)[0]

    async def followed(self, user: str = "ann") -> dict[str, Any]:
        """Wait until the follow-on was sent to this user, and return its follow-up."""
        await self.received("follow-on", user)
        [found] = await self.follow_ups(user)
        assert (found["state"], found["channels"]) == ("sent", ["email"])
        assert any(letter["To"] == f"{user}@example.com" for letter in self.mails(FOLLOW_ON))
        return found

    async def received(self, campaign: str = "original", user: str = "ann") -> None:
        """Wait until the store has that this user received this campaign."""
        await self._became("sent", user, campaign)

    async def enrolled(self, user: str = "ann") -> None:
        """Wait until this user is in the control group of the original."""
        await self._became("control", user, "original")

    async def follow_ups(self, user: str = "ann", campaign: str = "follow-on") -> list[dict[str, Any]]:
        """Return the follow-ups of this campaign for a user."""
        found = await self.do("GET", f"/v1/follow-ups?campaign={campaign}&user={user}")
        rows: list[dict[str, Any]] = found["follow_ups"]
        return rows

    async def _became(self, state: str, user: str, campaign: str) -> None:
        async def is_so() -> bool:
            return {row["state"] for row in await self.follow_ups(user, campaign)} == {state}

        await until(is_so, f"{campaign}, {state}, for {user}")


def mailed(trigger: dict[str, Any], name: str = "follow-on", subject: str = FOLLOW_ON) -> dict[str, Any]:
    """A follow-on by mail, without a delay."""
    return follow_on(name, trigger, messages={"email": {"subject": subject, "text": "Thank you."}})


@asynccontextmanager
async def running_system(
    environment: WorkflowEnvironment, database: Database, url: str, folder: Path, server: HTTPServer, **more: Any
) -> AsyncIterator[System]:
    """Run the system in its own workspace, in real time, until the block ends; `more` are settings."""
    async with AsyncExitStack() as stack:
        mail, providers = Mailbox(), Providers(server, folder, LINKS)
        port = await stack.enter_async_context(serve_mail(mail))
        settings = Settings(
            workspace=f"w{uuid4().hex[:8]}",
            database_url=url,
            data=folder,
            sweep_interval=timedelta(seconds=0.1),
            webhook_allow_private=True,
            smtp=Smtp(host="127.0.0.1", port=port, tls="none", sender="Shop <news@shop.test>"),
            twilio=providers.twilio,
            fcm=providers.fcm,
            inbox=InboxSettings(secrets=[SECRET]),
            tracking=TrackingSettings(url=LINKS, secrets=[SECRET]),
            **more,
        )
        stack.enter_context(environment.with_time_skipping_disabled())
        await stack.enter_async_context(working(environment, settings))
        app = create_app(build_context(settings, database, TemporalLink(environment.client)), Keys(configured(KEY)))
        await stack.enter_async_context(app.router.lifespan_context(app))
        system = System(app, mail, providers)
        await stack.enter_async_context(system.api)
        yield system
