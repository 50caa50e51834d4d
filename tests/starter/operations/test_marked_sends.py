"""Test sends: through the real provider, marked, without a trace but the audit entry; refused with the reason."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import func, select

from connector.app.context import AppContext, build_context
from connector.channels.mail_addresses import read_recipient
from connector.rules.model.audit import Actor, ActorKind
from connector.rules.provider_events.consent import AddressStatement
from connector.rules.sending.trial import address_fault, channel_of_address
from connector.settings.application import Settings
from connector.store.audit import AuditFilter, list_audit
from connector.store.engine.database import Database, database_now
from connector.store.tables import channel_windows, metadata
from connector.store.users.suppressions import save_address_statements
from starter.operations.marked_sends import SendTestRefused, send_test
from starter.operations.preview_choice import Choice
from tests.support.api import open_client
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.installation import Installation
from tests.support.mail_server import Mailbox, serve_mail
from tests.support.provider_servers import CALLBACK, MESSAGES, twilio

ME = Actor(ActorKind.COMMAND_LINE, "me")
MESSAGES_OF_F: dict[str, Any] = {
    "email": {
        "subject": "For {{ user.first_name }}",
        "html": '<a href="https://shop.example/">See it</a>',
        "from": "news@shop.example",
        "headers": {"X-Mailgun-Tag": "f"},
    },
    "sms": {"body": "See https://shop.example/"},
    "push": {"title": "Hi", "body": "there"},
    "webhook": {"url": "https://hooks.example/"},
}
TRACKING = {"tracking": {"url": "https://t.example", "secrets": ["s" * 32]}}
ADA = {"first_name": "Ada"}


@pytest.fixture
async def database(sqlite_database: Database) -> Database:
    """A published original and a follow-on on four channels."""
    await Installation(sqlite_database).publish(ORIGINAL, follow_on("f", PUSHED, messages=MESSAGES_OF_F))
    return sqlite_database


def smtp(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "tls": "none"}


def context_of(database: Database, **settings: Any) -> AppContext:
    return build_context(Settings.model_validate({**TRACKING, **settings}), database)


async def count_rows(database: Database) -> dict[str, int]:
    """Return the number of rows of every table, the audit trail aside."""
    async with database.read("default") as tx:
        return {
            table.name: (await tx.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
            if table.name not in ("audit", channel_windows.name)
        }


async def trail(database: Database) -> list[tuple[str | None, dict[str, Any], str]]:
    async with database.read("default") as tx:
        entries = await list_audit(tx, AuditFilter(), 10)
    assert all(entry.actor == ME and entry.act.action == "send_test" for entry in entries)
    return [(entry.act.subject, dict(entry.act.details), entry.act.outcome) for entry in reversed(entries)]


async def test_an_email_that_nobody_takes_for_real(database: Database) -> None:
    """`[Test]`, a header, links as written, no pixel, no header to unsubscribe, none by which a provider reports."""
    before, mailbox = await count_rows(database), Mailbox()
    async with serve_mail(mailbox) as port:
        context = context_of(database, smtp={**smtp(port), "provider": "mailgun"})
        sent = await send_test(context, ME, Choice("f", profile=ADA), "tester@shop.example", reason="a look")
    [mail] = mailbox.mails
    assert isinstance(mail, EmailMessage)
    assert (mail["Subject"], mail["To"], mail["X-Connector-Test"]) == ("[Test] For Ada", "tester@shop.example", "true")
    assert not {"List-Unsubscribe", "X-Mailgun-Variables", "X-Mailgun-Tag"} & {*mail.keys()}
    assert mail.get_content().strip() == '<a href="https://shop.example/">See it</a>'
    assert sent["provider_id"] == mail["Message-ID"]
    assert sent["id"].startswith("test-")
    assert await count_rows(database) == before
    assert await trail(database) == [("f", {"channel": "email"}, one) for one in ("requested", "done")]


async def test_a_text_message(database: Database, httpserver: HTTPServer) -> None:
    """`[Test]`, its links as written, and no report asked for."""
    httpserver.expect_request(MESSAGES, method="POST").respond_with_json({"sid": "SM1"}, status=201)
    context = context_of(database, twilio=twilio(httpserver, status_callback=CALLBACK))
    sent = await send_test(context, ME, Choice("f"), "+1 202-555-0123")
    [(request, _)] = httpserver.log
    assert dict(request.form) == {
        "To": "+12025550123",
        "Body": "[Test] See https://shop.example/",
        "From": "+14155552345",
    }
    assert (sent["channel"], sent["provider_id"]) == ("sms", "SM1")


async def test_without_a_provider_in_development(database: Database) -> None:
    """`connector dev` prints the message of a channel without a provider; the answer says that nothing was sent."""
    sent = await send_test(context_of(database, dev=True), ME, Choice("f"), "a-token")
    assert (sent["channel"], sent["is_printed"], sent["provider_id"]) == ("push", True, None)


REFUSED: list[tuple[Choice, str, str]] = [
    (Choice("f"), "tester@shop.example", "email has no provider"),
    (Choice("f"), "+12025550123", "sms has no provider"),
    (Choice("f"), "a-token", "push has no provider"),
    (Choice("f", channel="webhook"), "https://hooks.example/", "webhook has no address"),
    (Choice("f", channel="in_app_message"), "u-17", "in_app_message has no address"),
    (Choice("f", channel="sms"), "tester@shop.example", "sms needs a phone number"),
    (Choice("f", channel="email"), "+12025550123", "email needs an email address"),
    (Choice("f", channel="push"), "tester@shop.example", "push needs a push token, and this is an email address"),
    (Choice("f", channel="push"), "+12025550123", "push needs a push token, and this is a phone number"),
    (
        Choice("f", follow_on("f", PUSHED, messages={"push": {"title": "{% abort_message('no') %}", "body": "b"}})),
        "a-token",
        "no",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "address", "words"), REFUSED)
async def test_what_is_refused(database: Database, choice: Choice, address: str, words: str) -> None:
    """No provider, an address of another kind, a template that aborts: nothing is sent, and no address is quoted."""
    with pytest.raises(SendTestRefused) as raised:
        await send_test(context_of(database), ME, choice, address)
    assert words in str(raised.value)
    assert address not in str(raised.value)
    assert await trail(database) == []


async def test_a_suppressed_address_and_a_rate(database: Database) -> None:
    """A suppressed address is refused whoever has it; a channel's rate counts test sends, too."""
    async with database.write("default") as tx:
        dead = AddressStatement("email", "dead@shop.example", True, await database_now(tx))
        await save_address_statements(tx, [dead], {})
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        context = context_of(database, smtp=smtp(port), channel_rates={"email": 0.001})
        with pytest.raises(SendTestRefused, match="suppression list"):
            await send_test(context, ME, Choice("f", profile=ADA), "Dead@Shop.example")
        await send_test(context, ME, Choice("f", profile=ADA), "tester@shop.example")
        with pytest.raises(SendTestRefused, match="the rate of email is used up"):
            await send_test(context, ME, Choice("f", profile=ADA), "tester@shop.example")
    assert len(mailbox.mails) == 1


