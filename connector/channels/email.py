"""Send email over SMTP (RFC 5321): one connection per message, TLS and authentication by the settings.

The stage that the session reached decides the meaning of a failure. Before DATA nothing was sent; from DATA on, a lost
reply may belong to a mail that was sent; a 5xx reply refuses this message, a 4xx reply refuses it for now. A failure
before the envelope concerns the server or the settings, never the message, so it is transient whatever the reply; so is
a 5xx reply that refuses the sender, the credentials, or a quota of the account (W6).
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum

import aiosmtplib

from connector.channels.mime import MimeMessage, build_mime_message
from connector.channels.protocol import (
    LARGE_CHARACTERS,
    Accepted,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.rules.model.addresses import AddressMeaning
from connector.rules.provider_events.refusals import meaning_of_smtp
from connector.settings.providers import Smtp
from connector.templating.threads import run_in_thread

_QUIT_TIMEOUT_SECONDS = 1.0
_AUTH_REQUIRED = frozenset({530, 534, 535, 538})
_OF_THE_ACCOUNT = re.compile(r"5\.(?:3\.[12]|4\.5|7\.(?:8|9|11|14))\b")
"""Enhanced codes of the server, a quota or the credentials (RFC 3463 and 4954): X.3.1 full, X.3.2 closed, X.4.5 a
quota, X.7.8 wrong credentials, X.7.9 and X.7.11 a stronger sign-in or TLS needed, X.7.14 no trust."""
_SIZE = 552
_REFUSALS: dict[type[aiosmtplib.SMTPResponseException], str] = {
    aiosmtplib.SMTPSenderRefused: "sender_refused",
    aiosmtplib.SMTPRecipientRefused: "recipient_refused",
    aiosmtplib.SMTPDataError: "message_refused",
}


class EmailChannel:
    """The email channel.

    Args:
        settings: server, credentials and default sender; `timeout` bounds one send.
        tls: trusted authorities; None: the machine's.
        clock: seconds since 1970, for the Date header.
    """

    def __init__(
        self, settings: Smtp, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._tls = tls or ssl.create_default_context()
        self._clock = clock

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Send `message.content` as email; the provider's id is the Message-ID.

        Raises:
            Rejected: it cannot be written as email, or the server refuses recipient or message with 5xx.
            TryLater: no connection, TLS or authentication, a refused sender or used-up quota, a 4xx reply, or no reply
                before DATA.
            OutcomeUnknown: the reply was lost after DATA.
        """
        at = datetime.fromtimestamp(self._clock(), UTC)
        build = functools.partial(
            build_mime_message, message, sender=self._settings.sender, at=at, provider=self._settings.provider
        )
        mime = await run_in_thread(build) if message.longest_text > LARGE_CHARACTERS else build()
        deadline = asyncio.get_running_loop().time() + self._settings.timeout.total_seconds()
        session = _SmtpSession(self._settings, self._tls)
        try:
            await session.deliver(mime, deadline)
            await session.quit(deadline)
        finally:
            session.client.close()
        return Accepted(mime.message_id)

    async def close(self) -> None:
        """Do nothing: no connection outlives its message."""


class _Stage(StrEnum):
    """The stages of a session; the value is the error code of a failure in that stage."""

    CONNECT = "smtp_connect"
    TLS = "smtp_tls"
    AUTH = "smtp_auth"
    ENVELOPE = "smtp_envelope"
    DATA = "smtp_no_answer"


