"""What one message becomes, and the portions in which many are taken in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.rules.model.errors import InvalidItem
from connector.segment.envelope import MAX_ID_CHARACTERS, SegmentMessage, id_at, read_message
from connector.segment.events import TargetExists, items_of_track, items_of_page
from connector.segment.mapping import SegmentMapping
from connector.segment.users import changes_of_group, changes_of_identify

MAX_CHUNK_SIZE = 1000
"""Items, users and links of one portion, each; a portion is one transaction."""

MAX_ORDERED_CHUNKS = 100
"""Portions in which the order is kept: a small request must not become a thousand transactions. After that, what is
told of a user may hold for what the same user did before it in the same request."""


@dataclass(frozen=True)
class Translation:
    """What a message becomes.

    Args:
        items: in wire form (design 8).
        changes: of the user, as PATCH takes them, with the id; None: it says nothing of the user.
        told: the same, but resting on the first of the items: it holds only where that is new.
        link: (previous id, id): two ids of one user.
    """

    items: Sequence[dict[str, Any]] = ()
    changes: dict[str, Any] | None = None
    told: dict[str, Any] | None = None
    link: tuple[str, str] | None = None


@dataclass
class Chunk:
    """Messages that are taken in together: links first, then changes of users, then items. Each with its index.

    `changes_by_item` has, by the place of an item, what it tells of its user where it is new.
    """

    links: list[tuple[int, tuple[str, str]]] = field(default_factory=list)
    changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    items: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    changes_by_item: dict[int, dict[str, Any]] = field(default_factory=dict)
    _acted: set[str] = field(default_factory=set)
    _described: set[str] = field(default_factory=set)

    def has_room(self, one: Translation) -> bool:
        """Whether it would not be too many."""
        full = max(len(self.links), len(self.changes)) >= MAX_CHUNK_SIZE
        return not full and len(self.items) + len(one.items) <= MAX_CHUNK_SIZE

    def would_reorder(self, one: Translation) -> bool:
        """Whether it would come before something of the same ids that it followed."""
        if one.link is not None:
            return not (self._acted | self._described).isdisjoint(one.link)
        return one.changes is not None and one.changes["id"] in self._acted

    def add(self, index: int, one: Translation) -> None:
        """Take one more."""
        if one.link is not None:
            self.links.append((index, one.link))
        if one.changes is not None:
            self.changes.append((index, one.changes))
            self._described.add(one.changes["id"])
        if one.changes_if_new is not None:
            self.changes_by_item[len(self.items)] = one.changes_if_new
        self.items += [(index, item) for item in one.items]
        self._acted |= {item["user"] for item in one.items}


def translate(
    raw: Any,
    kind: str | None,
    mapping: SegmentMapping,
    known: TargetExists,
    *,
    arrived_at: datetime,
    shared: Mapping[str, Any],
) -> Translation:
    """What one message becomes. Raises InvalidItem; see `read_message` for what is given."""
    message = read_message(raw, kind, arrived_at=arrived_at, shared=shared)
    match message.kind:
        case "identify":
            return Translation(changes=changes_of_identify(message, mapping))
        case "group":
            return Translation(changes=changes_of_group(message))
        case "alias":
            return Translation(link=_link(message))
        case "track":
            items, consent = items_of_track(message, mapping, known)
            return Translation(items, changes_if_new={"id": message.user, "consent": consent} if consent else None)
        case _:
            return Translation(items_of_page(message))


def split_into_chunks(all_of_them: Iterable[tuple[int, Translation]]) -> list[Chunk]:
    """The portions in which to take them in, in their order: what is told of a user holds for what comes after.

    What was told already changes nothing, wherever it stands: SDKs say `identify` before every `track`.
    """
    found = [Chunk()]
    linked: set[tuple[str, str]] = set()
    described: dict[str, dict[str, Any]] = {}
    for index, one in all_of_them:
        known = one.link in linked or (one.changes is not None and described.get(one.changes["id"]) == one.changes)
        apart = not known and len(found) < MAX_ORDERED_CHUNKS and found[-1].would_reorder(one)
        if apart or not found[-1].has_room(one):
            found.append(Chunk())
        found[-1].add(index, one)
        if one.link is not None:
            linked.add(one.link)
        if one.changes is not None:
            described[one.changes["id"]] = one.changes
    return found


def _link(message: SegmentMessage) -> tuple[str, str]:
    previous = id_at(message.raw, "previousId", longest=MAX_ID_CHARACTERS)
    if previous is None:
        raise InvalidItem("previousId: is missing; it is the id that the user had before")
    return previous, message.user
