"""Translate one message, and split translated messages into the chunks in which they are ingested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from connector.rules.model.addresses import address_warnings
from connector.rules.model.consent import EFFECTIVE_AT
from connector.rules.model.errors import InvalidItem
from connector.rules.model.joining import IdPair
from connector.rules.model.users import PROFILE_FIELDS, REMOVED, User
from connector.rules.model.values import MAX_TEXT_CHARACTERS, storage_problem
from connector.segment.envelope import SegmentMessage, convert_to_text, id_at, read_message
from connector.segment.events import TargetExists, items_of_page, items_of_track
from connector.segment.mapping import SegmentMapping, value_at

MAX_CHUNK_SIZE = 1000
"""Items, users and links of one chunk, each; a chunk is one transaction."""

MAX_ORDERED_CHUNKS = 100
"""Chunks within which the order of messages is kept: a small request must not become a thousand transactions. Beyond
that, a change of a user may also apply to what the same user did before it in the same request."""


_TEXT_FIELDS = frozenset({"email", "phone", "first_name"})
_CLEARED: dict[str, Any] = {"push_tokens": []}
"""The value of a cleared field, if it is not null."""


@dataclass(frozen=True)
class Translation:
    """The result of one message.

    Args:
        items: in wire form (design 8).
        changes: of the user, in the form of PATCH, with the id; None: none.
        changes_if_new: the same, but applied only if the first of the items is new.
        link: two ids of one user.
        anonymous: the id of the user, if the message names it as `anonymousId`.
        warnings: what is wrong with traits of an `identify` that is accepted.
    """

    items: Sequence[dict[str, Any]] = ()
    changes: dict[str, Any] | None = None
    changes_if_new: dict[str, Any] | None = None
    link: IdPair | None = None
    anonymous: str | None = None
    warnings: Sequence[str] = ()

    @property
    def users(self) -> set[str]:
        """The ids that the message's items and changes are about: the one user's, or none."""
        changes = (self.changes, self.changes_if_new)
        return {item["user"] for item in self.items} | {one["id"] for one in changes if one is not None}


@dataclass
class MessageChunk:
    """Messages that are ingested together: links first, then user changes, then items, each with its message's index.

    `changes_by_item` has the changes that apply only if an item is new, by the item's position.
    """

    links: list[tuple[int, IdPair]] = field(default_factory=list)
    changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    items: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    changes_by_item: dict[int, dict[str, Any]] = field(default_factory=dict)
    _acting_users: set[str] = field(default_factory=set)
    _changed_users: set[str] = field(default_factory=set)
    _anonymous: set[str] = field(default_factory=set)
    _identified: set[str] = field(default_factory=set)

    @property
    def anonymous(self) -> set[str]:
        """The ids of users whom the items and changes name only as `anonymousId`."""
        return self._anonymous - self._identified

    def has_room(self, translation: Translation) -> bool:
        """Return whether the chunk stays within its limits with `translation`."""
        is_full = max(len(self.links), len(self.changes)) >= MAX_CHUNK_SIZE
        return not is_full and len(self.items) + len(translation.items) <= MAX_CHUNK_SIZE

    def would_reorder(self, translation: Translation) -> bool:
        """Return whether `translation` would apply before an earlier message of the same user."""
        if translation.link is not None:
            ids = (translation.link.previous, translation.link.id)
            return not (self._acting_users | self._changed_users).isdisjoint(ids)
        return translation.changes is not None and translation.changes["id"] in self._acting_users

    def add(self, index: int, translation: Translation) -> None:
        """Add the translation of the message at `index`."""
        if translation.link is not None:
            self.links.append((index, translation.link))
        if translation.changes is not None:
            self.changes.append((index, translation.changes))
            self._changed_users.add(translation.changes["id"])
        if translation.changes_if_new is not None:
            self.changes_by_item[len(self.items)] = translation.changes_if_new
        self.items += [(index, item) for item in translation.items]
        self._acting_users |= {item["user"] for item in translation.items}
        self._anonymous |= translation.users & {translation.anonymous}
        self._identified |= translation.users - {translation.anonymous}


def translate(
    raw: Any,
    kind: str | None,
    mapping: SegmentMapping,
    target_exists: TargetExists,
    *,
    arrived_at: datetime,
    shared: Mapping[str, Any],
    sent_at: Any = None,
) -> Translation:
    """Translate one message. Raises InvalidItem; `read_message` describes the arguments."""
    message = read_message(raw, kind, arrived_at=arrived_at, shared=shared, sent_at=sent_at)
    translation = _translate(message, mapping, target_exists)
    return replace(translation, anonymous=message.user) if message.is_anonymous else translation


def _translate(message: SegmentMessage, mapping: SegmentMapping, target_exists: TargetExists) -> Translation:
    match message.kind:
        case "identify":
            return _translate_identify(message, mapping)
        case "group":
            return Translation(changes=_changes_of_group(message))
        case "alias":
            return Translation(link=_link(message))
        case "track":
            items, consent = items_of_track(message, mapping, target_exists)
            stated: dict[str, Any] = {str(channel): state for channel, state in consent.items()}
            changes = {"id": message.user, "consent": {**stated, EFFECTIVE_AT: message.at}}
            return Translation(items, changes_if_new=changes if consent else None)
        case _:
            return Translation(items_of_page(message))


def split_into_chunks(translations: Iterable[tuple[int, Translation]]) -> list[MessageChunk]:
    """Split indexed translations into chunks such that a user change applies to exactly the messages after it.

    A change that repeats the user's last one never starts a chunk: SDKs send `identify` before every `track`.
    """
    chunks = [MessageChunk()]
    links: set[IdPair] = set()
    last_changes: dict[str, dict[str, Any]] = {}
    for index, one in translations:
        is_repeated = one.link in links or (
            one.changes is not None and last_changes.get(one.changes["id"]) == one.changes
        )
        must_separate = not is_repeated and len(chunks) < MAX_ORDERED_CHUNKS and chunks[-1].would_reorder(one)
        if must_separate or not chunks[-1].has_room(one):
            chunks.append(MessageChunk())
        chunks[-1].add(index, one)
        if one.link is not None:
            links.add(one.link)
        if one.changes is not None:
            last_changes[one.changes["id"]] = one.changes
    return chunks


def _translate_identify(message: SegmentMessage, mapping: SegmentMapping) -> Translation:
    """Return the changes of an `identify`, in the form of PATCH.

    A trait that is mapped to a field goes there if its value is valid; any other becomes an attribute under its own
    name, unless that is the name of a field (A1). Null clears. RudderStack's SDKs send the traits in `context`. Phones
    report their zone as `context.timezone`, which a trait overrides.

    Raises:
        InvalidItem: a trait holds a value that no database can store.
    """
    changes: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    warnings: list[str] = []
    zone = {"time_zone": _own_zone(message)}
    for name, value in {**_context_traits(message), **message.sections["traits"]}.items():
        field_name = mapping.traits.get(name, "attribute")
        if field_name in _TEXT_FIELDS and (text := convert_to_text(value)) is not None:
            value = text
        if field_name != "attribute" and _is_valid(field_name, value):
            changes[field_name] = _CLEARED.get(field_name) if value is None else value
        elif field_name == "attribute" and name not in PROFILE_FIELDS:
            attributes[name] = REMOVED if value is None else value
        else:
            is_kept = name not in PROFILE_FIELDS and value != ""
            attributes |= {name: value} if is_kept else {}
            rest = "was stored as an attribute" if is_kept else "was left out"
            is_field = field_name != "attribute"
            fault = f"is not a value of the field {field_name}" if is_field else "has the name of a profile field"
            warnings.append(f"{name}: {fault}; it {rest}")
    changes = {"id": message.user, **{name: one for name, one in zone.items() if one}, **changes}
    changes = _check_storable({**changes, **({"attributes": attributes} if attributes else {})})
    return Translation(changes=changes, warnings=[*address_warnings(changes), *warnings])


def _own_zone(message: SegmentMessage) -> str | None:
    """Return the zone in the message's own context; a batch's context is its sender's."""
    zone = value_at("context.timezone", message.raw)
    return zone if isinstance(zone, str) and _is_valid("time_zone", zone) else None


