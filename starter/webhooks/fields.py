"""What stands in a provider's body, read without trust: any value may stand in any place, and nothing here raises.

A text with a null character, which no database stores, counts as not told; so do times outside of the calendar.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, USER

LONGEST_TEXT = 1024
LONGEST_URL = 8192
MOST_ARGUMENTS = 50
_LEADS = (DELIVERY, CAMPAIGN, USER)
_HEADERS = {f"x-connector-{name}": name for name in _LEADS}
"""The headers of a message that lead back to us, where a provider tells headers and knows no other custom arguments."""

# No digits and no @: a provider's word for a reason is one, an address or a number is not.
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z _-]{0,38}[A-Za-z])?")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAMED = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>")
_BARE = re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+")


def at(value: Any, *path: str) -> Any:
    """What stands under these keys; None where there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def text(value: Any, most: int = LONGEST_TEXT) -> str | None:
    """A text, trimmed, of one to `most` characters that UTF-8 can write."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        return None
    trimmed = value.strip()
    return trimmed if trimmed and _is_unicode(trimmed) else None


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list, or a text alone; at most `MOST_ARGUMENTS`."""
    told = value if isinstance(value, list) else [value]
    return tuple(one for one in map(text, told[:MOST_ARGUMENTS]) if one is not None)


def address(value: Any) -> str | None:
    """An email address without a display name, otherwise as told: trimmed, its case kept."""
    told = text(value, 512) or ""
    named = _NAMED.fullmatch(told)
    bare = named[1] if named else told
    return bare if len(bare) <= 320 and _BARE.fullmatch(bare) else None


def message_id(value: Any) -> str | None:
    """A Message-ID header without its angle brackets."""
    told = text(value)
    return None if told is None else told.removeprefix("<").removesuffix(">").strip() or None


def instant(value: Any) -> datetime | None:
    """A time as RFC 3339 text with its zone, in UTC."""
    told = text(value, 64)
    try:
        read = datetime.fromisoformat(told) if told else None
        return read.astimezone(UTC) if read is not None and read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def instant_of_seconds(value: Any) -> datetime | None:
    """A time as seconds since 1970, a number or its text, in UTC."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | str)
        or (isinstance(value, str) and len(value) > 32)
    ):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def word(value: Any) -> str | None:
    """A provider's word for a reason as a code: "MailboxFull" is mailbox_full. Sentences and addresses are none."""
    told = text(value, 40)
    if told is None or not _WORD.fullmatch(told):
        return None
    return re.sub(r"[ _-]+", "_", _HUMP.sub("_", told)).lower()


def digest(*parts: str | None) -> str:
    """An id made of these, which shows none of them: a recipient is personal data, and ids are logged."""
    return hashlib.sha256("\0".join(part or "" for part in parts).encode("utf-8", "replace")).hexdigest()[:40]


def arguments(pairs: Iterable[tuple[Any, Any]], tags: Iterable[str] = ()) -> dict[str, str]:
    """Custom arguments: texts and whole numbers by name, at most `MOST_ARGUMENTS`, those that lead back to us first.

    A tag "campaign:welcome" is an argument too, where none of that name is told.
    """
    told = {name: said for key, value in pairs if (name := text(key, 128)) and (said := _said(value))}
    for name, colon, said in (tag.partition(":") for tag in tags):
        if colon and name in _LEADS and said.strip():
            told.setdefault(name, said.strip())
    kept = [name for name in _LEADS if name in told] + [name for name in told if name not in _LEADS]
    return {name: told[name] for name in kept[:MOST_ARGUMENTS]}


def arguments_of_headers(headers: Any) -> list[tuple[Any, Any]]:
    """The arguments in a message's X-Connector-Delivery, -Campaign and -User headers, `[{"name": …, "value": …}]`."""
    found = [(_HEADERS.get(str(at(header, "name")).lower()), at(header, "value")) for header in _listed(headers)]
    return [(name, value) for name, value in found if name is not None]


def header(headers: Any, name: str) -> Any:
    """The first header of that name, in lower case, of such a list."""
    return next((at(one, "value") for one in _listed(headers) if str(at(one, "name")).lower() == name), None)


def _listed(headers: Any) -> list[Any]:
    return headers[:500] if isinstance(headers, list) else []


def _said(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else None
    return text(value)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeError:
        return False
    return True
