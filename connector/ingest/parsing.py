"""Reports in wire form: parsed, told what is wrong with them, and given an id where they have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from connector.rules.model.errors import InvalidItem
from connector.rules.model.interactions import Event, Interaction, InteractionType, Item, derive_id

_INTERACTIONS = frozenset(kind.value for kind in InteractionType)
_EVENTS = frozenset(get_args(Event.model_fields["type"].annotation))
_KNOWN = _INTERACTIONS | _EVENTS


@dataclass(frozen=True)
class Unreadable:
    """What could not be read as an item: what was wrong and would be right, and the id that was given, if any."""

    fault: str
    id: str | None


ReadItem = Item | Unreadable


def read_item(data: Any) -> ReadItem:
    """One interaction or event from its wire form, with an id; what is wrong with it is no error here."""
    try:
        return with_id(parse_item(data))
    except InvalidItem as fault:
        given = data.get("id") if isinstance(data, dict) else getattr(data, "id", None)
        return Unreadable(str(fault), given if isinstance(given, str) else None)


def parse_item(data: Any) -> Item:
    """One interaction or event from its wire form (design 8); models pass as they are.

    Raises:
        InvalidItem: what is wrong with which field, and what would be right.
    """
    if isinstance(data, Interaction | Event):
        return data
    if not isinstance(data, Mapping):
        raise InvalidItem("an interaction is an object with user, type, occurred_at and what the type needs")
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise InvalidItem(
            f"type: {kind!r} is not known; it is one of {', '.join(sorted(_KNOWN))} "
            "(an event of your own has the type event and a name)"
        )
    try:
        return Interaction.model_validate(data) if kind in _INTERACTIONS else Event.model_validate(data)
    except ValidationError as error:
        raise InvalidItem("; ".join(describe_fault(fault) for fault in error.errors())) from None


def with_id(item: Item) -> Item:
    """The item with an id; one without gets it from user, type, target or name, properties and second (M6)."""
    if item.id is not None:
        return item
    second = item.occurred_at.replace(microsecond=0).timestamp()
    kind = "card" if isinstance(item, Interaction) and item.card is not None else "campaign"
    facts = [item.user, item.name_or_type, kind, item.target, item.properties, second]
    return item.model_copy(update={"id": derive_id(facts)})


def describe_fault(fault: Mapping[str, Any]) -> str:
    """One of pydantic's errors as whoever reported it reads it: the field, and what is wrong with it."""
    place = ".".join(str(part) for part in fault["loc"])
    words = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "timezone_aware":
        words = "needs a time zone, like 2026-03-02T12:00:00Z"
    return f"{place}: {words}" if place else words
