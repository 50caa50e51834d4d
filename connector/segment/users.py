"""What messages tell of users: identify, group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from connector.rules.model.errors import InvalidItem
from connector.rules.model.users import REMOVED, User
from connector.rules.model.values import storage_problem
from connector.segment.envelope import MAX_ID_CHARACTERS, SegmentMessage, id_at
from connector.segment.mapping import SegmentMapping

_EMPTY: dict[str, Any] = {"push_tokens": []}
"""What a field is when it is cleared, where that is not null."""


def changes_of_identify(message: SegmentMessage, mapping: SegmentMapping) -> dict[str, Any]:
    """The changes that an `identify` makes, as PATCH takes them.

    A trait that is a field of ours goes there if it fits; everything else becomes an attribute under its own name. Null
    clears. RudderStack's SDKs send the traits in `context`.

    Raises:
        InvalidItem: a trait holds what no database stores.
    """
    changes: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, value in {**_context_traits(message), **message.sections["traits"]}.items():
        field = mapping.traits.get(name, "attribute")
        if field != "attribute" and _fits(field, value):
            changes[field] = _EMPTY.get(field) if value is None else value
        else:
            attributes[name] = REMOVED if value is None else value
    return _storable({"id": message.user, **changes, **({"attributes": attributes} if attributes else {})})


def changes_of_group(message: SegmentMessage) -> dict[str, Any]:
    """The changes that a `group` makes: the group's id and its traits, as attributes. Raises InvalidItem."""
    group = id_at(message.raw, "groupId", longest=MAX_ID_CHARACTERS)
    if group is None:
        raise InvalidItem("groupId: is missing; it says which group the user belongs to")
    return _storable({"id": message.user, "attributes": {"group_id": group, "group": dict(message.sections["traits"])}})


def _storable(changes: dict[str, Any]) -> dict[str, Any]:
    if fault := storage_problem(changes):
        raise InvalidItem(f"traits: {fault}")
    return changes


def _context_traits(message: SegmentMessage) -> Mapping[str, Any]:
    traits = message.sections["context"].get("traits")
    return traits if isinstance(traits, Mapping) else {}


def _fits(field: str, value: Any) -> bool:
    if value is None:
        return True
    try:
        User.model_validate({"id": "any", field: value})
    except ValidationError:
        return False
    return True
