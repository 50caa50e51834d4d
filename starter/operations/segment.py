"""Ingests messages of Segment's protocol in chunks, each a transaction, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connector.app.context import AppContext
from connector.ingest.intake import IngestResult, ItemResult
from connector.ingest.parsing import own_client_item
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import InvalidItem
from connector.rules.model.joining import NEEDS_MANAGE, Joiner, JoinRefusal
from connector.rules.model.users import ERASED_FAULT
from connector.rules.targeting.client_reports import ClientReports
from connector.segment.envelope import needs_arrival
from connector.segment.events import TargetExists
from connector.segment.mapping import SegmentMapping
from connector.segment.translation import MessageChunk, Translation, split_into_chunks, translate
from connector.store.engine.database import database_now
from connector.store.users.linking import link_ids

MAX_ITEMS = 10_000
"""Items that the messages of one request may become: a few large orders, but no flood out of a small body."""

_REFUSED_JOINS: dict[JoinRefusal, str] = {
    JoinRefusal.ERASED: ERASED_FAULT,
    JoinRefusal.UNSEEN: "previousId: no request has used this id yet; whoever signs up with it later would be this "
    "user. Send something with it as anonymousId before, or use a key that also has the scope manage",
    JoinRefusal.IDENTIFIED: "previousId: this id is a user's own; without the scope manage only an id that was never "
    "used but as anonymousId can be joined into a user",
    JoinRefusal.TWO_HISTORIES: "previousId: both ids have a history already, and two histories are not merged; "
    "send alias before anything that the user does under the new id",
    JoinRefusal.TOO_LARGE: "previousId: the data of both ids together would exceed what is kept of one user",
}


@dataclass
class SegmentResult:
    """The results of the items that messages became, and in `faults`, by index, the messages that were refused.

    `warnings` has, by index, the problems of accepted messages. `forbidden` has the indexes of those that
    were refused because the key lacks `manage`.
    """

    faults: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, Sequence[str]] = field(default_factory=dict)
    results: list[ItemResult] = field(default_factory=list)
    forbidden: set[int] = field(default_factory=set)


async def ingest_messages(
    context: AppContext,
    mapping: SegmentMapping,
    messages: Sequence[Any],
    joiner: Joiner,
    *,
    kind: str | None = None,
    shared: Mapping[str, Any] | None = None,
    sent_at: Any = None,
    limits: ClientReports | None = None,
) -> SegmentResult:
    """Ingest messages. A message that is refused does not affect the others.

    Args:
        joiner: who sends them, and may join ids.
        kind: the type of all messages; None: each has its own `type`.
        shared: the `context` of the batch, and `sent_at` its `sentAt`.
        limits: what the sender may report; None: a server may report everything.

    Raises:
        StoreUnavailable: not everything was stored; the same messages may be sent again.
    """
    result = SegmentResult()
    if limits is not None:
        messages = [_bind(message, limits) for message in messages]
    of_batch = {"shared": shared or {}, "sent_at": sent_at}
    translations = await _translate_all(context, mapping, messages, kind, of_batch, result.faults)
    if limits is not None:
        translations = list(_permitted(translations, limits, result.faults))
    for chunk in split_into_chunks(translations):
        await _link_users(context, chunk, joiner, result)
        await _ingest_items(context, chunk, result)
    accepted = ((index, one) for index, one in translations if one.warnings and index not in result.faults)
    result.warnings |= {index: one.warnings for index, one in accepted}
    return result


async def _translate_all(
    context: AppContext,
    mapping: SegmentMapping,
    messages: Sequence[Any],
    kind: str | None,
    of_batch: Mapping[str, Any],
    faults: dict[int, str],
) -> list[tuple[int, Translation]]:
    arrived_at = await _arrival_time(context, messages, of_batch["sent_at"])
    target_exists = _target_lookup(await _load_catalogue(context, mapping, messages))
    translations: list[tuple[int, Translation]] = []
    remaining = MAX_ITEMS
    for index, message in enumerate(messages):
        try:
            translation = translate(message, kind, mapping, target_exists, arrived_at=arrived_at, **of_batch)
            if len(translation.items) > remaining:
                raise InvalidItem(f"products: the batch would become more than {MAX_ITEMS} items; send several")
            remaining -= len(translation.items)
            translations.append((index, translation))
        except InvalidItem as fault:
            faults[index] = str(fault)
    return translations


def _bind(message: Any, limits: ClientReports) -> Any:
    """Return a client's message with the user of its token, if it names none.

    What SDKs always send is dropped: the `anonymousId`, because a client joins no ids, and the zone in the `context`,
    unless a client may change it.
    """
    if not isinstance(message, Mapping):
        return message
    bound = {name: value for name, value in message.items() if name != "anonymousId"}
    if bound.get("userId") in (None, ""):
        bound["userId"] = limits.user
    context = bound.get("context")
    if isinstance(context, Mapping) and "time_zone" not in limits.attributes:
        bound["context"] = {name: value for name, value in context.items() if name != "timezone"}
    return bound


def _permitted(
    translations: Iterable[tuple[int, Translation]], limits: ClientReports, faults: dict[int, str]
) -> Iterator[tuple[int, Translation]]:
    """Yield the messages that a client may send; the others get a fault."""
    for index, translation in translations:
        try:
            if translation.link is not None:
                raise InvalidItem("type: a client joins no ids; send alias from a server")
            items = [own_client_item(item, limits) for item in translation.items]
            for changes in (translation.changes, translation.changes_if_new):
                if changes is not None:
                    limits.check_changes(changes)
            yield index, replace(translation, items=items)
        except InvalidItem as fault:
            faults[index] = str(fault)


async def _arrival_time(context: AppContext, messages: Sequence[Any], sent_at: Any) -> datetime:
    """Return the database's time, for messages that need it: publications use the same clock."""
    if not any(needs_arrival(message, sent_at) for message in messages):
        return datetime.min
    async with context.database.read(context.workspace) as tx:
        return await database_now(tx)


