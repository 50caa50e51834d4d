"""Taking in messages of Segment's protocol: in portions, each a transaction, in the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.app.context import AppContext
from connector.ingest.intake import IngestResult, ItemResult
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import InvalidItem
from connector.rules.model.users import ERASED_FAULT
from connector.segment.envelope import has_time
from connector.segment.mapping import SegmentMapping
from connector.segment.translation import Chunk, Translation, split_into_chunks, translate
from connector.store.engine.database import database_now
from connector.store.users.linking import Linked, link_ids

MOST_ITEMS = 10_000
"""What the messages of one request may become together: a few large orders, not a flood out of a small body."""

_UNLINKED: dict[Linked, str] = {
    "erased": ERASED_FAULT,
    "two_users": "previousId: both ids have a history already, and two histories are not merged; "
    "send alias before anything that the user does under the new id",
    "too_large": "previousId: what is known of both ids together would be more than is kept of one user",
}


@dataclass
class SegmentResult:
    """What became of the messages. `faults` has, by their places, those that could not be taken."""

    faults: dict[int, str] = field(default_factory=dict)
    results: list[ItemResult] = field(default_factory=list)


async def ingest_messages(
    context: AppContext,
    mapping: SegmentMapping,
    messages: Sequence[Any],
    *,
    kind: str | None = None,
    shared: Mapping[str, Any] | None = None,
) -> SegmentResult:
    """Take messages in; one that cannot be taken stops no other.

    Args:
        kind: what all of them are; None: each says so by its `type`.
        shared: the batch's own `context`.

    Raises:
        StoreUnavailable: not everything was stored; all of it may be sent again as it is.
    """
    taken = SegmentResult()
    found = await _become(context, mapping, messages, kind, shared or {}, taken.faults)
    for portion in split_into_chunks(found):
        await _link(context, portion, taken)
        await _take(context, portion, taken)
    return taken


async def _become(
    context: AppContext,
    mapping: SegmentMapping,
    messages: Sequence[Any],
    kind: str | None,
    shared: Mapping[str, Any],
    faults: dict[int, str],
) -> list[tuple[int, Translation]]:
    arrived_at = await _arrival(context, messages)
    known = _known_in(await _catalogue(context, mapping, messages))
    found: list[tuple[int, Translation]] = []
    room = MOST_ITEMS
    for index, message in enumerate(messages):
        try:
            one = translate(message, kind, mapping, known, arrived_at=arrived_at, shared=shared)
            if len(one.items) > room:
                raise InvalidItem(f"products: the batch would become more than {MOST_ITEMS} items; send several")
            room -= len(one.items)
            found.append((index, one))
        except InvalidItem as fault:
            faults[index] = str(fault)
    return found


async def _arrival(context: AppContext, messages: Sequence[Any]) -> datetime:
    """The database's time, for messages without one: the same clock that says what was published when."""
    if all(has_time(message) for message in messages):
        return datetime.min
    async with context.database.read(context.workspace) as tx:
        return await database_now(tx)


async def _catalogue(context: AppContext, mapping: SegmentMapping, messages: Sequence[Any]) -> Catalogue:
    """The newest catalogue, where some message may be an interaction with something in it."""
    events = (message.get("event") for message in messages if isinstance(message, Mapping))
    needed = any(mapping.names_targets(event) for event in events)
    return await context.cache.at_least(context.database, None if needed else 0)


def _known_in(catalogue: Catalogue) -> Any:
    def known(kind: str, id: str) -> bool:
        entry = catalogue.entries.get(id)
        return entry is not None and entry.is_card == (kind == "card")

    return known


async def _link(context: AppContext, portion: Chunk, taken: SegmentResult) -> None:
    """A transaction of its own: it locks users in an order that the one of the items would cross."""
    if not portion.links:
        return
    async with context.database.write(context.workspace) as tx:
        now = await database_now(tx)
        outcomes = await link_ids(tx, [pair for _, pair in portion.links], now)
    for (index, _), outcome in zip(portion.links, outcomes, strict=True):
        if outcome in _UNLINKED:
            taken.faults[index] = _UNLINKED[outcome]


async def _take(context: AppContext, portion: Chunk, taken: SegmentResult) -> None:
    items, changes = [item for _, item in portion.items], [change for _, change in portion.changes]
    if not items and not changes:
        return
    done = await context.intake.ingest_with_users(items, changes, portion.changes_by_item)
    taken.results += done.results
    _note_faults(portion, done, taken.faults)


def _note_faults(portion: Chunk, done: IngestResult, faults: dict[int, str]) -> None:
    for (index, _), result in zip(portion.items, done.results, strict=True):
        if result.fault is not None:
            faults.setdefault(index, result.fault)
    for place, fault in done.faults.items():
        index, _ = portion.changes[place]
        faults.setdefault(index, fault)
