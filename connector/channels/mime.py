"""Write an email in its wire form (RFC 5322) so that no rendered text can add a header or a recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote

from connector.channels.mail_addresses import Mailbox, read_mailbox, read_recipient
from connector.channels.mime_body import write_body
from connector.channels.mime_headers import check_line, header_line, mailbox_line
from connector.channels.protocol import OutgoingMessage, Rejected
from connector.channels.provider_headers import extra_headers
from connector.rules.model.messages import MAX_SUBJECT_OCTETS
from connector.settings.providers import SmtpProvider

_HEADER_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
"""Without spaces and angle brackets, and within one header line."""
_DOT_ATOM = re.compile(r"[^.]+(?:\.[^.]+)*")


@dataclass(frozen=True)
class MimeMessage:
    """An email ready to send.

    Args:
        sender: bare address of the envelope.
        recipient: bare address of the envelope.
        message_id: the Message-ID, with its angle brackets.
        data: headers and body.
        international: an address needs SMTPUTF8 (RFC 6531). Domains alone never do: they are written in ASCII.
    """

    sender: str
    recipient: str
    message_id: str
    data: bytes
    international: bool


def build_mime_message(
    message: OutgoingMessage, *, sender: str | None, at: datetime, provider: SmtpProvider | None = None
) -> MimeMessage:
    """Return the email of `message`. Its Message-ID, delivery id and sender's domain, is the same in every attempt.

    Args:
        sender: used if the content has no `from`.
        at: the date, aware.
        provider: the SMTP provider, which gets the delivery id in its own header.

    Raises:
        Rejected: an address is missing or invalid, a header would hold a line break, or there is no body.
    """
    try:
        return _write(message, sender, at, provider)
    except (ValueError, LookupError):
        # Without the cause: it may quote an address.
        raise Rejected("email_invalid", "an address or a text cannot be written as email") from None


def _write(
    message: OutgoingMessage, default_sender: str | None, at: datetime, provider: SmtpProvider | None
) -> MimeMessage:
    content = message.content
    sender, recipient = _sender(content.get("from") or default_sender), read_recipient(message.address.email)
    reply_to = read_mailbox(content["reply_to"], "reply_to") if (content.get("reply_to") or "").strip() else None
    mailboxes = {"From": sender, "To": recipient} | ({"Reply-To": reply_to} if reply_to else {})
    international = any(mailbox.is_international for mailbox in mailboxes.values())
    message_id = _message_id(message.delivery_id, sender)
    headers = (
        extra_headers(content.get("headers") or {}, provider, message.delivery_id),
        _unsubscribe_headers(message.unsubscribe),
        *(
            mailbox_line(name, mailbox.name, mailbox.address, international=international)
            for name, mailbox in mailboxes.items()
        ),
        header_line("Subject", _subject(content["subject"]), international=international),
        f"Date: {format_datetime(at)}\r\nMessage-ID: {message_id}\r\n".encode("ascii"),
    )
    data = b"".join(headers) + write_body(content)
    return MimeMessage(sender.address, recipient.address, message_id, data, international)


def _message_id(delivery_id: str, sender: Mailbox) -> str:
    """Return the id in its angle brackets: a dot-atom on its left (RFC 5322, 3.6.4), so that no parser refuses it."""
    left = quote(delivery_id, safe="")
    return f"<{left if _DOT_ATOM.fullmatch(left) else left.replace('.', '%2E')}@{sender.domain}>"


def _subject(text: str) -> str:
    trimmed = text.strip()
    if len(trimmed.encode()) > MAX_SUBJECT_OCTETS:
        raise Rejected("subject_too_long", f"the subject is longer than {MAX_SUBJECT_OCTETS} octets")
    return check_line(trimmed, "subject")


def _sender(text: str | None) -> Mailbox:
    if not text:
        raise Rejected("no_sender", "neither the message's `from` nor CONNECTOR_SMTP_SENDER names one")
    return read_mailbox(text, "from")


def _unsubscribe_headers(address: str | None) -> bytes:
    """Return the header lines of unsubscribing: with one click (RFC 8058) only over https, as section 3.1 requires."""
    if address is None:
        return b""
    if not _HEADER_URL.fullmatch(address):
        raise Rejected("email_invalid", "the address to unsubscribe at cannot be written in a header")
    one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if address.startswith("https://") else ""
    return f"List-Unsubscribe: <{address}>\r\n{one_click}".encode("ascii")
