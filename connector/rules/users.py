"""A user as services describe one (design 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from connector.rules.values import ChannelName, Definition, Text

Consent = Literal["subscribed", "unsubscribed"]

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


def merged(user: User, changes: Mapping[str, Any]) -> User:
    """A user with these changes: attributes and consent by their keys, everything else as a whole."""
    data = user.model_dump(mode="json")
    for name, value in changes.items():
        together = name in ("attributes", "consent") and isinstance(value, Mapping)
        data[name] = _with(data[name], value) if together else value
    return User.model_validate({**data, "id": user.id})


def _with(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **told}.items() if value is not REMOVED}


def check_zone(name: str) -> str:
    """Return `name` where it is an IANA time zone; raises ValueError with an example otherwise."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone; write one like Europe/Berlin") from error
    return name
