"""W6: a provider that is away, or refuses the account, is a temporary fault; only a refusal of the message is final.

Each row names its source.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from temporalio.exceptions import ApplicationError

from connector.channels.email import EmailChannel
from connector.channels.fcm import FcmChannel
from connector.channels.networks import EVERYWHERE
from connector.channels.protocol import Address, Channel, OutcomeUnknown, OutgoingMessage, Rejected, SendError, TryLater
from connector.channels.twilio import TwilioChannel
from connector.channels.webhook import WebhookChannel
from connector.settings.providers import Smtp
from connector.store.reporting.overview import list_follow_ups
from connector.store.reporting.retries import count_retried, find_retried_channels
from starter.operations.views import view_follow_up
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, buy, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.mail_server import Mailbox, serve_mail
from tests.support.provider_servers import MESSAGES, SEND, fcm, fcm_error, key_file, twilio
from tests.support.send_harness import SendHarness

CONTENT: dict[str, dict[str, Any]] = {
    "email": {"subject": "Hi", "text": "there"},
    "sms": {"body": "there"},
    "push": {"title": "Hi", "body": "there"},
    "webhook": {"url": "", "body": "{}"},
}
ADDRESS = Address("u", "ann@example.com", "+14155552671", ("t1",))


async def send(channel: Channel, name: str, **content: Any) -> SendError | None:
    """Send one message, and return its fault."""
    message = OutgoingMessage("d-1", "welcome", name, ADDRESS, CONTENT[name] | content)
    try:
        await channel.send(message)
    except SendError as fault:
        return fault
    finally:
        await channel.close()
    return None


SMTP = [
    ("mail", "421 4.3.2 Closing", TryLater, "RFC 5321, 3.8"),
    ("rcpt", "421 4.7.0 Try again later", TryLater, "Gmail SMTP errors"),
    ("mail", "450 4.7.1 Greylisted", TryLater, "RFC 6647, 2"),
    ("rcpt", "450 4.2.0 Greylisted, try in 300 s", TryLater, "RFC 6647, 2"),
    ("rcpt", "451 4.7.1 Greylisting in action", TryLater, "RFC 6647, 2"),
    ("data", "451 4.3.0 Mail server temporarily rejected message", TryLater, "Gmail SMTP errors"),
    ("rcpt", "452 4.2.2 Mailbox full", TryLater, "RFC 5321, 4.2.3"),
    ("data", "452 4.3.1 Insufficient storage", TryLater, "RFC 5321, 4.2.3"),
    ("mail", "454 4.7.0 Temporary authentication failure", TryLater, "RFC 4954, 6"),
    ("data", "454 Throttling failure: Daily message quota exceeded.", TryLater, "Amazon SES, SMTP responses"),
    ("mail", "530 5.7.0 Must issue STARTTLS first", TryLater, "RFC 3207, 4"),
    ("mail", "530 5.7.1 Authentication required", TryLater, "RFC 4954, 6"),
    ("rcpt", "534 5.7.9 Authentication mechanism is too weak", TryLater, "RFC 4954, 6"),
    ("mail", "535 5.7.8 Authentication credentials invalid", TryLater, "RFC 4954, 6"),
    ("rcpt", "538 5.7.11 Encryption required for authentication", TryLater, "RFC 4954, 4"),
    ("rcpt", "550 5.7.8 Credentials invalid", TryLater, "RFC 4954, 6: X.7.8"),
    ("data", "550 5.4.5 Daily user sending limit exceeded", TryLater, "Gmail SMTP errors"),
    ("rcpt", "553 5.3.2 System not accepting network messages", TryLater, "RFC 3463, 3.4: X.3.2"),
    ("mail", "550 5.7.1 Not from you", TryLater, "W6: the sender is neither message nor address"),
    ("mail", "553 5.1.8 Sender address rejected: domain not found", TryLater, "RFC 3463, 3.2: X.1.8"),
    ("mail", "552 5.3.4 Message too big for system", Rejected, "RFC 1870, 6.1"),
    ("rcpt", "550 5.1.1 No such user", Rejected, "RFC 3463, 3.2: X.1.1"),
    ("rcpt", "553 5.1.3 Bad address syntax", Rejected, "RFC 3463, 3.2: X.1.3"),
    ("rcpt", "552 5.2.2 Mailbox full", Rejected, "RFC 3463, 3.3: permanent by its first digit"),
    ("rcpt", "550 5.7.1 Relaying denied", Rejected, "RFC 3463, 3.8: X.7.1"),
    ("data", "554 5.7.1 Message looks like spam", Rejected, "RFC 3463, 3.8: X.7.1"),
    ("data", "552 5.3.4 Message too large", Rejected, "RFC 1870, 6.3"),
    ("data", "drop", OutcomeUnknown, "guarantee 4: the reply was lost after DATA"),
]


@pytest.mark.parametrize(("command", "reply", "kind", "source"), SMTP)
async def test_smtp(command: str, reply: str, kind: type[SendError], source: str) -> None:
    """W6: 4xx, sign-in, sender and quota are temporary; a refusal of the recipient or the message is final."""
    async with serve_mail(Mailbox(**{command: reply})) as port:
        settings = Smtp(host="localhost", port=port, tls="none", sender="news@shop.test", timeout=timedelta(seconds=10))
        assert type(await send(EmailChannel(settings), "email")) is kind, source


TWILIO = [
    (401, 20003, TryLater, "Twilio 20003: authenticate"),
    (403, 20005, TryLater, "Twilio 20005: account not active"),
    (403, 20006, TryLater, "Twilio 20006: access denied"),
    (404, 20404, TryLater, "Twilio 20404: the resource was not found: a wrong account"),
    (429, 20429, TryLater, "Twilio 20429: not processed, safe to retry"),
    (429, 63038, TryLater, "Twilio 63038: the account's daily limit"),
    (400, 63038, TryLater, "Twilio 63038: the account's daily limit"),
    (400, 10001, TryLater, "Twilio 10001: account is not active"),
    (429, 14107, TryLater, "Twilio 14107: rate limit exceeded"),
    (400, 21606, TryLater, "Twilio 21606: From is not a number of the account"),
    (400, 21608, TryLater, "Twilio 21608: a trial account's limit"),
    (400, 21611, TryLater, "Twilio 21611: the sender's queue is full"),
    (400, 21704, TryLater, "Twilio 21704: the messaging service has no numbers"),
    (400, 30034, TryLater, "Twilio 30034: the sender is not registered"),
    (401, None, TryLater, "RFC 9110, 15.5.2"),
    (402, None, TryLater, "RFC 9110, 15.5.3"),
    (403, None, TryLater, "RFC 9110, 15.5.4"),
    (404, None, TryLater, "RFC 9110, 15.5.5: a wrong URL of the API"),
    (407, None, TryLater, "RFC 9110, 15.5.8"),
    (408, None, TryLater, "RFC 9110, 15.5.9"),
    (425, None, TryLater, "RFC 8470, 5.2"),
    (429, None, TryLater, "RFC 6585, 4"),
    (503, None, TryLater, "RFC 9110, 15.6.4"),
    (301, None, TryLater, "RFC 9110, 15.4.2: a wrong URL of the API"),
    (500, 20500, OutcomeUnknown, "guarantee 4: Twilio has no idempotency key"),
    (502, None, OutcomeUnknown, "guarantee 4"),
    (504, None, OutcomeUnknown, "guarantee 4"),
    (400, 21211, Rejected, "Twilio 21211: To is not a phone number"),
    (400, 21610, Rejected, "Twilio 21610: the recipient has answered STOP"),
    (400, 21614, Rejected, "Twilio 21614: not a mobile number"),
    (400, 21617, Rejected, "Twilio 21617: the body is too long"),
    (400, None, Rejected, "RFC 9110, 15.5.1"),
]


@pytest.mark.parametrize(("status", "number", "kind", "source"), TWILIO)
async def test_twilio(
    httpserver: HTTPServer, status: int, number: int | None, kind: type[SendError], source: str
) -> None:
    """W6: account, credentials, sender, limits and load pass; codes of the message and the number are final."""
    body = {} if number is None else {"code": number, "status": status}
    httpserver.expect_request(MESSAGES).respond_with_json(body, status)
    assert type(await send(TwilioChannel(twilio(httpserver)), "sms")) is kind, source


FCM = [
    (401, "THIRD_PARTY_AUTH_ERROR", TryLater, "FCM ErrorCode: APNs certificate or web push key"),
    (401, None, TryLater, "RFC 9110, 15.5.2"),
    (403, None, TryLater, "RFC 9110, 15.5.4"),
    (404, None, TryLater, "FCM: the project does not exist"),
    (408, None, TryLater, "RFC 9110, 15.5.9"),
    (429, "QUOTA_EXCEEDED", TryLater, "FCM ErrorCode"),
    (400, "QUOTA_EXCEEDED", TryLater, "FCM ErrorCode"),
    (503, "UNAVAILABLE", TryLater, "FCM ErrorCode"),
    (500, "INTERNAL", OutcomeUnknown, "guarantee 4"),
    (502, None, OutcomeUnknown, "guarantee 4"),
    (404, "UNREGISTERED", Rejected, "FCM ErrorCode"),
    (403, "SENDER_ID_MISMATCH", Rejected, "FCM ErrorCode: the token is another sender's"),
    (400, "INVALID_ARGUMENT", Rejected, "FCM ErrorCode"),
    (400, None, Rejected, "FCM: google.rpc.BadRequest"),
]


@pytest.mark.parametrize(("status", "code", "kind", "source"), FCM)
async def test_fcm(
    httpserver: HTTPServer, account: Path, status: int, code: str | None, kind: type[SendError], source: str
) -> None:
    """W6: credentials, project, quota and load pass; codes of the token and the message are final."""
    httpserver.expect_request("/token").respond_with_json({"access_token": "a"})
    httpserver.expect_request(SEND).respond_with_json({} if code is None else fcm_error(status, code), status)
    url = httpserver.url_for("").rstrip("/")
    assert type(await send(FcmChannel(fcm(account, url, token_url=f"{url}/token")), "push")) is kind, source


@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
async def test_fcm_grants_no_token(httpserver: HTTPServer, account: Path, status: int) -> None:
    """W6, RFC 6749, 5.2: every refusal of the token endpoint concerns the credentials, and nothing was sent."""
    httpserver.expect_request("/token").respond_with_json({"error": "invalid_grant"}, status)
    url = httpserver.url_for("").rstrip("/")
    assert type(await send(FcmChannel(fcm(account, url, token_url=f"{url}/token")), "push")) is TryLater


WEBHOOK = [
    *((status, TryLater, "Standard Webhooks: the receiver failed, retry") for status in (500, 501, 502, 503, 504, 520)),
    (401, TryLater, "RFC 9110, 15.5.2: credentials of the campaign or the receiver"),
    (402, TryLater, "RFC 9110, 15.5.3"),
    (403, TryLater, "RFC 9110, 15.5.4"),
    (407, TryLater, "RFC 9110, 15.5.8"),
    (408, TryLater, "RFC 9110, 15.5.9"),
    (421, TryLater, "RFC 9110, 15.5.20"),
    (425, TryLater, "RFC 8470, 5.2"),
    (429, TryLater, "RFC 6585, 4"),
    (400, Rejected, "RFC 9110, 15.5.1"),
    (404, Rejected, "RFC 9110, 15.5.5: this address"),
    (410, Rejected, "Standard Webhooks: the endpoint is gone"),
    (413, Rejected, "RFC 9110, 15.5.14: this message"),
    (422, Rejected, "RFC 9110, 15.5.21: this message"),
    (301, Rejected, "Standard Webhooks: redirects are failures; this address"),
]


@pytest.mark.parametrize(("status", "kind", "source"), WEBHOOK)
async def test_webhook(httpserver: HTTPServer, status: int, kind: type[SendError], source: str) -> None:
    """W6: each status has the result of docs/channels.md; 500, 502 and 504 are repeated with the same `webhook-id`."""
    httpserver.expect_request("/hook").respond_with_data("", status)
    for _ in range(2):
        channel = WebhookChannel(timeout=timedelta(seconds=10), networks=EVERYWHERE)
        assert type(await send(channel, "webhook", url=httpserver.url_for("/hook"))) is kind, source
    assert {request.headers["webhook-id"] for request, _ in httpserver.log} == {"d-1"}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key."""
    folder = tmp_path_factory.mktemp("fcm")
    key_file(folder, "http://token.test")
    return folder / "account.json"


