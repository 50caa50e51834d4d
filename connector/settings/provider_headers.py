"""A header that tells an SMTP provider which delivery a mail is, so that its webhooks tell it back.

Each provider has its own: SendGrid's X-SMTPAPI and Mailgun's X-Mailgun-Variables hold JSON, Postmark's X-PM-Metadata-*
and SES's X-SES-MESSAGE-TAGS a bare value, SES's of letters, digits, dashes and underscores alone. Resend takes no tags
by SMTP; what it takes is an idempotency key, and its events lead back by the Message-ID or the recipient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

from connector.rules.provider_events.events import DELIVERY
from connector.rules.provider_events.tags import to_tag

SmtpProvider = Literal["sendgrid", "ses", "mailgun", "postmark", "resend"]

_LONGEST_LINE = 998
"""Characters of a line (RFC 5322)."""


def provider_header(provider: SmtpProvider | None, delivery_id: str) -> bytes:
    """The provider's header as one whole line of ASCII, whatever the id holds; empty where there is none to write.

    Written by hand: the standard library turns what is long into encoded words, which no provider reads.
    """
    if provider is None:
        return b""
    line = _HEADERS[provider](delivery_id)
    return f"{line}\r\n".encode("ascii") if len(line) <= _LONGEST_LINE else b""


def _json(value: object) -> str:
    """Every control character and every letter beyond ASCII is escaped, so it has one line."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


_HEADERS: Mapping[SmtpProvider, Callable[[str], str]] = {
    "sendgrid": lambda id: f"X-SMTPAPI: {_json({'unique_args': {DELIVERY: id}})}",
    "ses": lambda id: f"X-SES-MESSAGE-TAGS: {DELIVERY}={to_tag(id)}",
    "mailgun": lambda id: f"X-Mailgun-Variables: {_json({DELIVERY: id})}",
    "postmark": lambda id: f"X-PM-Metadata-{DELIVERY}: {id if _is_plain(id) else to_tag(id)}",
    "resend": lambda id: f"Resend-Idempotency-Key: {id if _is_plain(id) else to_tag(id)}",
}


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and "=?" not in text
