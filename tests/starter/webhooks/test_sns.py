"""Amazon SNS: which certificates are trusted, where they are fetched, and how a subscription is confirmed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, TryAgainLater
from starter.webhooks.ses import Ses
from starter.webhooks.sns_fetch import MAX_RESPONSE_BYTES, SnsFetch, is_certificate_url, is_confirmation_url
from tests.support.webhook_senders import (
    AT,
    CERTIFICATE_URL,
    CONFIRM_URL,
    TOPIC,
    SesSender,
    encoded,
    make_certificate,
    samples,
    sns_signature,
    with_headers,
)

EVENT = samples("ses")["Click"]
HOST = "https://sns.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def sender() -> SesSender:
    return SesSender()


def _topic_at(url: str) -> str:
    """A topic in the region of the URL."""
    return TOPIC.replace("us-east-1", url.removeprefix("https://sns.").partition(".amazonaws.com")[0])


@pytest.mark.parametrize(
    ("url", "right"),
    [
        (CERTIFICATE_URL, True),
        ("https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem", True),
        ("https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem", True),
        ("http://sns.us-east-1.amazonaws.com/a.pem", False),
        ("HTTPS://sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com.evil.example/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.evil/a.pem", False),
        ("https://snsXus-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1Xamazonaws.com/a.pem", False),
        ("https://sns.evil.example/?.amazonaws.com/a.pem", False),
        ("https://sns.a.b.amazonaws.com/a.pem", False),
        ("https://sns..amazonaws.com/a.pem", False),
        ("https://sns.amazonaws.com/a.pem", False),
        ("https://bucket.s3.amazonaws.com/a.pem", False),
        ("https://sns.s3-us-west-2.amazonaws.com/a.pem", False),
        ("https://sns.s3-website-us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.s3-accelerate.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com.cn/a.pem", False),
        ("https://sns.cn-north-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com@evil.example/a.pem", False),
        ("https://evil@sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com:443/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com:8443/a.pem", False),
        ("https://evil.example/sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://evil.example#sns.us-east-1.amazonaws.com/a.pem", False),
        (r"https://evil.example\sns.us-east-1.amazonaws.com/a.pem", False),
        (HOST + "/a.pem?x=y", False),
        (HOST + "/a.pem#x", False),
        (HOST + "/a.pem\n", False),
        (HOST + "/a.pem ", False),
        (HOST + "/../a.pem", False),
        (HOST + "/b/a.pem", False),
        (HOST + "/a.pem.exe", False),
        (HOST + "/?Action=Publish&x=.pem", False),
        (HOST + "/%2e%2e.pem", False),
        (HOST + "/" + "a" * 201 + ".pem", False),
        ("https://sns.us-eаst-1.amazonaws.com/a.pem", False),
        ("", False),
    ],
)
def test_where_certificates_are(url: str, right: bool) -> None:
    """By https, at sns.REGION.amazonaws.com of a topic of that region, one file: nothing that looks like it."""
    assert is_certificate_url(url, _topic_at(url)) is right
    assert not is_certificate_url(url, TOPIC.replace("us-east-1", "us-west-2"))
    assert not is_certificate_url(url, "arn")


@pytest.mark.parametrize(
    ("url", "right"),
    [
        (CONFIRM_URL, True),
        ("https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&TopicArn=arn:aws-cn:sns:x&Token=1", True),
        (CONFIRM_URL.replace("https", "http"), False),
        (CONFIRM_URL.replace("ConfirmSubscription", "DeleteTopic"), False),
        (CONFIRM_URL.replace("amazonaws.com", "amazonaws.com.evil.example"), False),
        (CONFIRM_URL.replace("amazonaws.com/", "amazonaws.com:80/"), False),
        (CONFIRM_URL.replace("sns.us-east-1", "sns.s3-us-west-2"), False),
        (CONFIRM_URL.replace("sns.us-east-1", "sns.s3-accelerate"), False),
        (CONFIRM_URL.replace("//", "//user:password@"), False),
        (CONFIRM_URL + "#x", False),
        (CONFIRM_URL + "\r\nHost: evil.example", False),
        ("https://sns.us-east-1.amazonaws.com/", False),
    ],
)
def test_where_subscriptions_are_confirmed(url: str, right: bool) -> None:
    """The same hosts, and that one action."""
    assert is_confirmation_url(url, _topic_at(url)) is right
    assert not is_confirmation_url(url, TOPIC.replace("us-east-1", "us-west-2"))


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_the_signature(sender: SesSender, version: str) -> None:
    """SHA-1 and SHA-256 over the same fields; with a subject and without."""
    signed = replace(sender, version=version)
    await signed.provider().verify(signed.call(EVENT))
    message = signed.message(EVENT)
    del message["Subject"]
    message["Signature"] = sns_signature(message, sender.key)
    await signed.provider().verify(replace(signed.call(EVENT), body=encoded(message)))


async def test_the_certificate_is_fetched_once(sender: SesSender) -> None:
    """One fetch for any number of calls, also at once."""
    sender.fetched.clear()
    provider = sender.provider()
    await asyncio.gather(*(provider.verify(sender.call(EVENT)) for _ in range(20)))
    await provider.verify(sender.call(EVENT))
    assert sender.fetched == [CERTIFICATE_URL]


async def test_invented_certificates_leave_room_for_other_calls(sender: SesSender) -> None:
    """While one fetch is slow, a bounded number of calls waits for the next; the others are refused at once."""
    answered = asyncio.Event()

    async def fetch(url: str) -> bytes:
        await answered.wait()
        raise TryAgainLater("it was invented")

    provider = Ses([TOPIC], fetch=fetch)
    invented = [sender.call(EVENT, SigningCertURL=f"{HOST}/{number}.pem") for number in range(100)]
    calls = [asyncio.create_task(provider.verify(call)) for call in invented]
    _, waiting = await asyncio.wait(calls, timeout=0.5)
    assert len(waiting) == 33, "one fetches, 32 wait"
    answered.set()
    assert all(isinstance(fault, TryAgainLater) for fault in await asyncio.gather(*calls, return_exceptions=True))


async def test_nothing_is_fetched_for_strangers(sender: SesSender) -> None:
    """A topic that is not ours, an old message, another host, no signature: all refused before any fetch."""
    sender.fetched.clear()
    provider = sender.provider()
    evil = "https://sns.us-east-1.amazonaws.com.evil.example/a.pem"
    bucket = "https://sns.s3-us-west-2.amazonaws.com/a.pem"
    for call in (
        sender.call(EVENT, TopicArn=TOPIC.replace("123456789012", "999999999999")),
        sender.call(EVENT, SigningCertURL=evil),
        sender.call(EVENT, SigningCertURL=bucket),
        sender.call(EVENT, SigningCertURL=CERTIFICATE_URL.replace("us-east-1", "us-west-2")),
        sender.call(EVENT, SignatureVersion="1", Signature="!"),
        replace(sender.call(EVENT), at=AT + timedelta(days=2)),
    ):
        with pytest.raises(SignatureInvalid):
            await provider.verify(call)
    assert sender.fetched == []


async def test_raw_delivery_is_refused_with_its_way_out(sender: SesSender) -> None:
    """SNS sends SES's event alone, unsigned, where raw message delivery is on."""
    call = sender.call(EVENT)
    for raw in (
        with_headers(call, x_amz_sns_rawdelivery="true"),
        replace(call, body=encoded(EVENT)),
    ):
        with pytest.raises(SignatureInvalid, match="turn SNS's raw message delivery off"):
            await sender.provider().verify(raw)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (AT + timedelta(seconds=1), AT + timedelta(days=1)),
        (AT - timedelta(days=9), AT - timedelta(seconds=1)),
    ],
    ids=["not yet", "no longer"],
)
async def test_a_certificate_out_of_its_time(sender: SesSender, since: Any, until: Any) -> None:
    """Valid at the time of the call, not at ours."""
    late = replace(sender, certificates={})
    late.certificates[CERTIFICATE_URL] = make_certificate(sender.key, since=since, until=until)
    with pytest.raises(SignatureInvalid, match="not valid at this time"):
        await late.provider().verify(late.call(EVENT))