def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"], ids=["connection refused", "DNS"])
@pytest.mark.parametrize("name", ["email", "sms", "push", "webhook"])
async def test_unreachable(name: str, host: str, account: Path) -> None:
    """W6, RFC 6761, 6.4 (`.invalid` never resolves): without a connection nothing was sent."""
    port = _closed_port()
    url = f"http://{host}:{port}"
    open_channel: dict[str, Callable[[], Channel]] = {
        "email": lambda: EmailChannel(
            Smtp(host=host, port=port, tls="none", sender="a@shop.test", timeout=timedelta(seconds=10))
        ),
        "sms": lambda: TwilioChannel(twilio(url)),
        "push": lambda: FcmChannel(fcm(account, url, token_url=f"{url}/token")),
        "webhook": lambda: WebhookChannel(timeout=timedelta(seconds=10), networks=EVERYWHERE),
    }
    fault = await send(open_channel[name](), name, **({"url": f"{url}/hook"} if name == "webhook" else {}))
    assert type(fault) is TryLater


async def test_a_channel_without_a_provider(installation: Installation) -> None:
    """W6: the message waits, is tried again with its fault to be seen, and is `stale` a day after its due time."""
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user()
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, messages={"webhook": {"url": "https://x.example/"}}))
    await installation.ingest(push("a", 0))
    for attempt, minutes in enumerate((0, 5, 24 * 60), start=1):
        with pytest.raises(ApplicationError) as raised:
            await harness.send(minutes=minutes, channel="webhook", attempt=attempt)
        assert raised.value.type == "no_provider"
        [delivery] = await harness.deliveries()
        assert (delivery.state, delivery.fault, delivery.attempt) == ("open", "no_provider", attempt)
        assert await installation.outcomes() == [("a", "waiting", None)]
        async with installation.database.read("default") as tx:
            [listed], [retried] = (await list_follow_ups(tx)).listings, await count_retried(tx, "f")
            assert await find_retried_channels(tx) == [("webhook", "no_provider")]
        assert (retried.channel, retried.fault, retried.count) == ("webhook", "no_provider", 1)
        waits = view_follow_up("default", listed, retried.due_since + timedelta(minutes=minutes, seconds=1))["waits"]
        assert re.fullmatch(rf"due for .+; attempt {attempt + 1} at \S+Z; last: no_provider", waits)
    await harness.send(minutes=24 * 60 + 5, channel="webhook", attempt=4)
    assert await installation.outcomes() == [("a", "dropped", "stale")]
    async with installation.database.read("default") as tx:
        assert (await count_retried(tx), await find_retried_channels(tx)) == ([], [])


async def test_ended_messages_are_not_tried_again(installation: Installation) -> None:
    """W6, X4: the next attempt at a message whose follow-up an exception has ended closes its delivery."""
    harness = SendHarness(installation, FakeChannel(TryLater("http_503")))
    await harness.save_user()
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("a", 0))
    with pytest.raises(ApplicationError):
        await harness.send(minutes=12 * 60)
    await installation.ingest(buy("x", 1))
    assert (await harness.send(minutes=12 * 60 + 1, attempt=2)).outcome == "ended"
    [delivery] = await harness.deliveries()
    assert (delivery.state, delivery.reason) == ("dropped", "exception")
