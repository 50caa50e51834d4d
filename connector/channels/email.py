"""Email over SMTP (RFC 5321): one connection a message, TLS and authentication as set.

How far the conversation came decides what a fault means. Before DATA nothing was sent; from DATA on a lost answer may
be a mail that was sent; a reply of 5xx refuses this message, one of 4xx does so for now. What goes wrong before the
envelope is about the server or the settings, never about the message, so it passes, whatever the reply's class.
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
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, Rejected, SendError, TryLater
from connector.settings.providers import Smtp

_FAREWELL_SECONDS = 1.0
_WANTS_AUTH = frozenset({530, 534, 535, 538})
_REFUSALS: dict[type[aiosmtplib.SMTPResponseException], str] = {
    aiosmtplib.SMTPSenderRefused: "sender_refused",
    aiosmtplib.SMTPRecipientRefused: "recipient_refused",
    aiosmtplib.SMTPDataError: "message_refused",
}


class EmailChannel:
    """The email channel.

    Args:
        settings: the server, how to sign in, the default sender; `timeout_seconds` bounds one send in all.
        tls: what to trust; None: the machine's authorities.
        clock: seconds since 1970, for the Date header.
    """

    def __init__(
        self, settings: Smtp, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._tls = tls or ssl.create_default_context()
        self._clock = clock

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Hand `message.content` (subject, html, text, from) to the server; the provider's id is the Message-ID.

        Raises:
            Rejected: it cannot be written as email, or the server refuses sender, recipient or message with 5xx.
            TryLater: no connection, TLS or sign-in, a reply of 4xx, or no answer before DATA.
            OutcomeUnknown: the answer was lost after DATA.
        """
        at = datetime.fromtimestamp(self._clock(), UTC)
        letter = build_mime_message(message, sender=self._settings.sender, at=at, provider=self._settings.provider)
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        talk = _Conversation(self._settings, self._tls)
        try:
            await talk.hand_over(letter, deadline)
            await talk.part(deadline)
        finally:
            talk.client.close()
        return Accepted(letter.message_id)

    async def close(self) -> None:
        """Nothing to let go of: no connection outlives its message."""


class _Stage(StrEnum):
    """How far a conversation came; the value is the code of what breaks there."""

    CONNECT = "smtp_connect"
    TLS = "smtp_tls"
    AUTH = "smtp_auth"
    ENVELOPE = "smtp_envelope"
    DATA = "smtp_no_answer"


class _Conversation:
    """One letter's way to the server, and how far it came."""

    def __init__(self, settings: Smtp, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._stage = _Stage.CONNECT
        self.client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout_seconds,
            use_tls=settings.tls == "implicit",
            start_tls=False,  # begun by hand, so that its faults are told from those of connecting
            tls_context=tls,
        )

    async def hand_over(self, letter: MimeMessage, deadline: float) -> None:
        """Go through all stages until `deadline` (the loop's time)."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._open()
                await self._deliver(letter)
        except (aiosmtplib.SMTPException, OSError, ValueError) as fault:
            # Without the cause: a server's reply quotes addresses.
            raise _judge(fault, self._stage) from None

    async def part(self, deadline: float) -> None:
        """Say goodbye. The message is accepted: whether the server answers changes nothing."""
        with suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout_at(deadline):
                await self.client.quit(timeout=_FAREWELL_SECONDS)

    async def _open(self) -> None:
        self.client.local_hostname = await asyncio.to_thread(_own_name)
        await self.client.connect()
        if self._settings.tls == "starttls":
            self._stage = _Stage.TLS
            await self.client.starttls()
        if self._settings.username is not None:
            self._stage = _Stage.AUTH
            password = self._settings.password
            await self.client.login(self._settings.username, password.get_secret_value() if password else "")

    async def _deliver(self, letter: MimeMessage) -> None:
        self._stage = _Stage.ENVELOPE
        encoding = "utf-8" if letter.international else "ascii"
        await self.client.mail(letter.sender, options=await self._options(letter), encoding=encoding)
        await self.client.rcpt(letter.recipient, encoding=encoding)
        self._stage = _Stage.DATA
        await self.client.data(letter.data)

    async def _options(self, letter: MimeMessage) -> list[str]:
        if not letter.international:
            return []
        if self.client.is_ehlo_or_helo_needed:
            await self.client.ehlo()
        if not self.client.supports_extension("smtputf8"):
            raise Rejected("address_unsupported", "the server takes no address with letters beyond ASCII")
        return ["SMTPUTF8"]


@functools.cache
def _own_name() -> str:
    """Find this machine's name for EHLO, once: it may ask the network."""
    return socket.getfqdn()


def _judge(fault: Exception, stage: _Stage) -> SendError:
    if isinstance(fault, aiosmtplib.SMTPResponseException) and stage in (_Stage.ENVELOPE, _Stage.DATA):
        if fault.code in _WANTS_AUTH:
            return TryLater(_Stage.AUTH, _reply(fault))
        if 500 <= fault.code < 600 and type(fault) in _REFUSALS:
            return Rejected(_REFUSALS[type(fault)], _reply(fault))
        if 400 <= fault.code < 500:
            return TryLater(f"smtp_{fault.code}", _reply(fault))
    if stage is _Stage.DATA:
        return OutcomeUnknown(stage, type(fault).__name__)
    if isinstance(fault, ssl.SSLError) or isinstance(fault.__cause__, ssl.SSLError):
        return TryLater(_Stage.TLS, type(fault).__name__)
    return TryLater(stage, _reply(fault))


def _reply(fault: Exception) -> str:
    """Tell a reply by its codes (RFC 3463), for its words may name the recipient; other faults by their kind."""
    if not isinstance(fault, aiosmtplib.SMTPResponseException):
        return type(fault).__name__
    enhanced = re.match(r"\d\.\d{1,3}\.\d{1,3}\b", fault.message)
    return f"{fault.code} {enhanced[0]}" if enhanced else str(fault.code)
