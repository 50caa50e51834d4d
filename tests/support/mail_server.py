"""A real SMTP server and the mail that it accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Accepts all mail; `replies` has different replies by command: None hangs, "drop" closes the connection."""

    def __init__(self, **replies: str | None) -> None:
        self.replies = replies
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []

    @property
    def mails(self) -> list[EmailMessage]:
        """The messages, in the order of their arrival."""
        return [message_from_bytes(envelope.content, policy=default) for envelope in self.envelopes]  # type: ignore[arg-type]

    async def _answer(self, command: str, server: SMTP, usual: str) -> str:
        reply = self.replies.get(command, usual)
        if reply is None or reply == "drop":
            if reply == "drop":
                server.transport.abort()
            await asyncio.Event().wait()
        return reply

    async def handle_EHLO(
        self, server: SMTP, session: Session, _: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        reply = await self._answer("ehlo", server, "")
        return [reply] if reply else responses

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]) -> str:
        envelope.mail_from = address
        return await self._answer("mail", server, "250 OK")

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]) -> str:
        envelope.rcpt_tos.append(address)
        return await self._answer("rcpt", server, "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return await self._answer("data", server, "250 OK")

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return await self._answer("quit", server, "221 Bye")


@asynccontextmanager
async def serve_mail(mailbox: Mailbox, *, implicit: SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """Run an SMTP server on 127.0.0.1 until the block ends, and yield its port."""
    loop = asyncio.get_running_loop()
    options = {"auth_require_tls": False, "enable_SMTPUTF8": True} | options
    make = lambda: SMTP(mailbox, loop=loop, hostname="mx.test", **options)  # noqa: E731
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=implicit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
