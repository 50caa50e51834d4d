"""Read what every message carries: its user, its time, and the id by which a duplicate is recognised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from connector.rules.model.errors import InvalidItem
from connector.rules.model.interactions import derive_id
from connector.rules.model.values import MAX_TEXT_CHARACTERS, has_infinite_number, storage_problem

KINDS = ("track", "identify", "page", "screen", "group", "alias")

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = TypeAdapter(datetime)


@dataclass(frozen=True)
class SegmentMessage:
    """A message whose common fields are valid.

    Args:
        is_anonymous: whether `user` is the `anonymousId` of a message without a `userId`.
        id: the sender's `messageId`, None if it has none.
        at: when it happened, UTC, by the clock of the receiver.
        given_at: the time as the sender gave it, UTC; derived ids depend on it.
        sections: `properties`, `traits` and `context`, all always present; the paths of a mapping lead into them.
        raw: the message as it arrived.
    """

    kind: str
    user: str
    is_anonymous: bool
    id: str | None
    at: datetime
    given_at: datetime
    sections: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Any]

    def item_id(self, position: int | None = None) -> str | None:
        """Return the id of the message's item, or of the item at `position` if the message becomes several items."""
        if position is None:
            return None if self.id is None else _bounded(self.id)
        return _bounded(f"{_bounded(self.id) if self.id is not None else self._derived_id()}:{position}")

    def _derived_id(self) -> str:
        """Return an id derived from the content and the second (M6)."""
        facts = [
            self.user,
            self.kind,
            self.raw.get("event"),
            self.sections["properties"],
            self.given_at.isoformat()[:19],
        ]
        return derive_id(facts)


def read_message(
    raw: Any, kind: str | None, *, arrived_at: datetime, shared: Mapping[str, Any], sent_at: Any = None
) -> SegmentMessage:
    """Read and check one message.

    Args:
        kind: the kind as which it was sent; None: its own `type`.
        arrived_at: when it arrived, UTC, if `needs_arrival`.
        shared: the batch's own `context`; the message's context overrides it.
        sent_at: the batch's own `sentAt`; the message's overrides it.

    Raises:
        InvalidItem: what is wrong with which field.
    """
    if not isinstance(raw, Mapping):
        raise InvalidItem("a message is an object with type, userId and what the type needs")
    kind = _kind(raw) if kind is None else kind
    context = {**shared, **_section(raw, "context")}
    sections = {"properties": _section(raw, "properties"), "traits": _section(raw, "traits"), "context": context}
    user, is_anonymous = _user(raw)
    given_at = arrived_at if _timestamp(raw) is None else _parse_time("timestamp", _timestamp(raw))
    clock = _sender_clock(raw, sent_at)
    at = given_at if clock is None else _shifted(arrived_at, given_at - clock)
    return SegmentMessage(kind, user, is_anonymous, id_at(raw, "messageId"), at, given_at, sections, raw)


def needs_arrival(raw: Any, sent_at: Any) -> bool:
    """Return whether the time of a message depends on its arrival; `sent_at` as of `read_message`."""
    return isinstance(raw, Mapping) and (_timestamp(raw) is None or _sender_clock(raw, sent_at) is not None)


def id_at(raw: Mapping[str, Any], name: str, *, max_characters: int | None = None) -> str | None:
    """Return the id in the field `name` as text; numbers are converted, as Segment does. Raises InvalidItem."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    text = convert_to_text(value)
    if text is None:
        raise InvalidItem(f"{name}: must be text")
    if problem := storage_problem(text):
        raise InvalidItem(f"{name}: {problem}")
    if max_characters is not None and len(text) > max_characters:
        raise InvalidItem(f"{name}: has {len(text)} characters; the limit is {max_characters}")
    return text


def convert_to_text(value: Any) -> str | None:
    """Return a text unchanged, a number as JavaScript would write it, and None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or has_infinite_number(value):
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _user(raw: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the id that names the user, and whether it is an anonymous one."""
    for name in ("userId", "anonymousId"):
        user = id_at(raw, name, max_characters=MAX_TEXT_CHARACTERS)
        if user is not None:
            return user, name == "anonymousId"
    raise InvalidItem("userId: is missing, and so is anonymousId; one of them must name the user")


def _kind(raw: Mapping[str, Any]) -> str:
    kind = raw.get("type")
    if kind not in KINDS:
        raise InvalidItem(f"type: {_shortened(kind)} is unknown; it is one of {', '.join(KINDS)}")
    return str(kind)


def _section(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = raw.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise InvalidItem(f"{name}: must be an object")
    return section


def _timestamp(raw: Mapping[str, Any]) -> Any:
    """Return `timestamp`, or `originalTimestamp`, which RudderStack's SDKs for browsers and phones send."""
    timestamp = raw.get("timestamp")
    return raw.get("originalTimestamp") if timestamp is None else timestamp


def _sender_clock(raw: Mapping[str, Any], sent_at: Any) -> datetime | None:
    """Return the time by the sender's clock when the message was sent, UTC; None if its time needs no correction.

    Segment corrects the device's clock by it: timestamp = receivedAt - (sentAt - originalTimestamp). A message that has
    both times was corrected by whoever forwards it. A message without a `messageId` keeps its time, because its id is
    derived from that: `sentAt` differs between attempts.
    """
    is_corrected = raw.get("timestamp") is not None and raw.get("originalTimestamp") is not None
    if is_corrected or _timestamp(raw) is None or raw.get("messageId") in (None, ""):
        return None
    try:
        return _parse_time("sentAt", sent_at if raw.get("sentAt") is None else raw["sentAt"])
    except InvalidItem:
        return None


def _shifted(arrived_at: datetime, age: timedelta) -> datetime:
    """Return the arrival less the age of the message, not before the calendar begins."""
    try:
        return arrived_at + age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _parse_time(name: str, text: Any) -> datetime:
    try:
        if not isinstance(text, str) or not _DATE.match(text):
            raise ValueError
        at = _INSTANT.validate_python(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValidationError, ValueError, OverflowError):
        raise InvalidItem(
            f"{name}: {_shortened(text)} is not a time; write one like 2026-03-02T12:00:00.000Z"
        ) from None


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _bounded(id: str) -> str:
    return id if len(id) <= MAX_TEXT_CHARACTERS else f"hashed-{hashlib.sha256(id.encode()).hexdigest()}"
