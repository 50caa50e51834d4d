"""Webhooks against real receivers: signed, refused, slow, hanging, private."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from connector.channels.networks import EVERYWHERE
from connector.channels.protocol import (
    Accepted,
    Address,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.channels.webhook import WebhookChannel
from connector.settings.signing import WebhookSigner

SHORT, LONG = timedelta(seconds=0.4), timedelta(seconds=10)
"""For receivers that hang, and for those that answer, however busy the machine is."""
SECRET, OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 8
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def send(url: str, *, channel: dict[str, Any] | None = None, **content: Any) -> Accepted:
    """Send through a channel of its own; `channel` overrides the options; private addresses are allowed."""
    options = {"timeout": LONG, "networks": EVERYWHERE, "clock": NOW.timestamp} | (channel or {})
    webhook = WebhookChannel(**options)
    try:
        return await webhook.send(OutgoingMessage("d-1", "welcome", "webhook", Address("u-1"), {"url": url} | content))
    finally:
        await webhook.close()


def at(*addresses: str):
    """Resolve every name to `addresses`."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def test_a_request_arrives(httpserver: HTTPServer):
    """Url, method, headers and body go out as rendered, with the delivery id."""
    httpserver.expect_request("/hook", query_string="a=1").respond_with_data("thanks")
    url = httpserver.url_for("/hook?a=1")
    body = '{"name": "Zoë"}'
    assert await send(url, method="PUT", headers={"X-Name": "Zoë"}, body=body) == Accepted()
    [(request, _)] = httpserver.log
    assert (request.method, request.get_data(as_text=True)) == ("PUT", body)
    assert request.headers["X-Name"].encode("latin-1").decode() == "Zoë"
    assert request.headers["Webhook-Id"] == "d-1"
    assert request.headers["Content-Type"] == "application/json"
    assert "Webhook-Signature" not in request.headers


async def test_the_signature_is_verified_by_the_standard(httpserver: HTTPServer):
    """A receiver verifies the request with the Standard Webhooks package; a template cannot set the signature."""
    httpserver.expect_request("/hook").respond_with_data("")
    forged = {"Webhook-Signature": "v1,forged", "content-type": "text/plain"}
    now = datetime.fromtimestamp(time.time(), UTC)
    signer = WebhookSigner([SecretStr(SECRET), SecretStr(OLD_SECRET)])
    await send(
        httpserver.url_for("/hook"), body="Zoë", headers=forged, channel={"signer": signer, "clock": now.timestamp}
    )
    [(request, _)] = httpserver.log
    for secret in (SECRET, OLD_SECRET):
        standardwebhooks.Webhook(secret).verify(request.get_data(), dict(request.headers), json_parse=False)
    assert request.headers["Webhook-Timestamp"] == str(int(now.timestamp()))
    assert request.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(("host", "verifies"), [("localhost", OLD_SECRET), ("127.0.0.1", SECRET)])
async def test_a_receiver_with_a_secret_of_its_own(httpserver: HTTPServer, host: str, verifies: str):
    """Only its own secrets sign the requests to it, so that no receiver can forge requests to another one."""
    httpserver.expect_request("/hook").respond_with_data("")
    signer = WebhookSigner([SecretStr(SECRET)], {"localhost": [SecretStr(OLD_SECRET)]})
    url = f"http://{host}:{httpserver.port}/hook"
    await send(url, body="x", channel={"signer": signer, "clock": time.time})
    [(request, _)] = httpserver.log
    assert " " not in request.headers["Webhook-Signature"]
    standardwebhooks.Webhook(verifies).verify(request.get_data(), dict(request.headers), json_parse=False)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry_after"),
    [
        (200, {}, None, None),
        (204, {}, None, None),
        (301, {"Location": "/hook"}, Rejected, None),
        (304, {}, Rejected, None),
        (400, {}, Rejected, None),
        (404, {}, Rejected, None),
        (410, {"Retry-After": "5"}, Rejected, None),
        (408, {}, TryLater, None),
        (425, {}, TryLater, None),
        (429, {"Retry-After": "7"}, TryLater, timedelta(seconds=7)),
        (429, {"Retry-After": "Mon, 02 Mar 2026 12:00:30 GMT"}, TryLater, timedelta(seconds=30)),
        (429, {"Retry-After": "Mon, 02 Mar 2026 11:00:00 GMT"}, TryLater, timedelta(0)),
        (429, {"Retry-After": "864000"}, TryLater, timedelta(hours=1)),
        (429, {"Retry-After": "9" * 40}, TryLater, timedelta(hours=1)),
        (429, {"Retry-After": "9" * 5000}, TryLater, None),
        (429, {"Retry-After": "-5"}, TryLater, None),
        (429, {"Retry-After": "soon"}, TryLater, None),
        (500, {}, TryLater, None),
        (503, {"Retry-After": "60"}, TryLater, timedelta(minutes=1)),
    ],
)
async def test_the_status_decides(
    httpserver: HTTPServer,
    status: int,
    headers: dict[str, str],
    kind: type[SendError] | None,
    retry_after: timedelta | None,
):
    """2xx is taken, 408, 425, 429 and 5xx pass, with the wait that was asked for; all else is refused for good."""
    httpserver.expect_request("/hook").respond_with_data("", status=status, headers=headers)
    fault: SendError | None = None
    try:
        await send(httpserver.url_for("/hook"))
    except SendError as raised:
        fault = raised
    assert (type(fault) if fault else None, getattr(fault, "retry_after", None)) == (kind, retry_after)
    assert fault is None or fault.code == f"http_{status}"
    assert len(httpserver.log) == 1, "a redirect was followed, or a request repeated"