async def test_another_certificate_proves_nothing(sender: SesSender) -> None:
    """A forged one, one with another kind of key, and something that is none."""
    forger = rsa.generate_private_key(65537, 2048)
    other = replace(sender)
    other.certificates = {CERTIFICATE_URL: make_certificate(forger)}
    with pytest.raises(SignatureInvalid, match="not Amazon SNS's"):
        await other.provider().verify(other.call(EVENT))
    other.certificates = {CERTIFICATE_URL: make_certificate(ec.generate_private_key(ec.SECP256R1()))}
    with pytest.raises(SignatureInvalid, match="no RSA key"):
        await other.provider().verify(other.call(EVENT))
    for body in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 100):
        other.certificates = {CERTIFICATE_URL: body}
        with pytest.raises(TryAgainLater):
            await other.provider().verify(other.call(EVENT))


async def test_a_certificate_out_of_reach_is_asked_for_again(sender: SesSender) -> None:
    """SNS retries after 503: nothing is refused permanently, and nothing wrong is cached."""
    away = replace(sender)
    away.certificates = {}
    provider = Ses([TOPIC], fetch=away.fetch)
    with pytest.raises(TryAgainLater):
        await provider.verify(away.call(EVENT))
    away.certificates = {CERTIFICATE_URL: make_certificate(sender.key)}
    await provider.verify(away.call(EVENT))


