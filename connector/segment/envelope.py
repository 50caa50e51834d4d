"""What every message carries: whose it is, when it was, and the id by which a repeat is recognised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from connector.rules.model.errors import InvalidItem
from connector.rules.model.values import canonical_json, has_infinite_number

KINDS = ("track", "identify", "page", "screen", "group", "alias")
MAX_ID_CHARACTERS = 255

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = TypeAdapter(datetime)


@dataclass(frozen=True)
class SegmentMessage:
    """A message that is well formed as far as all kinds go.

    Args:
        id: the sender's `messageId`, None where it has none.
        at: when it happened, UTC.
        parts: `properties`, `traits` and `context`, always there; places of the mapping lead into them.
        raw: as it came.
    """

    kind: str
    user: str
    id: str | None
    at: datetime
    parts: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Any]

    def item_id(self, place: int | None = None) -> str | None:
        """The id of the message's item, or of the one at a place where it becomes several."""
        if place is None:
            return None if self.id is None else _bounded(self.id)
        return _bounded(f"{_bounded(self.id) if self.id is not None else self._made_id()}:{place}")

    def _made_id(self) -> str:
        """An id made from what the message says, and the second (M6)."""
        facts = [self.user, self.kind, self.raw.get("event"), self.sections["properties"], self.at.isoformat()[:19]]
        return f"made-{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:40]}"


def read_message(raw: Any, kind: str | None, *, arrived_at: datetime, shared: Mapping[str, Any]) -> SegmentMessage:
    """One message, checked.

    Args:
        kind: what it was sent as; None: its `type` says so.
        arrived_at: its time where it has none. It is not put right by `sentAt`: that is another at each attempt, and
            the same message would then be two around midnight, since the log's ids are unique within their day.
        shared: the batch's own `context`, under that of the message.

    Raises:
        InvalidItem: what is wrong with which part of it.
    """
    if not isinstance(raw, Mapping):
        raise InvalidItem("a message is an object with type, userId and what the type needs")
    kind = _kind(raw) if kind is None else kind
    context = {**shared, **_part(raw, "context")}
    parts = {"properties": _part(raw, "properties"), "traits": _part(raw, "traits"), "context": context}
    return SegmentMessage(kind, _user(raw), id_at(raw, "messageId"), _time(raw, arrived_at), parts, raw)


def has_time(raw: Any) -> bool:
    """Whether a message says itself when it happened."""
    return isinstance(raw, Mapping) and _told_time(raw) is not None


def id_at(raw: Mapping[str, Any], name: str, *, longest: int | None = None) -> str | None:
    """An id as text; numbers are taken as their text, as Segment does. Raises InvalidItem."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    text = text_of(value)
    if text is None:
        raise InvalidItem(f"{name}: must be text")
    if "\0" in text:
        raise InvalidItem(f"{name}: must not contain null characters")
    if longest is not None and len(text) > longest:
        raise InvalidItem(f"{name}: has {len(text)} characters; at most {longest} are kept")
    return text


def text_of(value: Any) -> str | None:
    """A text, or a number as JavaScript would write it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or has_infinite_number(value):
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _user(raw: Mapping[str, Any]) -> str:
    user = id_at(raw, "userId", longest=MAX_ID_CHARACTERS) or id_at(raw, "anonymousId", longest=MAX_ID_CHARACTERS)
    if user is None:
        raise InvalidItem("userId: is missing, and anonymousId too; one of them says whose it is")
    return user


def _kind(raw: Mapping[str, Any]) -> str:
    kind = raw.get("type")
    if kind not in KINDS:
        raise InvalidItem(f"type: {_shown(kind)} is not known; it is one of {', '.join(KINDS)}")
    return str(kind)


def _part(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = raw.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise InvalidItem(f"{name}: must be an object")
    return part


def _told_time(raw: Mapping[str, Any]) -> Any:
    """RudderStack's SDKs for browsers and phones say `originalTimestamp`."""
    told = raw.get("timestamp")
    return raw.get("originalTimestamp") if told is None else told


def _time(raw: Mapping[str, Any], arrived_at: datetime) -> datetime:
    told = _told_time(raw)
    if told is None:
        return arrived_at
    if not isinstance(told, str) or not _DATE.match(told):
        raise InvalidItem(f"timestamp: {_shown(told)} is not a time; write one like 2026-03-02T12:00:00.000Z")
    try:
        at = _INSTANT.validate_python(told)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValidationError, OverflowError):
        raise InvalidItem(f"timestamp: {_shown(told)} is not a time; write one like 2026-03-02T12:00:00.000Z") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _bounded(id: str) -> str:
    return id if len(id) <= MAX_ID_CHARACTERS else f"hashed-{hashlib.sha256(id.encode()).hexdigest()}"