async def test_no_receiver_is_tried_later(free_port: int):
    """Nothing listens: nothing was sent."""
    with pytest.raises(TryLater) as fault:
        await send(f"http://127.0.0.1:{free_port}/")
    assert fault.value.code == "webhook_connect"


async def test_an_unknown_name_is_tried_later():
    """A name that does not resolve may do so later; nothing was sent."""

    async def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(TryLater) as fault:
        await send("http://receiver.test/", channel={"resolve": fail})
    assert fault.value.code == "webhook_connect"


async def test_a_resolver_that_hangs_costs_no_more_than_the_timeout():
    """The timeout bounds the name's resolution too."""

    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(TryLater) as fault:
        await send("http://receiver.test/", channel={"resolve": hang, "timeout": SHORT})
    assert fault.value.code == "webhook_connect"


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drop(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"what?\r\n\r\n")
    await reader.read()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("receiver", [hang, drop, babble, trickle])
async def test_a_lost_answer_is_unknown(receiver, raw_server):
    """Once the request is out, a receiver that hangs, drops or babbles may have done its work (guarantee 4)."""
    async with raw_server(receiver) as port:
        with pytest.raises(OutcomeUnknown) as fault:
            await send(f"http://127.0.0.1:{port}/?user=ann", body="x", channel={"timeout": SHORT})
    assert fault.value.code == "webhook_no_answer"
    assert fault.value.__cause__ is None


async def test_an_endless_answer_is_not_read(raw_server):
    """The status is enough: a body without end neither holds the send up nor fills the memory."""
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while written < 1 << 30:
                writer.write(b"x" * 65536)
                await writer.drain()
                written += 65536

    async with raw_server(flood) as port:
        assert await send(f"http://127.0.0.1:{port}/")
    assert written < 1 << 28, "only the kernel's buffers may fill"


@pytest.fixture(scope="module")
def running_tls_server(certificate) -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", ssl_context=certificate.serving) as server:
        yield server


@pytest.fixture
def tls_server(running_tls_server: HTTPServer) -> HTTPServer:
    running_tls_server.clear()
    running_tls_server.expect_request("/hook").respond_with_data("")
    return running_tls_server


async def test_the_name_is_kept_where_the_address_is_pinned(tls_server: HTTPServer, certificate):
    """The certificate is checked against the name, and the Host header names it, though the IP is what we call."""
    await send(
        f"https://receiver.test:{tls_server.port}/hook",
        channel={"resolve": at("127.0.0.1"), "tls": certificate.trusting},
    )
    [(request, _)] = tls_server.log
    assert request.headers["Host"] == f"receiver.test:{tls_server.port}"


