"""Reading of providers' payloads, which are untrusted: any field may hold any value.

Readers of a whole body raise `BodyInvalid`. Readers of a single value never raise: they return None for a value that
is missing or not usable, such as a text with a null character, which no database stores.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connector.ingest.batch_text import read_batch_text
from connector.rules.model.json_text import JsonInvalid
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, USER
from starter.webhooks.protocol import BodyInvalid

MAX_TEXT_CHARACTERS = 1024
MAX_URL_CHARACTERS = 8192
MAX_ARGUMENTS = 50
_MAX_HEADERS = 500
_OUR_ARGUMENTS = (DELIVERY, CAMPAIGN, USER)
_OUR_HEADERS = {f"x-connector-{name}": name for name in _OUR_ARGUMENTS}
"""Headers of a message that carry our arguments, for providers that report headers but no custom arguments."""

# No digits and no @, so that an address or a number never passes as a reason.
_REASON = re.compile(r"[A-Za-z](?:[A-Za-z _-]{0,38}[A-Za-z])?")
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAMED_ADDRESS = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>")
_ADDRESS = re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+")


def read_json(body: bytes | str) -> Any:
    """Return a body's JSON value; a part that cannot be read leaves the others readable (`read_batch_text`).

    Raises:
        BodyInvalid: the body is not JSON. The message names the position and quotes nothing of the body.
    """
    try:
        return read_batch_text(body)
    except JsonInvalid as fault:
        raise BodyInvalid(f"the body {fault}") from None


def read_object(body: bytes | str) -> dict[str, Any]:
    """Return a body's JSON object. Raises BodyInvalid for any other body."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise BodyInvalid("the body must be a JSON object")
    return value


def value_at(value: Any, *path: str) -> Any:
    """Return the value under these keys, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def read_text(value: Any, max_characters: int = MAX_TEXT_CHARACTERS) -> str | None:
    """Return a text, trimmed, of 1 to `max_characters` characters that UTF-8 can encode."""
    if not isinstance(value, str) or len(value) > max_characters or "\0" in value:
        return None
    trimmed = value.strip()
    return trimmed if trimmed and _is_encodable(trimmed) else None


def read_texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list, or a single text as a tuple; at most `MAX_ARGUMENTS`."""
    values = value if isinstance(value, list) else [value]
    return tuple(text for text in map(read_text, values[:MAX_ARGUMENTS]) if text is not None)


def read_address(value: Any) -> str | None:
    """Return an email address without its display name, trimmed, its case kept."""
    text = read_text(value, 512) or ""
    named = _NAMED_ADDRESS.fullmatch(text)
    address = named[1] if named else text
    return address if len(address) <= 320 and _ADDRESS.fullmatch(address) else None


def read_message_id(value: Any) -> str | None:
    """Return a Message-ID header without its angle brackets."""
    text = read_text(value)
    return None if text is None else text.removeprefix("<").removesuffix(">").strip() or None


def read_instant(value: Any) -> datetime | None:
    """Return an RFC 3339 time with its zone, in UTC."""
    text = read_text(value, 64)
    try:
        instant = datetime.fromisoformat(text) if text else None
        return instant.astimezone(UTC) if instant is not None and instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def read_unix_time(value: Any) -> datetime | None:
    """Return a time in seconds since 1970, given as a number or as text, in UTC."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def read_seconds_header(header: str) -> datetime | None:
    """Return the time of a header that holds whole seconds since 1970, in UTC."""
    return read_unix_time(header) if header.isascii() and header.isdigit() and len(header) <= 12 else None


def decode_base64(text: str, max_characters: int = 1024) -> bytes | None:
    """Return the bytes of a text in strict base64; None if the text is not base64, or too long."""
    try:
        return b64decode(text, validate=True) if text and len(text) <= max_characters else None
    except (binascii.Error, ValueError):
        return None


def reason_code(value: Any) -> str | None:
    """Return a provider's reason as a code: "MailboxFull" is mailbox_full. A sentence or an address is no reason."""
    text = read_text(value, 40)
    if text is None or not _REASON.fullmatch(text):
        return None
    return re.sub(r"[ _-]+", "_", _CAMEL_CASE_BOUNDARY.sub("_", text)).lower()


def hash_parts(*parts: str | None) -> str:
    """Return a hash of these parts as an id: a recipient is personal data, and ids are logged."""
    return hashlib.sha256("\0".join(part or "" for part in parts).encode("utf-8", "replace")).hexdigest()[:40]


def read_arguments(pairs: Iterable[tuple[Any, Any]], tags: Iterable[str] = ()) -> dict[str, str]:
    """Return custom arguments, texts and whole numbers, by name: at most `MAX_ARGUMENTS`, our own first.

    A tag "campaign:welcome" counts as an argument if no argument of that name is given.
    """
    read = {
        name: text for key, value in pairs if (name := read_text(key, 128)) and (text := _read_argument_value(value))
    }
    for name, colon, value in (tag.partition(":") for tag in tags):
        if colon and name in _OUR_ARGUMENTS and value.strip():
            read.setdefault(name, value.strip())
    kept = [name for name in _OUR_ARGUMENTS if name in read] + [name for name in read if name not in _OUR_ARGUMENTS]
    return {name: read[name] for name in kept[:MAX_ARGUMENTS]}


def arguments_from_headers(headers: Any) -> list[tuple[Any, Any]]:
    """Return the arguments in X-Connector-Delivery, -Campaign and -User headers, `[{"name": …, "value": …}]`."""
    found = [
        (_OUR_HEADERS.get(str(value_at(header, "name")).lower()), value_at(header, "value"))
        for header in _header_list(headers)
    ]
    return [(name, value) for name, value in found if name is not None]


def find_header(headers: Any, name: str) -> Any:
    """Return the first header of that name (lower case) in such a list."""
    named = (header for header in _header_list(headers) if str(value_at(header, "name")).lower() == name)
    return value_at(next(named, None), "value")


def _header_list(headers: Any) -> list[Any]:
    return headers[:_MAX_HEADERS] if isinstance(headers, list) else []


def _read_argument_value(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else None
    return read_text(value)


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeError:
        return False
    return True