async def test_a_subscription_is_confirmed_once(sender: SesSender) -> None:
    """A verified confirmation is visited once; it reports no message."""
    subscriber = replace(sender, fetched=[])
    subscriber.certificates[CONFIRM_URL] = b"<ConfirmSubscriptionResponse/>"
    provider, call = subscriber.provider(), subscriber.confirmation()
    for _ in range(3):
        await provider.verify(call)
        assert await provider.parse(call) == []
    assert subscriber.fetched == [CERTIFICATE_URL, CONFIRM_URL]


async def test_a_confirmation_that_fails_comes_again(sender: SesSender) -> None:
    """A confirmation that could not be visited counts as open."""
    subscriber = replace(sender, fetched=[], certificates={CERTIFICATE_URL: sender.certificates[CERTIFICATE_URL]})
    provider, call = subscriber.provider(), subscriber.confirmation()
    for _ in range(2):
        with pytest.raises(TryAgainLater):
            await provider.parse(call)
    assert subscriber.fetched == [CONFIRM_URL] * 2


async def test_a_confirmation_elsewhere_is_not_visited(sender: SesSender) -> None:
    """Signed or not, only Amazon SNS is visited; and one of another topic is not even verified."""
    sender.fetched.clear()
    call = sender.confirmation(
        SubscribeURL="https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription&x=1"
    )
    with pytest.raises(BodyInvalid, match="SubscribeURL"):
        await sender.provider().parse(call)
    with pytest.raises(SignatureInvalid, match="CONNECTOR_SES_TOPICS"):
        await sender.provider().verify(sender.confirmation(TopicArn=TOPIC + "2"))
    with pytest.raises(SignatureInvalid):
        await sender.provider().verify(sender.confirmation(Signature=sender.message(EVENT)["Signature"]))
    assert CONFIRM_URL not in sender.fetched


async def test_the_end_of_a_subscription_is_noted(sender: SesSender) -> None:
    """It holds a SubscribeURL too, which would bring it back: not visited."""
    sender.fetched.clear()
    call = sender.confirmation(Type="UnsubscribeConfirmation")
    provider = sender.provider()
    await provider.verify(call)
    assert await provider.parse(call) == []
    assert sender.fetched == [CERTIFICATE_URL]


