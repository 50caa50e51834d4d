"""Sms by Twilio: what goes over the wire, by its public API description, and what its answers mean."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connector.channels.protocol import (
    Accepted,
    Address,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.channels.twilio import TwilioChannel, is_signed, sign_request
from connector.settings.providers import Twilio
from tests.support.certificates import Certificate, Talk
from tests.support.provider_servers import (
    ACCOUNT,
    AUTH_TOKEN,
    CALLBACK,
    KEY,
    MESSAGES,
    SERVICE,
    TwilioServer,
    check_operation,
    twilio,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
Serve = Callable[[Talk], AbstractAsyncContextManager[int]]


async def send(
    settings: Twilio,
    *,
    phone: str | None = "+14155552671",
    body: Any = "Hi Zoë",
    delivery: str = "d-1.sms",
    **options: Any,
) -> Accepted:
    """Send through a channel of its own."""
    channel = TwilioChannel(settings, clock=NOW.timestamp, **options)
    try:
        return await channel.send(
            OutgoingMessage(delivery, "welcome", "sms", Address("u-1", phone=phone), {"body": body})
        )
    finally:
        await channel.close()


async def fault_of(settings: Twilio, **message: Any) -> SendError:
    """The fault that a send ends in."""
    with pytest.raises(SendError) as raised:
        await send(settings, **message)
    return raised.value


async def test_a_message_is_as_twilio_describes_it(httpserver: HTTPServer):
    """The request holds to the public API description; the SID is the provider's id, and no report is promised."""
    server = TwilioServer(httpserver)
    assert await send(twilio(httpserver)) == Accepted(f"SM{1:032x}")
    [(request, _)] = httpserver.log
    assert check_operation(request) == {"To": "+14155552671", "From": "+14155552345", "Body": "Hi Zoë"}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{AUTH_TOKEN}".encode()).decode()
    assert len(server.forms) == 1


async def test_a_status_callback_names_the_delivery(httpserver: HTTPServer):
    """M4: with a callback the receipt is the carrier's report; its address carries the delivery's id."""
    server = TwilioServer(httpserver)
    accepted = await send(twilio(httpserver, status_callback=f"{CALLBACK}?a=1"), delivery="a b&c.sms")
    assert accepted.reported
    assert server.forms[0]["StatusCallback"] == f"{CALLBACK}?a=1&delivery=a+b%26c.sms"


async def test_an_api_key_signs_in_and_a_service_sends(httpserver: HTTPServer):
    """An API key goes before the auth token; a messaging service needs no sender."""
    server = TwilioServer(httpserver)
    settings = twilio(httpserver, api_key=KEY, api_secret="s" * 32, sender=None, messaging_service_sid=SERVICE)
    await send(settings)
    assert server.forms[0].keys() == {"To", "Body", "MessagingServiceSid"}
    assert httpserver.log[0][0].authorization.username == KEY


@pytest.mark.parametrize(
    ("status", "data", "headers", "kind", "code"),
    [
        (400, {"code": 21610}, {}, Rejected, "unsubscribed"),
        (400, {"code": 21211}, {}, Rejected, "number_invalid"),
        (400, {"code": 21614}, {}, Rejected, "number_not_mobile"),
        (400, {"code": 21408}, {}, Rejected, "region_not_enabled"),
        (400, {"code": 21617}, {}, Rejected, "sms_too_long"),
        (400, {"code": 99999}, {}, Rejected, "twilio_99999"),
        (400, {"code": 21606}, {}, TryLater, "twilio_21606"),
        (400, {"code": 21611}, {}, TryLater, "twilio_21611"),
        (400, {"code": "21610"}, {}, Rejected, "twilio_http_400"),
        (400, {"code": True}, {}, Rejected, "twilio_http_400"),
        (400, {"code": 10**9}, {}, Rejected, "twilio_http_400"),
        (400, ["no object"], {}, Rejected, "twilio_http_400"),
        (401, {"code": 20003}, {}, TryLater, "twilio_20003"),
        (403, {}, {}, TryLater, "twilio_http_403"),
        (404, {"code": 20404}, {}, TryLater, "twilio_20404"),
        (301, {}, {"Location": MESSAGES}, TryLater, "twilio_http_301"),
        (429, {"code": 20429}, {"Retry-After": "7"}, TryLater, "twilio_http_429"),
        (503, {}, {}, TryLater, "twilio_http_503"),
        (500, {"code": 20500}, {}, OutcomeUnknown, "twilio_http_500"),
        (502, {}, {}, OutcomeUnknown, "twilio_http_502"),
    ],
)
async def test_what_an_answer_means(
    httpserver: HTTPServer, status: int, data: Any, headers: dict[str, str], kind: type[SendError], code: str
):
    """About the message: rejected; about account, sender or load: retried; from a machine in between: unknown."""
    answer = json.dumps(data)
    httpserver.expect_request(MESSAGES).respond_with_data(answer, status, headers, "application/json")
    fault = await fault_of(twilio(httpserver))
    assert (type(fault), fault.code) == (kind, code)
    assert getattr(fault, "retry_after", None) == (timedelta(seconds=7) if headers.get("Retry-After") else None)
    assert len(httpserver.log) == 1, "a request was repeated, or a redirect followed"


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", '{"sid": 7}', "[" * 70_000, '{"sid": "' + "S" * 5_000_000 + '"}']
)
async def test_an_answer_that_cannot_be_read_was_one(httpserver: HTTPServer, body: str):
    """201 is taken, whatever stands beside it, also 5 MB."""
    httpserver.expect_request(MESSAGES).respond_with_data(body, 201)
    assert await send(twilio(httpserver)) == Accepted(None)


