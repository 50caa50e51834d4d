"""What one message becomes, and the portions in which many are taken in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.rules.errors import InvalidItem
from connector.segment.envelope import LONGEST_ID, Message, id_at, read_message
from connector.segment.events import Known, tracked, viewed
from connector.segment.mapping import SegmentMapping
from connector.segment.people import grouped, identified

MOST_IN_A_PORTION = 1000
"""Items, users and links of one portion, each; a portion is one transaction."""


@dataclass(frozen=True)
class Becomes:
    """What a message becomes.

    Args:
        items: in wire form (design 8).
        changes: of the user, as PATCH takes them, with the id; None: it says nothing of the user.
        link: (previous id, id): two ids of one user.
    """

    items: Sequence[dict[str, Any]] = ()
    changes: dict[str, Any] | None = None
    link: tuple[str, str] | None = None

    @property
    def users(self) -> set[str]:
        """The ids that its items and changes are about."""
        return {item["user"] for item in self.items} | ({self.changes["id"]} if self.changes else set())


@dataclass
class Portion:
    """Messages that are taken in together: links first, then changes of users, then items. Each with its index."""

    links: list[tuple[int, tuple[str, str]]] = field(default_factory=list)
    changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    items: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _users: set[str] = field(default_factory=set)

    def takes(self, one: Becomes) -> bool:
        """Whether it can stand in this portion without coming before what it followed, and without being too many."""
        if one.link is not None and not self._users.isdisjoint(one.link):
            return False
        full = max(len(self.links), len(self.changes)) >= MOST_IN_A_PORTION
        return not full and len(self.items) + len(one.items) <= MOST_IN_A_PORTION

    def add(self, index: int, one: Becomes) -> None:
        """Take one more."""
        if one.link is not None:
            self.links.append((index, one.link))
        if one.changes is not None:
            self.changes.append((index, one.changes))
        self.items += [(index, item) for item in one.items]
        self._users |= one.users


def becomes(
    raw: Any,
    kind: str | None,
    mapping: SegmentMapping,
    known: Known,
    *,
    arrived_at: datetime,
    shared: Mapping[str, Any],
) -> Becomes:
    """What one message becomes. Raises InvalidItem; see `read_message` for what is given."""
    message = read_message(raw, kind, arrived_at=arrived_at, shared=shared)
    match message.kind:
        case "identify":
            return Becomes(changes=identified(message, mapping))
        case "group":
            return Becomes(changes=grouped(message))
        case "alias":
            return Becomes(link=_link(message))
        case "track":
            items, consent = tracked(message, mapping, known)
            return Becomes(items, {"id": message.user, "consent": consent} if consent else None)
        case _:
            return Becomes(viewed(message))


def portions(all_of_them: Iterable[tuple[int, Becomes]]) -> list[Portion]:
    """The portions in which to take them in, in their order: what is told of a user holds for what comes after."""
    found: list[Portion] = []
    for index, one in all_of_them:
        if not found or not found[-1].takes(one):
            found.append(Portion())
        found[-1].add(index, one)
    return found


def _link(message: Message) -> tuple[str, str]:
    previous = id_at(message.raw, "previousId", longest=LONGEST_ID)
    if previous is None:
        raise InvalidItem("previousId: is missing; it is the id that the user had before")
    return previous, message.user
