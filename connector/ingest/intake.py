"""Ingest what users did: one short transaction per batch, in which new items are logged and evaluated (design 3).

The number of statements depends neither on the size of the batch nor on the number of campaigns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal

from connector import tracing
from connector.ingest.evaluation import BatchEvaluation
from connector.ingest.parsing import IngestRequest, ParsedItem, UnreadableItem, read_item, settle_arrival
from connector.metrics import INGESTS, ITEMS_INGESTED
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.interactions import (
    Interaction,
    Item,
    LogEntry,
    create_log_entry,
    dispatch_of,
    is_too_old,
    log_horizon,
)
from connector.rules.model.users import ERASED_FAULT
from connector.rules.results.conversions import count_conversions, log_needed_since, log_topics_needed
from connector.rules.targeting.deduplication import Engagement, engagement_of, is_duplicate
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.group_commit import GroupCommit
from connector.store.engine.transaction import Transaction
from connector.store.users.descriptions import Changes, merge_users
from connector.store.users.log import (
    draw_arrival_numbers,
    insert_new_entries,
    load_engagements,
    load_items,
    load_seen_dispatches,
)
from connector.store.users.users import resolve_and_lock

Status = Literal["accepted", "duplicate", "invalid"]


@dataclass(frozen=True)
class ItemResult:
    """The result of one item or description.

    Args:
        fault: the problem of an invalid item or description, and the correction.
        warnings: the problems of the addresses of an accepted description (`address_warnings`).
    """

    status: Status
    id: str | None = None
    fault: str | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class IngestResult:
    """The results of a batch.

    Args:
        results: one per item, in their order.
        changed: whether follow-ups began or ended.
        faults: why user changes were not merged, by their positions.
    """

    results: list[ItemResult]
    changed: bool
    faults: Mapping[int, str] = field(default_factory=dict)


class Intake:
    """Ingests items for one workspace.

    Args:
        retention: how long the log is kept; an item that is older is refused as `stale`.
    """

    def __init__(self, database: Database, cache: CatalogueCache, workspace: str, *, retention: timedelta) -> None:
        self._database, self._cache, self._workspace = database, cache, workspace
        self._retention = retention
        self._batches = GroupCommit(self._ingest_together, max_transactions=database.max_group_transactions)

    @property
    def idle(self) -> asyncio.Event:
        """Set while no batch is ingested; deferrable work slows down until then."""
        return self._batches.idle

    async def ingest(self, items: Sequence[Any], *, anonymous: Collection[str] = ()) -> list[ItemResult]:
        """Ingest a batch in one transaction. Follow-ups are stored but not started; the outbox starts them.

        Args:
            items: interactions and events, as models or in wire form; an invalid one does not affect the others.
            anonymous: ids of users that the items use only as anonymous ones, or that were read from the store; all
                others are identified by this use (`resolve_and_lock`).

        Raises:
            StoreUnavailable: nothing was stored; the same batch may be sent again.
        """
        return (await self.ingest_with_users(items, [], anonymous=anonymous)).results

    async def ingest_with_users(
        self,
        items: Sequence[Any],
        users: Sequence[Changes],
        changes_by_item: Mapping[int, Changes] | None = None,
        *,
        anonymous: Collection[str] = (),
    ) -> IngestResult:
        """Ingest items and user changes in one transaction; raises as `ingest`, which describes the other arguments.

        Args:
            users: well-formed changes, each in the form of PATCH with its `id`; they apply before the items are
                evaluated, so audiences at the trigger see them.
            changes_by_item: further changes, by the position of an item of the same user; they apply only if that item
                is new, so that a duplicate or refused one changes nothing.
        """
        with INGESTS.time(), tracing.span("ingest", facts={"connector.items": len(items)}) as span:
            request = IngestRequest([read_item(item) for item in items], users, changes_by_item or {}, anonymous)
            ingested = await self._batches.submit(request)
            counts = Counter(result.status for result in ingested.results)
            span.add({f"connector.{status}": number for status, number in counts.items()})
        for status, number in counts.items():
            ITEMS_INGESTED.labels(status).inc(number)
        return ingested

    async def ingest_in_transaction(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        items: Sequence[Any],
        users: Sequence[Changes] = (),
        *,
        anonymous: Collection[str] = (),
    ) -> IngestResult:
        """Ingest items and user changes within a transaction of `with_current_catalogue`; arguments as of `ingest`."""
        parsed = [read_item(item) for item in items]
        return await _BatchIngest(tx, catalogue, parsed, self._retention, anonymous).run(users, {})

    async def _ingest_together(self, requests: Sequence[IngestRequest]) -> list[IngestResult]:
        """Ingest several batches in one transaction; only the first may have user changes."""
        items = [item for request in requests for item in request.items]
        anonymous = {id for request in requests for id in request.anonymous}  # no two requests name the same user
        spans = {user: request.span for request in requests if request.span for user in request.names}

        async def ingest(tx: Transaction, catalogue: Catalogue) -> IngestResult:
            batch = _BatchIngest(tx, catalogue, items, self._retention, anonymous, spans)
            return await batch.run(requests[0].users, requests[0].changes_by_item)

        facts, others = {"connector.requests": len(requests)}, [request.span for request in requests[1:]]
        with tracing.span("ingest transaction", facts=facts, links=others):
            ingested = await with_current_catalogue(self._database, self._cache, self._workspace, ingest)
        results = iter(ingested.results)
        return [replace(ingested, results=list(islice(results, len(request.items)))) for request in requests]


class _BatchIngest:
    """The ingestion of one batch within its transaction. `_new` has the items that are not refused, by position."""

    def __init__(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        items: Sequence[ParsedItem],
        retention: timedelta,
        anonymous: Collection[str],
        spans: Mapping[str, tracing.Context] = {},
    ) -> None:
        self._tx, self._catalogue, self._anonymous, self._spans = tx, catalogue, anonymous, spans
        self._horizon, self._parsed = log_horizon(tx.now, retention), items
        items = [settle_arrival(item, tx.now) for item in items]
        self._results = check_items(items, catalogue, tx.now, retention)
        self._new: dict[int, Item] = {
            position: item
            for position, item in enumerate(items)
            if self._results[position].status == "accepted" and not isinstance(item, UnreadableItem)
        }
        self._user_keys: Mapping[str, str] = {}

    async def run(self, users: Sequence[Changes], changes_by_item: Mapping[int, Changes]) -> IngestResult:
        named = {item.user for item in self._new.values()} | {changes["id"] for changes in users}
        if not named:
            return IngestResult(self._results, False)
        self._user_keys = await resolve_and_lock(self._tx, sorted(named), self._tx.now, anonymous=self._anonymous)
        numbers = await self._arrive()
        faults = await merge_users(self._tx, users, self._user_keys, self._tx.now)
        self._refuse_erased()
        self._drop_duplicates(find_duplicates(self._new, self._user_keys, await self._load_reported(), self._tx.now))
        logged = await self._log_new_items(numbers)
        await self._merge_changes_of_new(changes_by_item)
        if not logged:
            return IngestResult(self._results, False, faults)
        await self._add_conversions(logged)
        with tracing.on_behalf_of(
            {self._user_keys[user]: span for user, span in self._spans.items() if user in self._user_keys}
        ):
            changed = await BatchEvaluation(self._tx, self._catalogue, self._horizon).run(logged)
        return IngestResult(self._results, changed, faults)

    async def _arrive(self) -> list[int]:
        """Draw the items' arrival numbers, and date the arrival now that the users are locked (guarantee 3).

        A message that was claimed while their locks were awaited was claimed before the items arrived.
        """
        if not self._new:
            return []
        numbers, arrived_at = await draw_arrival_numbers(self._tx, len(self._new))
        self._tx = self._tx.as_of(arrived_at)
        for position in self._new:
            parsed = self._parsed[position]
            item = settle_arrival(parsed, self._tx.now)
            if item is not parsed and not isinstance(item, UnreadableItem):
                self._new[position], self._results[position] = item, replace(self._results[position], id=item.id)
        return numbers

    def _refuse_erased(self) -> None:
        """Guarantee 8: a late report does not bring an erased user back."""
        for position in [position for position, item in self._new.items() if item.user not in self._user_keys]:
            self._results[position] = ItemResult("invalid", self._new.pop(position).id, ERASED_FAULT)

    def _drop_duplicates(self, positions: Set[int]) -> None:
        for position in positions:
            self._results[position] = replace(self._results[position], status="duplicate")
            del self._new[position]

    async def _load_reported(self) -> Reported:
        """Load what the log has about the pushes, opens, clicks and receipts of the batch."""
        reported = Reported()
        pushes = {position: dispatch for position, item in self._new.items() if (dispatch := dispatch_of(item))}
        if pushes:
            keys = {self._user_keys[self._new[position].user] for position in pushes}
            names = {name for _, name in pushes.values()}
            reported.dispatches |= await load_seen_dispatches(self._tx, keys, names, self._horizon)
        engagements = _engagements(self._new, self._tx.now)
        if engagements:
            keys = {self._user_keys[self._new[position].user] for position in engagements}
            found = await load_engagements(self._tx, keys, engagements.values(), self._horizon)
            for user_key, engagement in found:
                reported.engagements.setdefault(user_key, []).append(engagement)
        return reported

    async def _log_new_items(self, numbers: Sequence[int]) -> dict[str, list[LogEntry]]:
        """Log the items whose ids are new, and return them by user key; there may be more numbers than items."""
        if not self._new:
            return {}
        logged: dict[str, list[LogEntry]] = {}
        for entry in await self._log(list(self._new.values()), numbers):
            logged.setdefault(self._user_keys[entry.item.user], []).append(entry)
        new = {(key, entry.id) for key, entries in logged.items() for entry in entries}
        known = {position for position, item in self._new.items() if (self._user_keys[item.user], item.id) not in new}
        self._drop_duplicates(known)
        return logged

    async def _log(self, items: Sequence[Item], numbers: Sequence[int]) -> list[LogEntry]:
        """Log items by their arrival numbers, and return the entries of those that were not logged yet."""
        entries = [create_log_entry(item, number, self._tx.now) for item, number in zip(items, numbers, strict=False)]
        new = await insert_new_entries(self._tx, entries, self._user_keys, self._horizon)
        return [entry for entry in entries if (self._user_keys[entry.item.user], entry.id) in new]

    async def _merge_changes_of_new(self, changes_by_item: Mapping[int, Changes]) -> None:
        changes = [changes for position, changes in sorted(changes_by_item.items()) if position in self._new]
        await merge_users(self._tx, changes, self._user_keys, self._tx.now)

    async def _add_conversions(self, logged: dict[str, list[LogEntry]]) -> None:
        """Log the conversions that the items make, and add them to `logged` (C1)."""
        needed = {key: log_needed_since(entries, self._catalogue) for key, entries in logged.items()}
        since = {key: at for key, at in needed.items() if at is not None}
        if not since:
            return
        conversions: list[Interaction] = []
        topics = {topic for key in since for topic in log_topics_needed(logged[key], self._catalogue)}
        logs = await load_items(self._tx, since, topics=topics, horizon=self._horizon)
        for key, past in logs.items():
            conversions += count_conversions(logged[key], past, self._catalogue, logged[key][0].item.user)
        if not conversions:
            return
        numbers, _ = await draw_arrival_numbers(self._tx, len(conversions))
        for entry in await self._log(conversions, numbers):
            logged[self._user_keys[entry.item.user]].append(entry)


def check_items(
    items: Sequence[ParsedItem], catalogue: Catalogue, now: datetime, retention: timedelta
) -> list[ItemResult]:
    """Return the result of each item as far as it needs neither its user nor the log: invalid, or accepted."""
    faults = ((item, _fault_of(item, catalogue, now, retention)) for item in items)
    return [ItemResult("accepted" if fault is None else "invalid", item.id, fault) for item, fault in faults]


def _fault_of(item: ParsedItem, catalogue: Catalogue, now: datetime, retention: timedelta) -> str | None:
    if isinstance(item, UnreadableItem):
        return item.fault
    if is_too_old(item, now, retention):
        return f"stale: occurred_at is more than {retention.days} days ago, longer than the log is kept"
    if isinstance(item, Interaction) and catalogue.target_of(item) is None:
        kind = "campaign" if item.campaign is not None else "card"
        return f"{kind}: there is no {kind} {item.target!r}; apply its definition first"
    return None


@dataclass
class Reported:
    """The log's entries about the messages of a batch.

    Args:
        dispatches: (user key, campaign, dispatch) of received pushes.
        engagements: by user key.
    """

    dispatches: set[tuple[str, str, str]] = field(default_factory=set)
    engagements: dict[str, list[Engagement]] = field(default_factory=dict)


def find_duplicates(
    items: Mapping[int, Item], user_keys: Mapping[str, str], reported: Reported, now: datetime
) -> set[int]:
    """Return the positions of items that report what the log or an earlier item of the batch has already.

    An id that came before for the same user is one interaction (M6), a push that several devices of a user received
    (M3), and so are an open or click that another source reported and the receipts of one message.
    """
    duplicates: set[int] = set()
    dispatches, ids = set(reported.dispatches), set[tuple[str, str | None]]()
    for position, item in items.items():
        if (user_keys[item.user], item.id) in ids:
            duplicates.add(position)
        ids.add((user_keys[item.user], item.id))
        if dispatch := dispatch_of(item):
            if (user_keys[item.user], *dispatch) in dispatches:
                duplicates.add(position)
            dispatches.add((user_keys[item.user], *dispatch))
    engagements = {key: list(found) for key, found in reported.engagements.items()}
    for position, engagement in _engagements(items, now).items():
        others = engagements.setdefault(user_keys[items[position].user], [])
        if is_duplicate(engagement, others):
            duplicates.add(position)
        others.append(engagement)
    return duplicates


def _engagements(items: Mapping[int, Item], now: datetime) -> dict[int, Engagement]:
    found = {
        position: engagement_of(item, min(item.occurred_at, now))
        for position, item in items.items()
        if isinstance(item, Interaction)
    }
    return {position: engagement for position, engagement in found.items() if engagement is not None}
