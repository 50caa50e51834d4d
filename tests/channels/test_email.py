"""Email against real SMTP servers: delivered, refused, silent, slow."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from ssl import SSLContext
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from connector.channels.email import EmailChannel
from connector.channels.protocol import (
    Accepted,
    Address,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.settings.providers import Smtp
from tests.support.mail_server import Mailbox, serve_mail

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

SHORT, LONG = 0.4, 10.0
"""Seconds: for servers that hang, and for those that answer, however busy the machine is."""
SETTINGS = Smtp(host="localhost", tls="none", sender="Shop <news@shop.test>", timeout=timedelta(seconds=LONG))


def outgoing(to: str = "ann@example.com") -> OutgoingMessage:
    content = {"subject": "Grüße", "text": "Hello\n.\nthere", "html": "<p>Hello</p>"}
    return OutgoingMessage("d-1", "welcome", "email", Address("u-1", to), content)


async def send(
    port: int, message: OutgoingMessage | None = None, *, trusting: SSLContext | None = None, **settings: Any
) -> Accepted:
    """Send through a channel of its own, its settings changed so."""
    changed = Smtp(**SETTINGS.model_dump() | {"port": port} | settings)
    return await EmailChannel(changed, tls=trusting).send(message or outgoing())


def sign_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Let `shop` in with `s3cret-long`."""
    good = (data.login, data.password) == (b"shop", b"s3cret-long")
    return AuthResult(success=good, handled=False)


AUTH = {"authenticator": sign_in, "auth_required": True}


async def test_a_message_arrives():
    """The server gets one mail, from the sender to the user, with both alternatives, as written."""
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        handed = await send(port)
    assert handed == Accepted("<d-1@shop.test>")
    [envelope] = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("news@shop.test", ["ann@example.com"])
    mail = message_from_bytes(envelope.content, policy=default)
    assert (mail["Subject"], mail["Message-ID"]) == ("Grüße", "<d-1@shop.test>")
    assert mail.get_body(("plain",)).get_content().split() == ["Hello", ".", "there"]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hello</p>"


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_tls_and_authentication(mode: str, certificate):
    """With either kind of TLS the line is encrypted before the password goes over it."""
    mailbox = Mailbox()
    tls = {"implicit": certificate.serving} if mode == "implicit" else {"tls_context": certificate.serving}
    strict = {"auth_require_tls": mode == "starttls"}
    async with serve_mail(mailbox, **tls, **AUTH, **strict) as port:
        await send(port, trusting=certificate.trusting, tls=mode, username="shop", password="s3cret-long")
    assert mailbox.sessions[0].authenticated
    assert mode == "implicit" or mailbox.sessions[0].ssl is not None


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_an_untrusted_certificate_sends_nothing(mode: str, certificate):
    """An untrusted certificate is a fault of the settings: nothing is sent, and the send is retried."""
    mailbox = Mailbox()
    tls = {"implicit": certificate.serving} if mode == "implicit" else {"tls_context": certificate.serving}
    async with serve_mail(mailbox, **tls) as port:
        with pytest.raises(TryLater) as fault:
            await send(port, tls=mode)
    assert fault.value.code == "smtp_tls"
    assert mailbox.envelopes == []


async def test_a_server_without_starttls_sends_nothing():
    """If TLS is required and not offered, the mail is not sent: never in clear by default."""
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        with pytest.raises(TryLater) as fault:
            await send(port, tls="starttls")
    assert (fault.value.code, mailbox.envelopes) == ("smtp_tls", [])


@pytest.mark.parametrize("credentials", [{}, {"username": "shop", "password": "wrong-one"}])
async def test_a_refused_sign_in_is_tried_later(credentials: dict[str, str]):
    """Wrong or missing credentials are a fault of the settings: nothing was sent, and the send is retried."""
    mailbox = Mailbox()
    async with serve_mail(mailbox, **AUTH) as port:
        with pytest.raises(TryLater) as fault:
            await send(port, **credentials)
    assert (fault.value.code, mailbox.envelopes) == ("smtp_auth", [])