class _SmtpSession:
    """The SMTP session of one message, and the stage that it reached."""

    def __init__(self, settings: Smtp, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._stage = _Stage.CONNECT
        self.client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.tls == "implicit",
            start_tls=False,  # started explicitly, to distinguish its failures from those of connecting
            tls_context=tls,
        )

    async def deliver(self, mime: MimeMessage, deadline: float) -> None:
        """Go through all stages until `deadline` (the event loop's time). Raises SendError."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._open()
                await self._transmit(mime)
        except (aiosmtplib.SMTPException, OSError, ValueError) as fault:
            # Without the cause: a server's reply quotes addresses.
            raise _classify(fault, self._stage) from None

    async def quit(self, deadline: float) -> None:
        """End the session. The message is accepted, so a missing reply changes nothing."""
        with suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout_at(deadline):
                await self.client.quit(timeout=_QUIT_TIMEOUT_SECONDS)

    async def _open(self) -> None:
        self.client.local_hostname = await asyncio.to_thread(_local_host_name)
        await self.client.connect()
        if self._settings.tls == "starttls":
            self._stage = _Stage.TLS
            await self.client.starttls()
        if self._settings.username is not None:
            self._stage = _Stage.AUTH
            password = self._settings.password
            await self.client.login(self._settings.username, password.get_secret_value() if password else "")

    async def _transmit(self, mime: MimeMessage) -> None:
        self._stage = _Stage.ENVELOPE
        encoding = "utf-8" if mime.international else "ascii"
        await self.client.mail(mime.sender, options=await self._mail_options(mime), encoding=encoding)
        await self.client.rcpt(mime.recipient, encoding=encoding)
        self._stage = _Stage.DATA
        await self.client.data(mime.data)

    async def _mail_options(self, mime: MimeMessage) -> list[str]:
        if not mime.international:
            return []
        if self.client.is_ehlo_or_helo_needed:
            await self.client.ehlo()
        if not self.client.supports_extension("smtputf8"):
            raise Rejected("address_unsupported", "the server does not accept addresses with characters beyond ASCII")
        return ["SMTPUTF8"]


@functools.cache
def _local_host_name() -> str:
    """Return this machine's name for EHLO; cached, since the lookup may use the network."""
    return socket.getfqdn()


def _classify(fault: Exception, stage: _Stage) -> SendError:
    if isinstance(fault, aiosmtplib.SMTPResponseException) and stage in (_Stage.ENVELOPE, _Stage.DATA):
        if fault.code in _AUTH_REQUIRED:
            return TryLater(_Stage.AUTH, _describe_reply(fault))
        if _is_about_the_account(fault):
            is_sender = isinstance(fault, aiosmtplib.SMTPSenderRefused) and fault.code >= 500
            return TryLater("sender_refused" if is_sender else f"smtp_{fault.code}", _describe_reply(fault))
        if 500 <= fault.code < 600 and type(fault) in _REFUSALS:
            is_of_recipient = not isinstance(fault, aiosmtplib.SMTPSenderRefused)
            meaning = meaning_of_smtp(fault.code, fault.message) if is_of_recipient else AddressMeaning.NOTHING
            return Rejected(_REFUSALS[type(fault)], _describe_reply(fault), meaning=meaning)
        if 400 <= fault.code < 500:
            return TryLater(f"smtp_{fault.code}", _describe_reply(fault))
    if stage is _Stage.DATA:
        return OutcomeUnknown(stage, type(fault).__name__)
    if isinstance(fault, ssl.SSLError) or isinstance(fault.__cause__, ssl.SSLError):
        return TryLater(_Stage.TLS, type(fault).__name__)
    return TryLater(stage, _describe_reply(fault))


def _is_about_the_account(fault: aiosmtplib.SMTPResponseException) -> bool:
    """Return whether a reply to the envelope or the data refuses the account or its sender, not the message (W6)."""
    if fault.code >= 500 and _OF_THE_ACCOUNT.match(fault.message):
        return True
    return isinstance(fault, aiosmtplib.SMTPSenderRefused) and fault.code >= 500 and fault.code != _SIZE


def _describe_reply(fault: Exception) -> str:
    """Return a reply's codes only (RFC 3463), since its text may name the recipient; other errors by their class."""
    if not isinstance(fault, aiosmtplib.SMTPResponseException):
        return type(fault).__name__
    enhanced = re.match(r"\d\.\d{1,3}\.\d{1,3}\b", fault.message)
    return f"{fault.code} {enhanced[0]}" if enhanced else str(fault.code)