async def _load_catalogue(context: AppContext, mapping: SegmentMapping, messages: Sequence[Any]) -> Catalogue:
    """Return the catalogue: the newest if a message may be an interaction with a campaign or card."""
    events = (message.get("event") for message in messages if isinstance(message, Mapping))
    needs_newest = any(mapping.names_targets(event) for event in events)
    return await context.cache.at_least(context.database, None if needs_newest else 0)


def _target_lookup(catalogue: Catalogue) -> TargetExists:
    def target_exists(kind: str, id: str) -> bool:
        entry = catalogue.entries.get(id)
        return entry is not None and entry.is_card == (kind == "card")

    return target_exists


async def _link_users(context: AppContext, chunk: MessageChunk, joiner: Joiner, result: SegmentResult) -> None:
    """Link ids in a transaction of its own, which locks users in another order than that of the items."""
    if not chunk.links:
        return
    async with context.database.write(context.workspace) as tx:
        now = await database_now(tx)
        outcomes = await link_ids(tx, [pair for _, pair in chunk.links], joiner, now)
    for (index, _), outcome in zip(chunk.links, outcomes, strict=True):
        if isinstance(outcome, JoinRefusal):
            result.faults[index] = _REFUSED_JOINS[outcome]
            result.forbidden |= {index} if outcome in NEEDS_MANAGE else set()


async def _ingest_items(context: AppContext, chunk: MessageChunk, result: SegmentResult) -> None:
    items, changes = [item for _, item in chunk.items], [change for _, change in chunk.changes]
    if not items and not changes:
        return
    ingested = await context.intake.ingest_with_users(items, changes, chunk.changes_by_item, anonymous=chunk.anonymous)
    result.results += ingested.results
    _add_faults(chunk, ingested, result.faults)


def _add_faults(chunk: MessageChunk, ingested: IngestResult, faults: dict[int, str]) -> None:
    for (index, _), item in zip(chunk.items, ingested.results, strict=True):
        if item.fault is not None:
            faults.setdefault(index, item.fault)
    for place, fault in ingested.faults.items():
        index, _ = chunk.changes[place]
        faults.setdefault(index, fault)
