"""Each provider's own calls, signed as it signs them, through the whole program: trigger, exception, suppression."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from connector.app.context import build_context
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.store.engine.database import database_now
from connector.store.tables import interactions
from connector.store.users.descriptions import save_user
from connector.store.users.users import find_user
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.webhooks.protocol import WebhookCall
from tests.support.api import KEY, configured
from tests.support.builders import ORIGINAL, follow_on
from tests.support.installation import Installation
from tests.support.webhook_senders import SENDERS, TwilioSender, samples

BEGAN = datetime.now(UTC)  # noqa: TID251 - the tests' own clock
ADDRESS = "ada@shop.example"
NUMBER = "+12025550123"
MAILED = follow_on(
    "mailed",
    {"interaction": "receive_email", "campaign": "o"},
    delay={"after": "1 day"},
    exceptions=[{"interaction": "open_email", "campaign": "o"}],
)
TEXTED = follow_on(
    "texted",
    {"interaction": "receive_sms", "campaign": "o"},
    delay={"after": "1 day"},
    exceptions=[{"interaction": "click_sms_link", "campaign": "o"}],
)
RECEIVED, OPENED, BOUNCED = (BEGAN - timedelta(minutes=minutes) for minutes in (3, 2, 1))
Event = Callable[[str, datetime], dict[str, Any]]


def _sendgrid(what: str, at: datetime) -> dict[str, Any]:
    name = {"received": "delivered", "opened": "open", "bounced": "bounce"}[what]
    said = {"campaign": "o", "user": "u", "email": ADDRESS, "timestamp": int(at.timestamp())}
    return {**samples("sendgrid")[name], **said}


def _ses(what: str, at: datetime) -> dict[str, Any]:
    name = {"received": "Delivery", "opened": "Open", "bounced": "Bounce"}[what]
    event = samples("ses")[name]
    part = {**event[name.lower()], "timestamp": at.isoformat()}
    if what == "bounced":
        part["bouncedRecipients"] = [{**part["bouncedRecipients"][0], "emailAddress": ADDRESS}]
    if what == "received":
        part["recipients"] = [ADDRESS]
    tags = {"campaign": ["o"], "user": ["u"]}
    return {**event, "mail": {**event["mail"], "tags": tags, "destination": [ADDRESS]}, name.lower(): part}


def _mailgun(what: str, at: datetime) -> dict[str, Any]:
    name = {"received": "delivered", "opened": "opened", "bounced": "failed, permanent"}[what]
    said = {"recipient": ADDRESS, "timestamp": at.timestamp(), "user-variables": {"campaign": "o", "user": "u"}}
    return {**samples("mailgun")[name], **said}


def _postmark(what: str, at: datetime) -> dict[str, Any]:
    name = {"received": "Delivery", "opened": "Open", "bounced": "Bounce, hard"}[what]
    when = {key: at.isoformat() for key in ("DeliveredAt", "ReceivedAt", "BouncedAt")}
    whom = {"Recipient": ADDRESS, "Email": ADDRESS, "Metadata": {"campaign": "o", "user": "u"}}
    event = {**samples("postmark")[name], **when, **whom}
    return {key: value for key, value in event.items() if key in (*samples("postmark")[name], "Metadata")}


def _resend(what: str, at: datetime) -> dict[str, Any]:
    name = {"received": "delivered", "opened": "opened", "bounced": "bounced"}[what]
    event = samples("resend")[name]
    data = {**event["data"], "to": [ADDRESS], "tags": {"campaign": "o", "user": "u"}}
    return {**event, "created_at": at.isoformat(), "data": data}


MAIL: dict[str, Event] = {
    "sendgrid": _sendgrid,
    "ses": _ses,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "resend": _resend,
}
MAILERS = [sender for sender in SENDERS if sender.name in MAIL]


def now() -> datetime:
    """When a call is made: it is signed, and a session of tests takes longer than a signature holds."""
    return datetime.now(UTC)  # noqa: TID251 - providers sign the time of their call


class Line:
    """An API that listens to all six."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        providers = {sender.name: sender.provider() for sender in SENDERS}
        app = create_app(build_context(Settings(), installation.database), Keys(configured(KEY)), providers)
        self.api = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")

    async def tell(self, name: str, call: WebhookCall) -> int:
        """Return the status of the response."""
        answer = await self.api.post(f"/webhooks/{name}?{call.query}", content=call.body, headers=dict(call.headers))
        return answer.status_code

    async def unreachable(self) -> dict[str, str]:
        async with self.installation.database.read("default") as tx:
            stored = await find_user(tx, "u")
        assert stored is not None
        return dict(stored.unreachable)


@pytest.fixture
async def line(installation: Installation) -> AsyncIterator[Line]:
    await installation.publish(ORIGINAL, MAILED, TEXTED)
    async with installation.database.write("default") as tx:
        await save_user(tx, User(id="u", email=ADDRESS, phone=NUMBER), await database_now(tx))
    opened = Line(installation)
    yield opened
    await opened.api.aclose()


def _resend_id(sender: Any, what: str) -> Any:
    """Resend names each event in a header, the same at each attempt."""
    return replace(sender, id=f"msg_{what}") if sender.name == "resend" else sender