async def test_over_http(database: Database) -> None:
    """A preview of an edited definition in YAML; what is not known, cannot be sent or read says so by its status."""
    async with open_client(context_of(database)) as client:
        yaml = "campaign: f\ndelivery: {type: scheduled, send: at_publish}\nmessages: {push: {title: A, body: B}}\n"
        shown = await client.post("/v1/campaigns/f/preview", json={"definition": yaml})
        assert shown.json()["messages"][0]["content"]["title"] == "A"
        answers = {
            "/v1/campaigns/g/preview": ({}, 404),
            "/v1/campaigns/o/preview": ({}, 409),
            "/v1/campaigns/f/preview": ({"user": "nobody"}, 404),
            "/v1/campaigns/f/send-test": ({"address": "a-token"}, 409),
        }
        for path, (body, status) in answers.items():
            answer: httpx.Response = await client.post(path, json=body)
            assert (path, answer.status_code) == (path, status), answer.text
        wrong = await client.post("/v1/campaigns/f/preview", json={"definition": "campaign: f\ndelivry: x"})
        assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        ("a@b.example", "email"),
        ("+4915112345678", "sms"),
        ("d8f2:APA91b", "push"),
        ("o'neill@b.example", "email"),
        ("@b.example", "push"),
    ],
)
def test_the_form_of_an_address_decides(address: str, channel: str) -> None:
    """What is neither an email address nor a number is a token; a broken email address is none."""
    assert channel_of_address(address) == channel
    assert (address_fault(channel, address) is None) == (address != "@b.example")
    assert channel != "email" or read_recipient(address).address == address
