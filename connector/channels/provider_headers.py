"""The header that carries the delivery id to an SMTP provider, whose webhooks then report it.

SendGrid's X-SMTPAPI and Mailgun's X-Mailgun-Variables hold JSON, Postmark's X-PM-Metadata-* and SES's
X-SES-MESSAGE-TAGS a bare value, SES's of letters, digits, dashes and underscores only. Resend accepts no tags by SMTP
but an idempotency key; its events are matched by the Message-ID or the recipient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from connector.rules.provider_events.events import DELIVERY, to_tag
from connector.settings.providers import SmtpProvider

_MAX_LINE_CHARACTERS = 998
"""RFC 5322, section 2.1.1."""


def provider_header(provider: SmtpProvider | None, delivery_id: str) -> bytes:
    """Return the provider's header as one line of ASCII, whatever the id holds; empty if there is no header to write.

    The standard library is no use here: it turns long values into encoded words, which no provider reads.
    """
    if provider is None:
        return b""
    line = _HEADERS[provider](delivery_id)
    return f"{line}\r\n".encode("ascii") if len(line) <= _MAX_LINE_CHARACTERS else b""


def _json(value: object) -> str:
    """Return JSON on one line: every control character and every character beyond ASCII is escaped."""
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