# The fetcher itself, against a real server with a certificate for SNS's name that only the tests trust.

Answer = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


class Redirected(httpx.AsyncBaseTransport):
    """Connects to a local port instead of SNS's address; TLS still asks for SNS's name."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port, self._wire = port, httpx.AsyncHTTPTransport(verify=tls)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        request.extensions = {**request.extensions, "sni_hostname": name}
        return await self._wire.handle_async_request(request)

    async def aclose(self) -> None:
        await self._wire.aclose()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's side of a certificate for sns.us-east-1.amazonaws.com, good today."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    today = datetime.now(UTC)  # noqa: TID251 - the time of TLS
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sns.us-east-1.amazonaws.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return serving, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@asynccontextmanager
async def serve(answer: Answer, serving: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    """An HTTPS server; gives its port, and the request lines that it saw."""
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head.split("\r\n")[0])
        try:
            await answer(writer, head)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=serving)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def answering(status: str, body: bytes = b"", *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter, head: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return answer


async def endless(writer: asyncio.StreamWriter, head: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x" * 64 * 1024)
        await writer.drain()


async def silent(writer: asyncio.StreamWriter, head: str) -> None:
    await asyncio.Event().wait()


async def test_a_certificate_over_the_wire(sender: SesSender, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A whole handshake: the certificate comes by https from a real server, the confirmation goes there."""
    async with serve(answering("200 OK", sender.certificates[CERTIFICATE_URL]), tls[0]) as (port, seen):
        provider = Ses([TOPIC], fetch=SnsFetch(open_transport=lambda: Redirected(port, tls[1])))
        call = sender.confirmation()
        await provider.verify(call)
        assert await provider.parse(call) == []
        await provider.verify(sender.call(EVENT))
    assert [line.split()[:2] for line in seen] == [
        ["GET", CERTIFICATE_URL.removeprefix(HOST)],
        ["GET", CONFIRM_URL.removeprefix(HOST)],
    ]


@pytest.mark.parametrize(
    "answer",
    [
        answering("404 Not Found"),
        answering("302 Found", b"", "Location: https://evil.example/"),
        answering("301 Moved Permanently", b"", f"Location: {CERTIFICATE_URL}"),
        answering("500 Oops"),
        answering("200 OK", b"x" * (MAX_RESPONSE_BYTES + 1)),
        endless,
        silent,
    ],
    ids=["404", "302", "301", "500", "too long", "endless", "silent"],
)
async def test_other_answers_are_none(answer: Answer, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """No redirect is followed, no long body read, no silence waited out; the message shows no token."""
    async with serve(answer, tls[0]) as (port, seen):
        fetch = SnsFetch(timeout_seconds=0.5, open_transport=lambda: Redirected(port, tls[1]))
        with pytest.raises(TryAgainLater) as error:
            await fetch(CONFIRM_URL)
        assert "Token" not in str(error.value)
        assert len(seen) == 1


async def test_a_server_with_another_name_is_not_believed(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """TLS is checked for the host that was asked for, by authorities that are trusted."""
    async with serve(answering("200 OK", b"x"), tls[0]) as (port, seen):
        for url, trusting in (
            ("https://sns.eu-west-1.amazonaws.com/a.pem", tls[1]),
            (CERTIFICATE_URL, ssl.create_default_context()),
        ):
            with pytest.raises(TryAgainLater):
                await SnsFetch(open_transport=lambda trusting=trusting: Redirected(port, trusting))(url)
        assert seen == []


async def test_nobody_there(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """No connection is a temporary failure."""
    async with serve(silent, tls[0]) as (port, _):
        pass
    with pytest.raises(TryAgainLater):
        await SnsFetch(open_transport=lambda: Redirected(port, tls[1]))(CERTIFICATE_URL)
