"""Write the body of an email (RFC 2045, RFC 2046): the same bytes on every release of Python and in every attempt."""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from connector.channels.protocol import Rejected
from connector.tracking.anchors import find_parts

_PLAIN_LINES = re.compile(r"(?:[\t\x20-\x7e]{0,76}\n)*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_HIDDEN = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
"""The usual style: `display:none` hides the text from readers and screen readers alike, the rest is for mail programs
that do not support it (Outlook: `mso-hide`)."""
_SPACING = "&#847;&zwnj;&nbsp;" * 100
"""Invisible, so that mail programs show nothing of the body after a short preheader."""


def write_body(content: Mapping[str, Any]) -> bytes:
    """Return the headers and the body of `html`, `text` or both, in lines of 7 bits.

    Raises:
        Rejected: there is neither.
        UnicodeError: a text has a lone surrogate.
    """
    text, html = content.get("text"), content.get("html")
    parts = [_part("plain", text)] if text is not None else []
    if html is not None:
        parts.append(_part("html", add_preheader(html, (content.get("preheader") or "").strip())))
    if not parts:
        raise Rejected("email_invalid", "the email has neither html nor text")
    if len(parts) == 1:
        return b"MIME-Version: 1.0\r\n" + parts[0]
    boundary = b"=_" + sha256(b"".join(parts)).hexdigest()[:32].encode()
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="' + boundary + b'"\r\n\r\n'
    delimited = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return head + delimited + b"--" + boundary + b"--\r\n"


def add_preheader(html: str, preheader: str) -> str:
    """Return the mail with a hidden text at the beginning of its body, which mail programs show beside the subject."""
    if not preheader:
        return html
    spacing = f'<div style="{_HIDDEN}" aria-hidden="true">{_SPACING}</div>'
    hidden = f'<div style="{_HIDDEN}">{escape(preheader)}</div>{spacing}'
    at = find_parts(html).body_start
    if at is None:
        doctype = _DOCTYPE.match(html)
        at = doctype.end() if doctype else 0
    return html[:at] + hidden + html[at:]


def _part(subtype: str, text: str) -> bytes:
    lines = _LINE_END.sub("\n", text)
    lines += "" if lines.endswith("\n") else "\n"
    encoding, body = _encode(lines)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode("ascii") + body.replace(b"\n", b"\r\n")


def _encode(lines: str) -> tuple[str, bytes]:
    """Return the name of the shortest encoding, and the text in it, with bare line feeds."""
    if _PLAIN_LINES.fullmatch(lines):
        return "7bit", lines.encode("ascii")
    octets = lines.encode()
    quoted = b2a_qp(octets, istext=True)
    if len(quoted) <= len(octets) * 4 / 3:
        return "quoted-printable", quoted
    return "base64", encodebytes(octets.replace(b"\n", b"\r\n"))
