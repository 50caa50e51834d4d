"""Sms and push end to end: a real worker, a real API, and servers that answer as Twilio and FCM do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.app.context import build_context
from connector.channels.twilio import sign_request
from connector.rules.model.users import User
from connector.store.engine.database import Database, database_now
from connector.store.users.descriptions import save_user
from connector.store.users.users import find_user
from tests.support.api import open_client
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.polling import until
from tests.support.provider_servers import (
    AUTH_TOKEN,
    CALLBACK,
    FcmServer,
    TwilioServer,
    fcm,
    fcm_error,
    key_file,
    twilio,
)
from tests.support.workspace import Workspace, settings_for, working

TEXT = follow_on("text", PUSHED, messages={"sms": {"body": "Your order is on its way, {{ user.first_name }}"}})
PUSH = follow_on("push", {"interaction": "receive_sms", "campaign": "text"})
THIRD = follow_on("third", {"interaction": "receive_push", "campaign": "push"}, messages={"sms": {"body": "Thanks"}})


class Street:
    """A shop with a worker, and the two providers that it sends through."""

    def __init__(self, workspace: Workspace, twilio: TwilioServer, fcm: FcmServer, api: httpx.AsyncClient) -> None:
        self.workspace, self.twilio, self.fcm, self.api = workspace, twilio, fcm, api

    async def open(self, *definitions: dict[str, Any], tokens: tuple[str, ...] = ("t1",)) -> None:
        await self.workspace.open(*definitions)
        user = User(id="u", first_name="Ada", phone="+14155552671", push_tokens=tokens)
        async with self.workspace.database.write(self.workspace.name) as tx:
            await save_user(tx, user, await database_now(tx))

    async def report(self, number: int, status: str) -> int:
        """Twilio tells of its message of this number, at the address that it was given."""
        address = urlsplit(self.twilio.forms[number]["StatusCallback"])
        form = {"MessageSid": f"SM{number + 1:032x}", "MessageStatus": status, "AccountSid": "AC" + "1" * 32}
        headers = {"X-Twilio-Signature": sign_request(address.geturl(), form.items(), AUTH_TOKEN)}
        return (await self.api.post(f"{address.path}?{address.query}", data=form, headers=headers)).status_code


@pytest.fixture
async def street(
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    httpserver: HTTPServer,
) -> AsyncIterator[Street]:
    """Everything open, in real time."""
    url = httpserver.url_for("").rstrip("/")
    workspace = Workspace(sqlite_database, environment)
    providers = {
        "twilio": twilio(url, status_callback=CALLBACK),
        "fcm": fcm(key_file(tmp_path, url), url),
    }
    settings = settings_for(workspace.name, sqlite_url, tmp_path).model_copy(update=providers)
    servers = TwilioServer(httpserver), FcmServer(httpserver)
    with environment.with_time_skipping_disabled():
        async with (
            working(environment, settings),
            open_client(build_context(settings, sqlite_database), given=None) as api,
        ):
            yield Street(workspace, *servers, api)


async def test_a_text_its_delivery_report_a_push_and_a_third(street: Street) -> None:
    """M4: the text's report, not its hand-over, triggers the push; the push taken by FCM triggers the third."""
    await street.open(ORIGINAL, TEXT, PUSH, THIRD)
    await street.workspace.receive_push()
    await street.workspace.becomes("text", "sent")
    assert street.twilio.forms[0]["Body"] == "Your order is on its way, Ada"
    assert await street.report(0, "sent") == 204
    assert street.fcm.taken == []
    assert await street.report(0, "delivered") == 204
    pushed = await street.workspace.becomes("push", "sent")
    third = await street.workspace.becomes("third", "sent")
    assert await street.report(0, "delivered") == 204
    assert (await street.workspace.workflow_of(third).result()).state == "sent"
    assert [message["data"]["campaign"] for message in street.fcm.taken] == ["push"]
    assert [form["Body"] for form in street.twilio.forms[1:]] == ["Thanks"]
    assert (await street.workspace.workflow_of(pushed).result()).state == "sent"


async def test_dropped_after_it_was_accepted_is_sent_once(street: Street, httpserver: HTTPServer) -> None:
    """Guarantee 4: a provider that breaks off is not asked again; its report corrects the follow-up, which goes on."""
    await street.open(ORIGINAL, TEXT, PUSH)
    street.twilio.lose_answers = True
    await street.workspace.receive_push()
    row = await street.workspace.becomes("text", "failed")
    assert row.reason == "send_unknown"
    assert await street.report(0, "delivered") == 204
    await street.workspace.becomes("text", "sent")
    await street.workspace.becomes("push", "sent")
    assert len(street.twilio.forms) == 1


async def test_a_user_without_a_device_left_is_told_as_unregistered(street: Street) -> None:
    """Dead tokens are forgotten; the next push finds nobody."""
    street.fcm.answers = {"t1": (404, fcm_error(404, "UNREGISTERED"))}
    await street.open(ORIGINAL, follow_on("push", PUSHED))
    await street.workspace.receive_push()
    row = await street.workspace.becomes("push", "failed")
    assert row.reason == "send_failed"
    async with street.workspace.database.read(street.workspace.name) as tx:
        stored = await find_user(tx, "u")
    assert stored is not None
    assert stored.user.push_tokens == ()


async def test_a_busy_provider_is_asked_again(street: Street) -> None:
    """429 with Retry-After: the claim is given back, and the message goes out later, once."""
    street.fcm.answers = {"t1": (429, fcm_error(429, "QUOTA_EXCEEDED"))}
    street.fcm.retry_after = "0"
    await street.open(ORIGINAL, follow_on("push", PUSHED))
    await street.workspace.receive_push()
    await until(lambda: street.fcm.asked >= 2)
    street.fcm.answers = {}
    await street.workspace.becomes("push", "sent")
    assert len(street.fcm.taken) == 1
    assert json.dumps(street.fcm.taken[0]["notification"]) == '{"title": "Hi", "body": "there"}'
