"""A user as services describe one, how descriptions are merged, and suppressed addresses (design 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, field_validator

from connector.rules.model.addresses import canonical_address, is_sendable, stored_address
from connector.rules.model.consent import (
    Consent,
    ConsentStatements,
    StatedConsent,
    merge_statements,
    plain_consent,
)
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import ChannelName, Definition, Text, canonical_json
from connector.rules.model.zones import check_zone

ConsentByChannel = Annotated[
    dict[ChannelName, Consent],
    BeforeValidator(
        plain_consent,
        json_schema_input_type=dict[Literal[ChannelName, "effective_at"], Consent | StatedConsent | AwareDatetime],
    ),
]
"""On the wire a channel's consent may carry the time of the user's statement; `read_statements` reads it."""

MAX_ATTRIBUTES_BYTES = 256 * 1024
"""The limit for all attributes of a user together, as canonical JSON: every change reads and writes them as a whole."""

MAX_PUSH_TOKENS = 20
"""The limit of a user's push tokens: every push makes one request for each of them."""

SuppressedAddresses = Mapping[str, str]
"""The suppressed address of a user by channel. A user with another address now is reachable again."""

ERASED_FAULT = "erased: the user was erased"
"""The fault of every report about an erased user: the report is not stored (guarantee 8)."""


PROFILE_FIELDS = ("id", "email", "phone", "time_zone", "first_name")
"""The fields that a predicate compares as attributes; no attribute can have one of these names (A1)."""


def _blank_is_none(value: Any) -> Any:
    """Return None for a blank text, which services write for a user without that address."""
    return None if isinstance(value, str) and not value.strip() else value


def _number_is_text(value: Any) -> Any:
    """Return a whole number as its text: some services write phone numbers so."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _stored(channel: str, text: str | None) -> str | None:
    return None if text is None else stored_address(channel, text)


Email = Annotated[Text | None, BeforeValidator(_blank_is_none), AfterValidator(partial(_stored, "email"))]
Phone = Annotated[
    Text | None,
    BeforeValidator(_number_is_text),
    BeforeValidator(_blank_is_none),
    AfterValidator(partial(_stored, "sms")),
]
"""An address in its stored form (`stored_address`), or any other text, to which nothing can be sent."""


class User(Definition):
    """A user: identity, addresses, attributes and consent. A channel missing in `consent` is subscribed (W1)."""

    id: Text
    email: Email = None
    phone: Phone = None
    push_tokens: Annotated[tuple[Text, ...], Field(max_length=MAX_PUSH_TOKENS)] = ()
    time_zone: Text | None = None
    first_name: Text | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    consent: ConsentByChannel = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return value if value is None else check_zone(value)

    @field_validator("attributes")
    @classmethod
    def _no_profile_field(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in PROFILE_FIELDS:
            if name in value:
                right = "choose another name" if name == "id" else f"write {name} beside attributes"
                raise ValueError(f"{name} is a field of the profile, and no attribute can have its name; {right}")
        return value


def attributes_with(user: User | None, name: str) -> Mapping[str, Any]:
    """Return the user's attributes as a predicate on `name` compares them: a profile field that is set is one (A1)."""
    if user is None or name not in PROFILE_FIELDS:
        return user.attributes if user else {}
    value = getattr(user, name)
    return {} if value is None else {name: value}


