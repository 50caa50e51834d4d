"""The headers that a campaign may set in its emails: those by which providers group messages, never an address."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

OTHER_HEADERS = (
    "Auto-Submitted",
    "Feedback-ID",
    "Importance",
    "List-Help",
    "List-ID",
    "Organization",
    "Precedence",
    "Priority",
)
"""The allowed headers whose names do not begin with `X-`."""
JSON_HEADERS: Mapping[str, frozenset[str] | None] = {
    "x-smtpapi": frozenset({"asm_group_id", "asm_groups_to_display", "category", "ip_pool", "unique_args"}),
    "x-msys-api": frozenset({"campaign_id", "metadata", "options", "tags"}),
    "x-mailgun-variables": None,
    "x-mc-metadata": None,
}
"""Headers that hold a JSON object, with the keys that are allowed in it (None: all): others could add recipients."""
MAX_HEADERS = 20
_NAME = re.compile(r"X-[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"-(?:to|cc|from|sender|reply|rcpt|envelope|return|delivered)\b|bcc|recipient|dkim|domainkey", re.IGNORECASE
)
OWN_HEADERS = frozenset({"x-pm-metadata-delivery"})
"""Headers that the connector sets itself, in small letters."""
_MAX_NAME_CHARACTERS = 76


def header_problem(name: str) -> str | None:
    """Return why a campaign must not set a header of this name; None if it may."""
    if name.lower() in map(str.lower, OTHER_HEADERS):
        return None
    if _NAME.fullmatch(name) is None or len(name) > _MAX_NAME_CHARACTERS:
        return f"{name} cannot be set: name a header that begins with X-, or {', '.join(OTHER_HEADERS)}"
    if _ADDRESSES.search(name):
        return f"{name} cannot be set: a campaign sets no sender, recipient or signature by a header"
    return f"{name} is set by the connector" if name.lower() in OWN_HEADERS else None


def read_json_header(name: str, value: str) -> dict[str, Any]:
    """Return the object that a header of `JSON_HEADERS` holds.

    Raises:
        ValueError: it is not an object, or has a key that is not allowed; quotes no value.
    """
    try:
        data = json.loads(value)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError(f"{name} must be a JSON object")
    allowed = JSON_HEADERS[name.lower()]
    if allowed is not None and not data.keys() <= allowed:
        raise ValueError(f"{name} may have only the keys {', '.join(sorted(allowed))}")
    return data


def check_headers(headers: Mapping[str, str]) -> None:
    """Check the headers of an email, whose values are templates.

    Raises:
        ValueError: a name is not allowed or given twice, there are too many, or a JSON value without markup is wrong.
    """
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"an email has at most {MAX_HEADERS} headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is given twice: its name in capitals is the same name")
    for name, value in headers.items():
        if problem := header_problem(name):
            raise ValueError(problem)
        if name.lower() in JSON_HEADERS and "{{" not in value and "{%" not in value:
            read_json_header(name, value)