@pytest.mark.parametrize(
    ("replies", "kind", "code"),
    [
        ({"mail": "550 5.7.1 Not from you"}, TryLater, "sender_refused"),
        ({"rcpt": "550 5.1.1 <ann@example.com> unknown"}, Rejected, "recipient_refused"),
        ({"data": "554 5.7.1 Spam"}, Rejected, "message_refused"),
        ({"mail": "451 Busy"}, TryLater, "smtp_451"),
        ({"rcpt": "450 4.2.0 <ann@example.com> greylisted"}, TryLater, "smtp_450"),
        ({"data": "452 4.3.1 Full"}, TryLater, "smtp_452"),
        ({"rcpt": "421 Closing"}, TryLater, "smtp_421"),
        ({"mail": "drop"}, TryLater, "smtp_envelope"),
        ({"rcpt": "drop"}, TryLater, "smtp_envelope"),
        ({"data": "drop"}, OutcomeUnknown, "smtp_no_answer"),
        ({"ehlo": None}, TryLater, "smtp_envelope"),
        ({"rcpt": None}, TryLater, "smtp_envelope"),
        ({"data": None}, OutcomeUnknown, "smtp_no_answer"),
    ],
)
async def test_faults(replies: dict[str, str | None], kind: type[SendError], code: str):
    """5xx refuses for good, 4xx for now; a loss before DATA sent nothing, one after it may have (guarantee 4)."""
    async with serve_mail(Mailbox(**replies)) as port:
        with pytest.raises(SendError) as fault:
            await send(port, timeout=timedelta(seconds=SHORT if None in replies.values() else LONG))
    assert (type(fault.value), fault.value.code) == (kind, code)
    assert "ann" not in str(fault.value)
    assert fault.value.__cause__ is None


@pytest.mark.parametrize("reply", ["drop", None, "500 What"])
async def test_an_accepted_message_stays_accepted(reply: str | None):
    """Once the server took the mail, a goodbye that goes wrong changes nothing."""
    mailbox = Mailbox(quit=reply)
    async with serve_mail(mailbox) as port:
        assert await send(port, timeout=timedelta(seconds=SHORT if reply is None else LONG))
    assert len(mailbox.envelopes) == 1


@pytest.mark.parametrize("mode", ["none", "implicit"])
async def test_a_silent_server_is_tried_later(mode: str, raw_server):
    """A server that accepts the connection and stays silent costs no more than the timeout; nothing was sent."""

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_server(say_nothing) as port, asyncio.timeout(LONG):
        with pytest.raises(TryLater) as fault:
            await send(port, tls=mode, timeout=timedelta(seconds=SHORT))
    assert fault.value.code == "smtp_connect"


async def test_a_slow_server_is_bounded_in_all(raw_server):
    """Answers that each come just in time still end at the timeout of the whole; the sleep is the slow server."""

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.test\r\n")
        while await reader.readline():
            await asyncio.sleep(SHORT * 0.75)
            writer.write(b"250 fine\r\n")

    async with raw_server(dawdle) as port:
        with pytest.raises(TryLater) as fault:
            await send(port, timeout=timedelta(seconds=SHORT))
    assert (fault.value.code, str(fault.value)) == ("smtp_envelope", "smtp_envelope: TimeoutError")


async def test_a_server_that_serves_nobody_is_tried_later(raw_server):
    """A greeting of 554 concerns the server, not this message: the message is not rejected."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.3.2 No service here\r\n")
        await reader.read()

    async with raw_server(refuse) as port:
        with pytest.raises(TryLater) as fault:
            await send(port)
    assert str(fault.value) == "smtp_connect: 554 5.3.2"


async def test_no_server_is_tried_later(free_port: int):
    """Nothing listens: nothing was sent."""
    with pytest.raises(TryLater) as fault:
        await send(free_port)
    assert fault.value.code == "smtp_connect"


async def test_an_international_name_needs_the_servers_word():
    """A name beyond ASCII is sent by SMTPUTF8 (RFC 6531) if the server supports it, and rejected otherwise."""
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        await send(port, outgoing("änn@bücher.example"))
    assert mailbox.envelopes[0].rcpt_tos == ["änn@xn--bcher-kva.example"]
    async with serve_mail(mailbox, enable_SMTPUTF8=False) as port:
        with pytest.raises(Rejected) as refusal:
            await send(port, outgoing("änn@bücher.example"))
    assert refusal.value.code == "address_unsupported"


async def test_sends_do_not_wait_for_each_other():
    """Many messages at once go over connections of their own and all arrive."""
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        channel = EmailChannel(SETTINGS.model_copy(update={"port": port}))
        await asyncio.gather(*(channel.send(outgoing()) for _ in range(20)))
    assert len(mailbox.envelopes) == 20


async def test_a_hidden_recipient_never_reaches_the_server():
    """A line break in an address or a subject is refused before any connection."""
    with pytest.raises(Rejected) as refusal:
        await send(1, outgoing("ann@example.com\r\nRCPT TO:<evil@x.test>"))
    assert refusal.value.code == "email_invalid"