def without_profile_fields(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return stored attributes without those that have the name of a profile field, from before it was refused (A1)."""
    if attributes.keys().isdisjoint(PROFILE_FIELDS):
        return attributes
    return {name: value for name, value in attributes.items() if name not in PROFILE_FIELDS}


class _Removed:
    """The type of REMOVED."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = _Removed()
"""A value in changes that removes the attribute. JSON has no such value: null is a value of its own."""


def address_of(user: User, channel: str) -> str | None:
    """Return the user's address on email or sms; None if the user has none, and for every other channel."""
    return {"email": user.email, "sms": user.phone}.get(channel)


def is_suppressed(user: User, suppressed: SuppressedAddresses, channel: str) -> bool:
    """Return whether the user's current address on a channel is the suppressed one."""
    suppressed_address, address = suppressed.get(channel), address_of(user, channel)
    return (
        suppressed_address is not None
        and address is not None
        and canonical_address(channel, suppressed_address) == canonical_address(channel, address)
    )


def has_usable_address(user: User, suppressed: SuppressedAddresses, channel: str) -> bool:
    """Return whether the user can be reached on email or sms, or has a token for push; True for all other channels."""
    if channel == "push":
        return bool(user.push_tokens)
    address = address_of(user, channel)
    if address is None:
        return channel not in ("email", "sms")
    return is_sendable(channel, address) and not is_suppressed(user, suppressed, channel)


def suppressed_channels(user: User, suppressed: SuppressedAddresses) -> Iterator[str]:
    """Yield the channels on which the user's current address is suppressed, sorted."""
    return (channel for channel in sorted(suppressed) if is_suppressed(user, suppressed, channel))


def check_attributes_size(user: User) -> None:
    """Raise DefinitionError if the user's attributes exceed `MAX_ATTRIBUTES_BYTES`."""
    _check_size(_size_of(user.attributes), 0)


class UserMerge:
    """Merges several changes into one user; each costs time in proportion to its own size.

    Attributes are merged by key, consent by channel and statement, every other field is replaced.

    Args:
        statements: the statements on consent that hold.
    """

    def __init__(self, user: User, statements: ConsentStatements) -> None:
        self._id, self._data = user.id, user.model_dump(mode="json")
        self._statements = dict(statements)
        # Users from before the limit: the last tokens are the most recently added ones.
        self._data["push_tokens"] = self._data["push_tokens"][-MAX_PUSH_TOKENS:]
        self._size: int | None = None

    @property
    def statements(self) -> ConsentStatements:
        """The statements on consent that hold after all changes."""
        return self._statements

    def apply(self, changes: Mapping[str, Any], stated: ConsentStatements = MappingProxyType({})) -> None:
        """Merge these changes.

        Attributes that exceed the limit already may change, but not grow.

        Args:
            stated: what the `consent` of the changes states (`read_statements`).

        Raises:
            DefinitionError: the attributes would exceed the limit; none of these changes is merged then.
        """
        if isinstance(attributes := changes.get("attributes"), Mapping):
            self._grow(attributes)
        for name, value in changes.items():
            if name == "attributes" and isinstance(value, Mapping):
                _merge_keys(self._data[name], value)
            elif name != "consent":
                self._data[name] = value
        self._statements = merge_statements(self._statements, stated)

    def result(self) -> User:
        """Return the user with all changes."""
        consent = {channel: statement.state for channel, statement in self._statements.items()}
        return User.model_validate({**self._data, "id": self._id, "consent": consent})

    def _grow(self, changes: Mapping[str, Any]) -> None:
        attributes = self._data["attributes"]
        size = _size_of(attributes) if self._size is None else self._size
        replaced = {name: attributes[name] for name in changes if name in attributes}
        new_size = size + _size_of(changes) - _size_of(replaced)
        _check_size(new_size, size)
        self._size = new_size


def _merge_keys(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is REMOVED:
            target.pop(name, None)
        else:
            target[name] = value


def _size_of(attributes: Mapping[str, Any]) -> int:
    """Return the bytes of canonical JSON, with the comma or brace after each attribute, so that sizes add up."""
    present = {name: value for name, value in attributes.items() if value is not REMOVED}
    return len(canonical_json(present).encode(errors="surrogatepass")) - 1 if present else 0


def _check_size(size: int, before: int) -> None:
    if size + 1 > max(MAX_ATTRIBUTES_BYTES, before + 1):
        problem = f"would be {size + 1} bytes of JSON together; a user's attributes are at most {MAX_ATTRIBUTES_BYTES}"
        raise DefinitionError([Fault("attributes", problem)])