@pytest.mark.parametrize("sender", MAILERS, ids=lambda sender: sender.name)
async def test_mail_that_is_received_opened_and_bounces(line: Line, sender: Any) -> None:
    """The trigger starts a follow-up, repeated it starts none, the open cancels it, the bounce stops further mail."""
    event = MAIL[sender.name]
    received = _resend_id(sender, "received").call(event("received", RECEIVED), now())
    for _ in range(2):
        assert await line.tell(sender.name, received) == 204
    assert [(row.campaign, row.state) for row in await line.installation.rows()] == [("mailed", "waiting")]
    opened = _resend_id(sender, "opened").call(event("opened", OPENED), now())
    for _ in range(2):
        assert await line.tell(sender.name, opened) == 204
    [ended] = await line.installation.rows()
    assert (ended.state, ended.exception_at) == ("excepted", _as_told(sender, OPENED))
    assert await line.unreachable() == {}
    assert await line.tell(sender.name, _resend_id(sender, "bounced").call(event("bounced", BOUNCED), now())) == 204
    assert await line.unreachable() == {"email": ADDRESS}


async def test_a_text_that_is_delivered(line: Line) -> None:
    """Twilio's status callback names the campaign and the user in its signed URL; STOP withdraws consent."""
    twilio = TwilioSender(query="campaign=o&user=u")
    delivered = twilio.call({**samples("twilio")["delivered"], "To": NUMBER}, now())
    for _ in range(2):
        assert await line.tell("twilio", delivered) == 204
    assert [(row.campaign, row.state) for row in await line.installation.rows()] == [("texted", "waiting")]
    stop = twilio.call({**samples("twilio")["a stop"], "From": NUMBER}, now())
    assert await line.tell("twilio", stop) == 204
    async with line.installation.database.read("default") as tx:
        stored = await find_user(tx, "u")
    assert stored is not None
    assert stored.user.consent == {"sms": "unsubscribed"}


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
async def test_what_somebody_else_signed(line: Line, sender: Any) -> None:
    """With another's key, each is 403 in our error's shape, and leaves no trace."""
    stranger = {"postmark": {"password": "another password of theirs"}, "mailgun": {"key": "another key"}}
    other = stranger.get(sender.name) or {"twilio": {"token": "e" * 32}}.get(sender.name)
    forged = replace(sender, **other) if other else type(sender)()
    if sender.name == "resend":
        forged = replace(sender, secret="whsec_" + "A" * 32)
    event = MAIL[sender.name]("received", RECEIVED) if sender.name in MAIL else samples("twilio")["delivered"]
    assert await line.tell(sender.name, forged.call(event, now())) == 403
    assert await line.installation.rows() == []


@pytest.mark.parametrize("name", ["sendgrid", "postmark", "resend"])
async def test_what_is_rejected_for_good(line: Line, name: str) -> None:
    """A provider that will not write to the address any more suppresses it, as the pages promise."""
    [sender] = [_resend_id(one, "rejected") for one in SENDERS if one.name == name]
    event = MAIL[name]("bounced", BOUNCED)
    rejected: dict[str, dict[str, Any]] = {
        "sendgrid": {"event": "dropped", "type": None, "reason": "Bounced Address"},
        "postmark": {"Type": "BadEmailAddress", "TypeCode": 100000},
        "resend": {"type": "email.suppressed"},
    }
    assert await line.tell(name, sender.call(event | rejected[name], now())) == 204
    assert await line.unreachable() == {"email": ADDRESS}


async def test_one_message_to_two_addresses_of_a_user(line: Line) -> None:
    """SES reports each recipient; the user whom the message names received it once."""
    [sender] = [one for one in SENDERS if one.name == "ses"]
    event = _ses("received", RECEIVED)
    event["mail"]["destination"] = event["delivery"]["recipients"] = [ADDRESS, "ada@work.example"]
    assert await line.tell("ses", sender.call(event, now())) == 204
    async with line.installation.database.read("default") as tx:
        assert (await tx.execute(select(interactions.c.topic))).scalars().all() == ["receive_email"]


async def test_a_mail_that_is_scheduled_is_not_received(line: Line) -> None:
    """Resend's `email.scheduled`: nothing was sent yet."""
    [sender] = [_resend_id(one, "scheduled") for one in SENDERS if one.name == "resend"]
    event = _resend("received", RECEIVED) | {"type": "email.scheduled"}
    assert await line.tell("resend", sender.call(event, now())) == 204
    assert await line.installation.rows() == []


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
async def test_a_body_beyond_all_bounds_is_not_read(line: Line, sender: Any) -> None:
    """Each provider has its own limit; a larger body is refused before its signature is checked."""
    body, headers = b"x" * (sender.provider().max_body_bytes + 1), sender.call({}, now()).headers
    assert await line.tell(sender.name, WebhookCall("", headers, body, now())) == 413
    assert await line.tell(sender.name, WebhookCall("", headers, body[:-1], now())) in (400, 403)


@pytest.mark.parametrize("name", ["sendgrid", "postmark", "resend", "twilio"])
async def test_an_unsigned_call_is_refused_by_its_head(line: Line, name: str) -> None:
    """The body of a call without a signature, or without Postmark's password, is not read: 403 whatever it is."""
    assert await line.tell(name, WebhookCall("", {}, b"x" * 5_000_000, now())) == 403


async def test_a_bounce_that_holds_the_whole_message(line: Line) -> None:
    """Postmark returns the message with its bounce, of megabytes if it had attachments."""
    [sender] = [one for one in SENDERS if one.name == "postmark"]
    event = _postmark("bounced", BOUNCED) | {"Content": "x" * 1_500_000}
    assert await line.tell("postmark", sender.call(event, now())) == 204
    assert await line.unreachable() == {"email": ADDRESS}


def _as_told(sender: Any, at: datetime) -> datetime:
    """SendGrid's times are whole seconds."""
    return at.replace(microsecond=0) if sender.name == "sendgrid" else at


def test_every_provider_is_tried() -> None:
    """The samples above are of all six."""
    assert {sender.name for sender in SENDERS} == {*MAIL, "twilio"}
