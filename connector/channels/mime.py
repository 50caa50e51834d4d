"""Write an email in its wire form (RFC 5322) so that no rendered text can add a header or a recipient.

The delivery id goes into the header that the SMTP provider returns in its webhooks: SendGrid's X-SMTPAPI and Mailgun's
X-Mailgun-Variables hold JSON, Postmark's X-PM-Metadata-* and SES's X-SES-MESSAGE-TAGS a bare value, SES's of emails,
digits, dashes and underscores only. Resend accepts no tags over SMTP but an idempotency key; its events are matched by
the Message-ID or the recipient.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from connector.channels.mime_headers import MAX_HEADER_OCTETS, header_line, mailbox_line
from connector.channels.protocol import OutgoingMessage, Rejected
from connector.rules.model.addresses import domain_to_ascii
from connector.rules.model.messages import MAX_SUBJECT_OCTETS
from connector.rules.provider_events.events import DELIVERY, to_tag
from connector.settings.providers import SmtpProvider

# Bodies are encoded to 7 bits, which every server accepts.
_ASCII_POLICY = SMTP.clone(cte_type="7bit")
# The standard library's address parser accepts too much and fails on some of the rest. The price of this one is that
# quoted local parts, which are very rare, are refused.
_ATOM = r"[^\s<>@,;:\"\\()\[\]]+"
_BARE_ADDRESS = re.compile(rf"(?P<local>{_ATOM})@(?P<domain>{_ATOM})")
_MAILBOX = re.compile(rf'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<>@"]*))\s*<{_BARE_ADDRESS.pattern}>')
# Encoded words ("=?utf-8?q?=0A?=") may hide a line break, which the standard library decodes and then writes out bare.
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|=\?.*\?=")
_HEADER_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
"""Without spaces and angle brackets, and within one header line."""
_MAX_NAME_CHARACTERS = 255


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
    except (MessageError, ValueError, LookupError):
        # Without the cause: it may quote an address.
        raise Rejected("email_invalid", "an address or a text cannot be written as email") from None


def _write(
    message: OutgoingMessage, default_sender: str | None, at: datetime, provider: SmtpProvider | None
) -> MimeMessage:
    sender = _sender(message.content.get("from") or default_sender)
    recipient = _recipient(message.address.email)
    international = not (sender.username + recipient.username).isascii()
    message_id = f"<{quote(message.delivery_id, safe='')}@{sender.domain}>"
    headers = (
        provider_header(provider, message.delivery_id),
        _unsubscribe_headers(message.unsubscribe),
        mailbox_line("From", sender.display_name, sender.addr_spec, international=international),
        mailbox_line("To", "", recipient.addr_spec, international=international),
        header_line("Subject", _subject(message.content["subject"]), international=international),
        f"Date: {format_datetime(at)}\r\nMessage-ID: {message_id}\r\n".encode("ascii"),
    )
    data = b"".join(headers) + _body(message.content).as_bytes()
    return MimeMessage(sender.addr_spec, recipient.addr_spec, message_id, data, international)


def _subject(text: str) -> str:
    trimmed = text.strip()
    if len(trimmed.encode()) > MAX_SUBJECT_OCTETS:
        raise Rejected("subject_too_long", f"the subject is longer than {MAX_SUBJECT_OCTETS} octets")
    return _check_line(trimmed, "subject")


def _sender(text: str | None) -> Address:
    if not text:
        raise Rejected("no_sender", "neither the message's `from` nor CONNECTOR_SMTP_SENDER names one")
    line = _check_line(text, "from")
    match = _MAILBOX.fullmatch(line) or _BARE_ADDRESS.fullmatch(line)
    return _address(match, 'from must be one address, such as "Shop <news@shop.example>"')


def _recipient(text: str | None) -> Address:
    if not text:
        raise Rejected("no_address", "the user has no email address")
    return _address(_BARE_ADDRESS.fullmatch(_check_line(text, "to")), "the user's email must be one bare address")


def _address(match: re.Match[str] | None, expected: str) -> Address:
    if match is None:
        raise Rejected("email_invalid", expected)
    parts = match.groupdict()
    name = re.sub(r"\\(.)", r"\1", parts.get("quoted") or "") or (parts.get("plain") or "").strip()
    if len(name) > _MAX_NAME_CHARACTERS:
        raise Rejected("email_invalid", f"a name has more than {_MAX_NAME_CHARACTERS} characters")
    return Address(name, parts["local"], domain_to_ascii(parts["domain"]))


def _check_line(text: str, header: str) -> str:
    """Return the text trimmed; raises Rejected if it does not fit into one header line."""
    trimmed = text.strip()
    if len(trimmed) > MAX_HEADER_OCTETS or _FORBIDDEN_IN_HEADER.search(trimmed):
        raise Rejected("email_invalid", f"{header} is too long, or holds a control character or an encoded word")
    return trimmed


def _unsubscribe_headers(address: str | None) -> bytes:
    """Return the header lines of unsubscribing: with one click (RFC 8058) only over https, as section 3.1 requires."""
    if address is None:
        return b""
    if not _HEADER_URL.fullmatch(address):
        raise Rejected("email_invalid", "the address to unsubscribe at cannot be written in a header")
    one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if address.startswith("https://") else ""
    return f"List-Unsubscribe: <{address}>\r\n{one_click}".encode("ascii")


def _body(content: dict[str, Any]) -> EmailMessage:
    """Return a message that has the body and its headers only."""
    email, text, html = EmailMessage(_ASCII_POLICY), content.get("text"), content.get("html")
    if text is not None:
        email.set_content(text)
    if html is None and text is None:
        raise Rejected("email_invalid", "the email has neither html nor text")
    if html is not None and text is None:
        email.set_content(html, subtype="html")
    elif html is not None:
        email.add_alternative(html, subtype="html")
    return email


def provider_header(provider: SmtpProvider | None, delivery_id: str) -> bytes:
    """Return the provider's header as one line of ASCII, whatever the id holds; empty if there is no header to write.

    The standard library would turn long values into encoded words, which no provider reads.
    """
    if provider is None:
        return b""
    line = _PROVIDER_HEADERS[provider](delivery_id)
    return f"{line}\r\n".encode("ascii") if len(line) <= MAX_HEADER_OCTETS else b""


def _json(value: object) -> str:
    """Return JSON on one line: every control character and every character beyond ASCII is escaped."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


_PROVIDER_HEADERS: Mapping[SmtpProvider, Callable[[str], str]] = {
    "sendgrid": lambda id: f"X-SMTPAPI: {_json({'unique_args': {DELIVERY: id}})}",
    "ses": lambda id: f"X-SES-MESSAGE-TAGS: {DELIVERY}={to_tag(id)}",
    "mailgun": lambda id: f"X-Mailgun-Variables: {_json({DELIVERY: id})}",
    "postmark": lambda id: f"X-PM-Metadata-{DELIVERY}: {id if _is_plain(id) else to_tag(id)}",
    "resend": lambda id: f"Resend-Idempotency-Key: {id if _is_plain(id) else to_tag(id)}",
}


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and "=?" not in text