@pytest.mark.parametrize(("name", "trusted"), [("receiver.test", False), ("other.test", True)])
async def test_a_bad_certificate_sends_nothing(name: str, trusted: bool, tls_server: HTTPServer, certificate):
    """An untrusted certificate, or one for another name: nothing was sent, and the send is retried."""
    channel = {"resolve": at("127.0.0.1"), "tls": certificate.trusting if trusted else None}
    with pytest.raises(TryLater) as fault:
        await send(f"https://{name}:{tls_server.port}/hook", channel=channel)
    assert fault.value.code == "webhook_tls"
    assert tls_server.log == []


async def test_a_receiver_that_never_shakes_hands_is_tried_later(raw_server):
    """Silence before TLS is up: the request never left."""
    async with raw_server(hang) as port:
        with pytest.raises(TryLater) as fault:
            await send(f"https://127.0.0.1:{port}/", channel={"timeout": SHORT})
    assert fault.value.code == "webhook_connect"


async def test_the_second_address_gets_its_turn(httpserver: HTTPServer):
    """If a host's first address accepts no connection, the next one is tried."""
    httpserver.expect_request("/hook").respond_with_data("")
    url = f"http://receiver.test:{httpserver.port}/hook"
    assert await send(url, channel={"resolve": at("127.0.0.9", "127.0.0.1")})


@pytest.mark.parametrize("url", ["http://localhost:{}/hook", "http://127.1:{}/hook", "http://2130706433:{}/hook"])
async def test_private_addresses_are_refused(url: str, httpserver: HTTPServer):
    """By default nothing reaches the internal network, however its address is written."""
    httpserver.expect_request("/hook").respond_with_data("")
    with pytest.raises(Rejected) as refusal:
        await send(url.format(httpserver.port), channel={"networks": ()})
    assert refusal.value.code == "webhook_address_refused"
    assert httpserver.log == []


async def test_one_private_address_is_enough(httpserver: HTTPServer):
    """A name that has a public and a private address is refused as a whole."""
    with pytest.raises(Rejected) as refusal:
        await send("http://receiver.test/", channel={"networks": (), "resolve": at("8.8.8.8", "10.0.0.1")})
    assert refusal.value.code == "webhook_address_refused"


async def test_a_name_is_resolved_once(httpserver: HTTPServer):
    """What was checked is what is called: a name that would answer otherwise the second time is not asked again."""
    httpserver.expect_request("/hook").respond_with_data("")
    answers = [["127.0.0.1"]]

    async def rebind(host: str, port: int) -> Sequence[str]:
        return answers.pop()

    assert await send(f"http://receiver.test:{httpserver.port}/hook", channel={"resolve": rebind})
    assert answers == []


@pytest.mark.parametrize(
    "content",
    [
        {"url": ""},
        {"url": "/hook"},
        {"url": "ftp://receiver.test/"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://[::1/"},
        {"url": "http://receiver.test/\x00"},
        {"headers": {"Host": "inner.test"}},
        {"headers": {"content-length": "1"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"headers": {"X A": "1"}},
        {"headers": {"Ä": "1"}},
        {"body": "\ud800"},
    ],
)
async def test_what_is_no_request_is_rejected(content: dict[str, Any], httpserver: HTTPServer):
    """Urls, headers and bodies that make no request, or would make two, are refused for good; nothing is sent."""
    httpserver.expect_request("/").respond_with_data("")
    with pytest.raises(Rejected) as refusal:
        await send(**{"url": httpserver.url_for("/")} | content)
    assert refusal.value.code == "webhook_invalid"
    assert httpserver.log == []


async def test_sends_do_not_wait_for_each_other(raw_server):
    """A receiver that hangs does not delay other webhooks."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.release()
        await all_here.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    waiting, all_here, count = asyncio.Semaphore(0), asyncio.Event(), 120
    webhook = WebhookChannel(timeout=LONG, networks=EVERYWHERE)
    async with raw_server(answer) as port:
        message = OutgoingMessage("d-1", "welcome", "webhook", Address("u-1"), {"url": f"http://127.0.0.1:{port}/"})
        sends = [asyncio.create_task(webhook.send(message)) for _ in range(count)]
        for _ in range(count):
            await waiting.acquire()
        all_here.set()
        assert await asyncio.gather(*sends) == [Accepted()] * count
    await webhook.close()


async def test_a_cancelled_send_stays_cancelled(raw_server):
    """Cancelling is not a fault of the receiver."""
    async with raw_server(hang) as port:
        sending = asyncio.create_task(send(f"http://127.0.0.1:{port}/"))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