@pytest.mark.parametrize(
    ("phone", "body", "code"),
    [
        (None, "Hi", "number_invalid"),
        ("4155552671", "Hi", "number_invalid"),
        ("+1415555267100000", "Hi", "number_invalid"),
        ("+14155552671\r\nX: y", "Hi", "number_invalid"),
        ("whatsapp:+14155552671", "Hi", "number_invalid"),
        ("+14155552671", "", "sms_empty"),
        ("+14155552671", " \n", "sms_empty"),
        ("+14155552671", None, "sms_empty"),
        ("+14155552671", "x" * 1601, "sms_too_long"),
        ("+14155552671", "x" * 5_000_000, "sms_too_long"),
        ("+14155552671", "\ud800", "sms_invalid"),
    ],
)
async def test_what_twilio_would_refuse_is_not_asked(free_port: int, phone: str | None, body: Any, code: str):
    """Bad numbers and bodies are refused before anything is connected, and their text is not in the fault."""
    fault = await fault_of(twilio(f"http://127.0.0.1:{free_port}"), phone=phone, body=body)
    assert (type(fault), fault.code) == (Rejected, code)
    assert not phone or phone not in str(fault)


async def test_a_number_may_be_written_with_separators(httpserver: HTTPServer):
    """People write +1 (415) 555-2671."""
    server = TwilioServer(httpserver)
    await send(twilio(httpserver), phone="+1 (415) 555-26.71")
    assert server.forms[0]["To"] == "+14155552671"


async def test_form_text_cannot_add_a_parameter(httpserver: HTTPServer):
    """A text with & and = is a text."""
    server = TwilioServer(httpserver)
    await send(twilio(httpserver), body="a&From=+1&x=%00\r\n☃")
    assert server.forms[0]["Body"] == "a&From=+1&x=%00\r\n☃"
    assert server.forms[0]["From"] == "+14155552345"


async def test_accepted_and_dropped_is_unknown(raw_server: Serve):
    """Guarantee 4: the request went out and the connection broke before the status."""

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(drop) as port:
        fault = await fault_of(twilio(f"http://127.0.0.1:{port}"))
    assert (type(fault), fault.code) == (OutcomeUnknown, "twilio_no_answer")


async def test_silence_ends_in_time_and_is_unknown(raw_server: Serve):
    """A provider that says nothing is waited for as long as set."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_server(hang) as port:
        fault = await fault_of(twilio(f"http://127.0.0.1:{port}", timeout=timedelta(seconds=0.3)))
    assert (type(fault), fault.code) == (OutcomeUnknown, "twilio_no_answer")


async def test_a_status_without_its_body_is_an_answer(raw_server: Serve):
    """201 was heard; that the body never ends changes nothing."""

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
        await asyncio.Event().wait()

    async with raw_server(begin) as port:
        assert await send(twilio(f"http://127.0.0.1:{port}", timeout=timedelta(seconds=0.3))) == Accepted(None)


async def test_no_connection_passes(free_port: int):
    """No connection: certainly not sent."""
    fault = await fault_of(twilio(f"http://127.0.0.1:{free_port}"))
    assert (type(fault), fault.code) == (TryLater, "twilio_connect")


async def test_tls_is_checked(certificate: Certificate, raw_server: Serve):
    """A server with an untrusted certificate gets no message."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=certificate.serving)
    async with server:
        port = server.sockets[0].getsockname()[1]
        fault = await fault_of(twilio(f"https://localhost:{port}"))
    assert (type(fault), fault.code) == (TryLater, "twilio_tls")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"auth_token": None}, "AUTH_TOKEN"),
        ({"auth_token": ""}, "auth_token"),
        ({"api_key": KEY, "api_secret": ""}, "api_secret"),
        ({"sender": None}, "SENDER"),
        ({"api_key": KEY}, "API_SECRET"),
        ({"auth_token": None, "api_key": KEY, "api_secret": "s" * 32, "status_callback": CALLBACK}, "STATUS_CALLBACK"),
        ({"account_sid": "AC1"}, "account_sid"),
        ({"messaging_service_sid": "MG1"}, "messaging_service_sid"),
        ({"status_callback": "connector.test"}, "https://"),
        ({"timeout": "26 seconds"}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], word: str):
    """What is missing is named at the start, not at the first send, and no secret is quoted."""
    with pytest.raises(ValidationError, match=word) as fault:
        twilio("https://api.test", **settings)
    assert "12345" not in str(fault.value)


async def test_the_signature_is_the_documented_one():
    """The worked example that Twilio's documentation has had for years."""
    parameters = {
        "CallSid": "CA1234567890ABCDE",
        "From": "+12349013030",
        "To": "+18005551212",
        "Caller": "+12349013030",
        "Digits": "1234",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign_request(url, parameters.items(), "12345") == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    assert is_signed("0/KCTR6DLpKmkAf8muzZqo1nDgQ=", url, parameters.items(), "12345")
    assert is_signed(sign_request(url.replace(".com", ".com:443"), [], "t"), url, [], "t")
    assert not is_signed("", url, parameters.items(), "12345")
    assert not is_signed("Zoë", url, parameters.items(), "12345")


async def test_many_at_once(httpserver: HTTPServer):
    """One channel serves many sends at the same time, each with its own answer."""

    def echo(request: Request) -> Response:
        return Response(json.dumps({"sid": check_operation(request)["Body"]}), 201)

    httpserver.expect_request(MESSAGES).respond_with_handler(echo)
    channel = TwilioChannel(twilio(httpserver))
    messages = [
        OutgoingMessage(f"d-{n}", "c", "sms", Address("u", phone="+14155552671"), {"body": f"{n}"}) for n in range(20)
    ]
    answers = await asyncio.gather(*(channel.send(message) for message in messages))
    await channel.close()
    assert [answer.provider_id for answer in answers] == [f"{n}" for n in range(20)]
