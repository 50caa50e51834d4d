"""A user as services describe one (design 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import ChannelName, Definition, Text, canonical_json

Consent = Literal["subscribed", "unsubscribed"]

MAX_ATTRIBUTES_BYTES = 256 * 1024
"""As canonical JSON, all attributes of a user together: each is read and written as a whole, at every change."""

ERASED_FAULT = "erased: the user was erased"
"""What is told of a report about somebody who was erased: nothing is kept of it (guarantee 8)."""


class User(Definition):
    """Who someone is, where messages reach them, and what they agreed to. No word on consent means subscribed (W1)."""

    id: Text
    email: Text | None = None
    phone: Text | None = None
    push_tokens: tuple[Text, ...] = ()
    time_zone: Text | None = None
    first_name: Text | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    consent: dict[ChannelName, Consent] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return value if value is None else check_zone(value)


class _Removed:
    """The kind of REMOVED."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = _Removed()
"""In the place of an attribute's value: there shall be no such attribute. JSON cannot say it; null is a value."""


def merge_changes(user: User, changes: Mapping[str, Any]) -> User:
    """A user with these changes: attributes and consent by their keys, everything else as a whole.

    Raises:
        DefinitionError: there would be too many attributes.
    """
    merging = UserMerge(user)
    merging.apply(changes)
    return merging.result()


def check_attributes_size(user: User) -> None:
    """Raises DefinitionError where the attributes are more than a user may have."""
    _check_size(_size_of(user.attributes), 0)


class UserMerge:
    """A user into whom changes are merged, one after the other, each at the cost of what it says itself."""

    def __init__(self, user: User) -> None:
        self._id, self._data = user.id, user.model_dump(mode="json")
        self._size: int | None = None

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Merge these.

        What is too large already may be changed, but not grow.

        Raises:
            DefinitionError: there would be too many attributes; nothing of these changes was merged.
        """
        if isinstance(told := changes.get("attributes"), Mapping):
            self._grow(told)
        for name, value in changes.items():
            if name in ("attributes", "consent") and isinstance(value, Mapping):
                _put(self._data[name], value)
            else:
                self._data[name] = value

    def result(self) -> User:
        """The user with all that was merged."""
        return User.model_validate({**self._data, "id": self._id})

    def _grow(self, told: Mapping[str, Any]) -> None:
        known = self._data["attributes"]
        size = _size_of(known) if self._size is None else self._size
        grown = size + _size_of(told) - _size_of({name: known[name] for name in told if name in known})
        _check_size(grown, size)
        self._size = grown


def _put(known: dict[str, Any], told: Mapping[str, Any]) -> None:
    for name, value in told.items():
        if value is REMOVED:
            known.pop(name, None)
        else:
            known[name] = value


def _size_of(attributes: Mapping[str, Any]) -> int:
    """In bytes of canonical JSON, each with the comma or brace after it, so that sizes can be added."""
    told = {name: value for name, value in attributes.items() if value is not REMOVED}
    return len(canonical_json(told).encode(errors="surrogatepass")) - 1 if told else 0


def _check_size(size: int, before: int) -> None:
    if size + 1 > max(MAX_ATTRIBUTES_BYTES, before + 1):
        problem = f"would be {size + 1} bytes of JSON together; a user's attributes are at most {MAX_ATTRIBUTES_BYTES}"
        raise DefinitionError([Fault("attributes", problem)])


def check_zone(name: str) -> str:
    """Return `name` where it is an IANA time zone; raises ValueError with an example otherwise."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone; write one like Europe/Berlin") from error
    return name