def _changes_of_group(message: SegmentMessage) -> dict[str, Any]:
    """Return the changes of a `group`: the group's id and its traits, as attributes. Raises InvalidItem."""
    group_id = id_at(message.raw, "groupId", max_characters=MAX_TEXT_CHARACTERS)
    if group_id is None:
        raise InvalidItem("groupId: is missing; it names the group that the user belongs to")
    attributes = {"group_id": group_id, "group": dict(message.sections["traits"])}
    return _check_storable({"id": message.user, "attributes": attributes})


def _link(message: SegmentMessage) -> IdPair:
    previous_id = id_at(message.raw, "previousId", max_characters=MAX_TEXT_CHARACTERS)
    if previous_id is None:
        raise InvalidItem("previousId: is missing; it is the id that the user had before")
    return IdPair(previous_id, message.user, message.is_anonymous)


def _check_storable(changes: dict[str, Any]) -> dict[str, Any]:
    if problem := storage_problem(changes):
        raise InvalidItem(f"traits: {problem}")
    return changes


def _context_traits(message: SegmentMessage) -> Mapping[str, Any]:
    traits = message.sections["context"].get("traits")
    return traits if isinstance(traits, Mapping) else {}


def _is_valid(field_name: str, value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str) and not value.strip():  # a form that was left empty clears nothing
        return False
    try:
        User.model_validate({"id": "any", field_name: value})
    except ValidationError:
        return False
    return True
