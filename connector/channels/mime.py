"""An email as it goes over the wire (RFC 5322), written so that no rendered text can add a header or a recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import quote

from connector.channels.protocol import OutgoingMessage, Rejected
from connector.channels.provider_headers import provider_header
from connector.settings.providers import SmtpProvider

# Bodies are encoded to 7 bits, which every server takes.
_ASCII = SMTP.clone(cte_type="7bit")
# The standard library's address parser takes more than we want and fails on some of the rest. Quoted local parts, which
# next to nobody has, are the price.
_ATOM = r"[^\s<>@,;:\"\\()\[\]]+"
_BARE = re.compile(rf"(?P<local>{_ATOM})@(?P<domain>{_ATOM})")
_MAILBOX = re.compile(rf'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<>@"]*))\s*<{_BARE.pattern}>')
# Encoded words ("=?utf-8?q?=0A?=") may hide a line break, which the standard library decodes and then writes out bare.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|=\?.*\?=")
_HEADER_ADDRESS = re.compile(r"https?://[!-;=?-~]{1,900}")
"""Without spaces and angle brackets; a line may have 998 characters."""


@dataclass(frozen=True)
class MimeMessage:
    """A written email: its envelope (`sender` and `recipient`, bare addresses), its id and its bytes.

    `international`: an address needs SMTPUTF8 (RFC 6531). Domains alone never do, they are written in ASCII.
    """

    sender: str
    recipient: str
    message_id: str
    data: bytes
    international: bool


def build_mime_message(
    message: OutgoingMessage, *, sender: str | None, at: datetime, provider: SmtpProvider | None = None
) -> MimeMessage:
    """Write the email of `message`, from its content's `from` or else from `sender`, dated `at` (aware).

    The Message-ID is made of the delivery id and the sender's domain, the same in every attempt. `provider` is whoever
    carries it on: its own header tells it the delivery.

    Raises:
        Rejected: an address is missing or not one, a header would hold a line break, or there is no body.
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
    letter = EmailMessage(_ASCII.clone(utf8=international))
    letter["From"] = sender
    letter["To"] = recipient
    letter["Subject"] = _one_line(message.content["subject"], "subject")
    letter["Date"] = at
    letter["Message-ID"] = message_id = f"<{quote(message.delivery_id, safe='')}@{sender.domain}>"
    _set_body(letter, message.content)
    ours = provider_header(provider, message.delivery_id) + _unsubscribe_headers(message.unsubscribe)
    data = ours + letter.as_bytes()
    return MimeMessage(sender.addr_spec, recipient.addr_spec, message_id, data, international)


def _sender(text: str | None) -> Address:
    if not text:
        raise Rejected("no_sender", "neither the message's `from` nor CONNECTOR_SMTP_SENDER names one")
    line = _one_line(text, "from")
    match = _MAILBOX.fullmatch(line) or _BARE.fullmatch(line)
    return _address(match, 'from must be one address, such as "Shop <news@shop.example>"')


def _recipient(text: str | None) -> Address:
    if not text:
        raise Rejected("no_address", "the user has no email address")
    return _address(_BARE.fullmatch(_one_line(text, "to")), "the user's email must be one bare address")


def _address(match: re.Match[str] | None, right: str) -> Address:
    if match is None:
        raise Rejected("email_invalid", right)
    parts = match.groupdict()
    name = re.sub(r"\\(.)", r"\1", parts.get("quoted") or "") or (parts.get("plain") or "").strip()
    return Address(name, parts["local"], parts["domain"].encode("idna").decode("ascii"))


def _one_line(text: str, header: str) -> str:
    trimmed = text.strip()
    if _FORBIDDEN.search(trimmed):
        raise Rejected("email_invalid", f"{header} holds a line break, a control character or an encoded word")
    return trimmed


def _unsubscribe_headers(address: str | None) -> bytes:
    """The two headers of one-click unsubscribing (RFC 8058), in whole lines.

    Written by hand: the standard library turns a long address into encoded words, which no mail program follows.
    """
    if address is None:
        return b""
    if not _HEADER_ADDRESS.fullmatch(address):
        raise Rejected("email_invalid", "the address to unsubscribe at cannot be written in a header")
    return f"List-Unsubscribe: <{address}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")


def _set_body(letter: EmailMessage, content: dict[str, Any]) -> None:
    text, html = content.get("text"), content.get("html")
    if text is not None:
        letter.set_content(text)
    if html is None and text is None:
        raise Rejected("email_invalid", "the email has neither html nor text")
    if html is not None and text is None:
        letter.set_content(html, subtype="html")
    elif html is not None:
        letter.add_alternative(html, subtype="html")
