"""Parse reported items and user changes from wire form, and derive an id for items that have none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, get_args

from pydantic import ValidationError

from connector.definitions.faults import describe_faults
from connector.rules.model.errors import InvalidItem
from connector.rules.model.interactions import ON_ARRIVAL, Event, Interaction, InteractionType, Item, derive_id
from connector.rules.model.users import User
from connector.rules.model.values import show_value, storage_problem
from connector.rules.targeting.client_reports import UNNAMED, ClientReports, set_apart
from connector.tracing import Context, current_context

_INTERACTION_TYPES = frozenset(kind.value for kind in InteractionType)
_EVENT_TYPES = frozenset(get_args(Event.model_fields["type"].annotation))
_TYPES = _INTERACTION_TYPES | _EVENT_TYPES


@dataclass(frozen=True)
class UnreadableItem:
    """An item that could not be parsed: what was wrong and would be right, and the id that it had, if any."""

    fault: str
    id: str | None


ParsedItem = Item | UnreadableItem


def read_item(data: Any) -> ParsedItem:
    """Parse one interaction or event from wire form and give it an id; a fault is part of the result, not raised.

    The result of an earlier parsing is returned unchanged.
    """
    if isinstance(data, UnreadableItem):
        return data
    try:
        return ensure_id(parse_item(data))
    except InvalidItem as fault:
        return _unreadable(data, fault)


def read_client_item(data: Any, client: ClientReports) -> ParsedItem:
    """Parse a client's item as `read_item` does; what the client may not report is a fault, too."""
    try:
        item = ensure_id(parse_item(client.bind(data, "user")))
        client.check_item(item)
        return item
    except InvalidItem as fault:
        return _unreadable(data, fault)


def own_client_item(data: Mapping[str, Any], client: ClientReports) -> dict[str, Any]:
    """Return a client's item in wire form with its id in the log. Raises InvalidItem if it may not report the item."""
    item = ensure_id(parse_item(data))
    client.check_item(item)
    return {**data, "id": set_apart(item).id}


def _unreadable(data: Any, fault: InvalidItem) -> UnreadableItem:
    id = data.get("id") if isinstance(data, Mapping) else getattr(data, "id", None)
    return UnreadableItem(str(fault), id if isinstance(id, str) else None)


def parse_item(data: Any) -> Item:
    """Parse one interaction or event from wire form (design 8); models are returned unchanged.

    Without `occurred_at`, or with null, the item happens when it arrives (`settle_arrival`).

    Raises:
        InvalidItem: names the field, its problem, and the correction.
    """
    if isinstance(data, Interaction | Event):
        return data
    if not isinstance(data, Mapping):
        raise InvalidItem("an interaction is an object with user, type and what the type needs")
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidItem(
            f"type: {show_value(kind)} is unknown; it is one of {', '.join(sorted(_TYPES))} "
            "(a custom event has the type event and a name)"
        )
    if "occurred_at" in data and data["occurred_at"] is None:
        data = {name: value for name, value in data.items() if name != "occurred_at"}
    model: type[Interaction | Event] = Interaction if kind in _INTERACTION_TYPES else Event
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidItem("; ".join(map(str, describe_faults(error, model, data)))) from None


def with_time(data: Mapping[str, Any], at: Any) -> dict[str, Any]:
    """Return an item in wire form that happened at `at`, unless it has a time of its own."""
    return {**data, "occurred_at": at} if data.get("occurred_at") is None else dict(data)


def ensure_id(item: Item) -> Item:
    """Return the item with an id, derived if missing from user, type, target or name, properties and second (M6).

    An item whose second is that of its arrival gets its id then.
    """
    if item.id is not None or item.occurred_at == ON_ARRIVAL:
        return item
    second = item.occurred_at.replace(microsecond=0).timestamp()
    kind = "card" if isinstance(item, Interaction) and item.card is not None else "campaign"
    facts = [item.user, item.name_or_type, kind, item.target, item.properties, second]
    return item.model_copy(update={"id": derive_id(facts)})


def settle_arrival(item: ParsedItem, now: datetime) -> ParsedItem:
    """Return an item that was reported without a time with that of its arrival, and with an id (M6, M7)."""
    if isinstance(item, UnreadableItem) or item.occurred_at != ON_ARRIVAL:
        return item
    id = None if item.id == UNNAMED else item.id
    settled = ensure_id(item.model_copy(update={"id": id, "occurred_at": now}))
    return set_apart(settled) if item.id == UNNAMED else settled


def find_user_fault(changes: Any) -> str | None:
    """Return what is wrong with reported changes of a user; None if they are well formed."""
    if problem := storage_problem(changes):
        return problem
    try:
        User.model_validate(changes)
    except ValidationError as error:
        return str(describe_faults(error, User, changes)[0])
    return None


@dataclass(frozen=True)
class IngestRequest:
    """One batch of items and user changes.

    Args:
        users: changes that apply before the items.
        changes_by_item: changes that apply only if an item is new, by its position.
        anonymous: the ids that the batch uses only as anonymous ones, or read from the store (`resolve_and_lock`).
        span: the span of the batch, to which the follow-ups belong that it begins.
    """

    items: Sequence[ParsedItem]
    users: Sequence[Any] = ()
    changes_by_item: Mapping[int, Any] = field(default_factory=dict)
    anonymous: Collection[str] = ()
    span: Context | None = field(default_factory=current_context)

    @property
    def size(self) -> int:
        """How many items the batch has."""
        return len(self.items)

    @property
    def may_follow(self) -> bool:
        """Whether other batches may come before it in a transaction: user changes apply to all later items."""
        return not self.users and not self.changes_by_item

    @cached_property
    def names(self) -> frozenset[str]:
        """The users of the batch."""
        readable = [item for item in self.items if not isinstance(item, UnreadableItem)]
        return frozenset([item.user for item in readable] + [changes["id"] for changes in self.users])
