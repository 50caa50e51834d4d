"""Write the headers that providers read: the delivery id of their webhooks, and those that a campaign sets.

The delivery id goes into the header that the SMTP provider returns in its webhooks: SendGrid's X-SMTPAPI and Mailgun's
X-Mailgun-Variables hold JSON, Postmark's X-PM-Metadata-* and SES's X-SES-MESSAGE-TAGS a bare value, SES's of emails,
digits, dashes and underscores only. Resend accepts no tags over SMTP but an idempotency key; its events are matched by
the Message-ID or the recipient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.channels.mime_headers import MAX_HEADER_OCTETS, check_line, header_line
from connector.channels.protocol import Rejected
from connector.rules.model.mail_headers import JSON_HEADERS, header_problem, read_json_header
from connector.rules.provider_events.events import DELIVERY, to_tag
from connector.settings.providers import SmtpProvider


@dataclass(frozen=True)
class _DeliveryHeader:
    """A provider's header for the delivery id.

    `write` takes the id and the campaign's value of the same header (None: not set), and returns the value to send.
    """

    name: str
    write: Callable[[str, str | None], str]


def extra_headers(headers: Mapping[str, str], provider: SmtpProvider | None, delivery_id: str) -> bytes:
    """Return the lines of a campaign's rendered headers and of the provider's header, each once.

    Raises:
        Rejected: a header would hold a line break, is too long, or is not what its provider reads.
    """
    values = {name: check_line(value, "a header") for name, value in headers.items() if value.strip()}
    own = _DELIVERY_HEADERS[provider] if provider is not None else None
    lines = [_line(name, value) for name, value in values.items() if own is None or name.lower() != own.name.lower()]
    if own is not None:
        beside = next((value for name, value in values.items() if name.lower() == own.name.lower()), None)
        lines.append(_provider_line(own, delivery_id, beside))
    return b"".join(lines)


def _line(name: str, value: str) -> bytes:
    if header_problem(name):
        raise Rejected("header_invalid", "the message sets a header that it must not set")
    if name.lower() in JSON_HEADERS:
        return _single_line(name, _json(_read_json(name, value)))
    return header_line(name, value, international=False, keep_ascii=True)


def _provider_line(own: _DeliveryHeader, delivery_id: str, beside: str | None) -> bytes:
    line = f"{own.name}: {own.write(delivery_id, beside)}"
    if len(line) > MAX_HEADER_OCTETS and beside is None:
        return b""  # the delivery's events are then matched by the Message-ID or the recipient
    return _single_line(own.name, line[len(own.name) + 2 :])


def _single_line(name: str, value: str) -> bytes:
    """Return a header as one line of ASCII: providers do not read encoded words in it."""
    line = f"{name}: {value}"
    if len(line) > MAX_HEADER_OCTETS or not line.isascii():
        raise Rejected("header_invalid", f"{name} is too long, or has characters beyond ASCII")
    return f"{line}\r\n".encode("ascii")


def _read_json(name: str, value: str) -> dict[str, Any]:
    try:
        return read_json_header(name, value)
    except ValueError as error:
        raise Rejected("header_invalid", str(error)) from None


def _json(value: object) -> str:
    """Return JSON on one line: every control character and every character beyond ASCII is escaped."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def _in_sendgrid(id: str, beside: str | None) -> str:
    data = _read_json("X-SMTPAPI", beside) if beside else {}
    arguments = data.get("unique_args")
    return _json({**data, "unique_args": {**(arguments if isinstance(arguments, dict) else {}), DELIVERY: id}})


def _in_mailgun(id: str, beside: str | None) -> str:
    return _json({**(_read_json("X-Mailgun-Variables", beside) if beside else {}), DELIVERY: id})


def _in_ses(id: str, beside: str | None) -> str:
    return f"{beside}, {DELIVERY}={to_tag(id)}" if beside else f"{DELIVERY}={to_tag(id)}"


def _bare(id: str, _beside: str | None) -> str:
    is_plain = id.isascii() and id.isprintable() and " " not in id and "=?" not in id
    return id if is_plain else to_tag(id)


_DELIVERY_HEADERS: Mapping[SmtpProvider, _DeliveryHeader] = {
    "sendgrid": _DeliveryHeader("X-SMTPAPI", _in_sendgrid),
    "ses": _DeliveryHeader("X-SES-MESSAGE-TAGS", _in_ses),
    "mailgun": _DeliveryHeader("X-Mailgun-Variables", _in_mailgun),
    "postmark": _DeliveryHeader(f"X-PM-Metadata-{DELIVERY}", _bare),
    "resend": _DeliveryHeader("Resend-Idempotency-Key", _bare),
}
