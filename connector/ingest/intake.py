"""Taking in what users did: one short transaction a batch, in which the rules judge what is new (design 3).

The statements of a batch do not grow with its size, nor with the number of campaigns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Literal

from connector.ingest.coalescing import Batch, BatchCoalescer
from connector.ingest.evaluation import BatchEvaluation
from connector.ingest.parsing import ReadItem, Unreadable, read_item
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.interactions import Interaction, Item, LogEntry, create_log_entry, dispatch_of, is_too_old
from connector.rules.model.users import ERASED_FAULT
from connector.rules.results.conversions import count_conversions, log_needed_since
from connector.rules.targeting.deduplication import Engagement, engagement_of, is_duplicate
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.users.log import load_engagements, load_items, seen_dispatches, take_numbers, write_new
from connector.store.users.users import Changes, merge_users, resolve_and_lock

Status = Literal["accepted", "duplicate", "invalid"]


@dataclass(frozen=True)
class ItemResult:
    """What became of one item of a batch. An invalid one says in `fault` what was wrong and what would be right."""

    status: Status
    id: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class IngestResult:
    """What became of a batch's items, in their order, and whether follow-ups began or ended by it.

    `faults` has why which descriptions of users, by their places, were not merged.
    """

    results: list[ItemResult]
    changed: bool
    faults: Mapping[int, str] = field(default_factory=dict)


class Intake:
    """Takes items in for one workspace.

    Args:
        retention: how long the log is kept; what happened before that is refused as `stale`.
    """

    def __init__(self, database: Database, cache: CatalogueCache, workspace: str, *, retention: timedelta) -> None:
        self._database, self._cache, self._workspace = database, cache, workspace
        self._retention = retention
        # SQLite knows one writer at a time; on PostgreSQL others go on while one waits for a user's lock.
        self._gathering = BatchCoalescer(self._ingest_together, at_once=1 if database.dialect == "sqlite" else 4)

    @property
    def idle(self) -> asyncio.Event:
        """Set while no batch is taken in; what can wait goes slowly until then."""
        return self._gathering.idle

    async def ingest(self, items: Sequence[Any]) -> list[ItemResult]:
        """Take a batch in and judge it, all in one transaction; start nothing (the outbox does).

        Args:
            items: interactions and events, as models or in wire form; a bad one stops no other.

        Raises:
            StoreUnavailable: nothing was stored; the batch may be sent again as it is.
        """
        return (await self.ingest_with_users(items, [])).results

    async def ingest_with_users(
        self, items: Sequence[Any], users: Sequence[Changes], changes_by_item: Mapping[int, Changes] | None = None
    ) -> IngestResult:
        """The same with descriptions of users, which hold before the items are judged (the audience at the trigger).

        Args:
            users: each as PATCH takes it, with its `id`, and well formed.
            told_by: the same by the place of the item that tells it, and whose user it describes: it holds only where
                that item is new, so that a repeated or refused one changes nothing.
        """

        return await self._gathering.submit(Batch([read_item(item) for item in items], users, changes_by_item or {}))

    async def _ingest_together(self, batches: Sequence[Batch]) -> list[IngestResult]:
        """Several batches in one transaction; only the first may describe users."""
        read = [item for batch in batches for item in batch.items]

        async def ingest(tx: Transaction, catalogue: Catalogue) -> IngestResult:
            return await self._take(tx, catalogue, read, batches[0].users, batches[0].changes_by_item)

        taken = await with_current_catalogue(self._database, self._cache, self._workspace, ingest)
        results = iter(taken.results)
        return [replace(taken, results=list(islice(results, len(batch.items)))) for batch in batches]

    async def ingest_in_transaction(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        items: Sequence[Any],
        users: Sequence[Changes] = (),
        changes_by_item: Mapping[int, Changes] | None = None,
    ) -> IngestResult:
        """The same inside a transaction of `with_current_catalogue`."""
        read = [read_item(item) for item in items]
        return await self._take(tx, catalogue, read, users, changes_by_item or {})

    async def _take(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        items: Sequence[ReadItem],
        users: Sequence[Changes],
        changes_by_item: Mapping[int, Changes],
    ) -> IngestResult:
        return await _Batch(tx, catalogue, self._retention).submit(items, users, changes_by_item)


class _Batch:
    """One batch on its way through the transaction."""

    def __init__(self, tx: Transaction, catalogue: Catalogue, retention: timedelta) -> None:
        self._tx, self._catalogue = tx, catalogue
        self._now, self._retention = tx.now, retention
        self._results: list[ItemResult] = []
        self._changed = False

    async def submit(
        self, items: Sequence[ReadItem], users: Sequence[Changes], changes_by_item: Mapping[int, Changes]
    ) -> IngestResult:
        wanted = self._well_formed(items)
        named = {item.user for item in wanted.values()} | {changes["id"] for changes in users}
        if not named:
            return IngestResult(self._results, False)
        user_keys = await resolve_and_lock(self._tx, sorted(named), self._now)
        faults = await merge_users(self._tx, users, user_keys)
        await self._take(wanted, user_keys, changes_by_item)
        return IngestResult(self._results, self._changed, faults)

    async def _take(
        self, wanted: dict[int, Item], user_keys: Mapping[str, str], changes_by_item: Mapping[int, Changes]
    ) -> None:
        self._refuse_erased(wanted, user_keys)
        await self._drop_repeated_dispatches(wanted, user_keys)
        await self._drop_duplicate_engagements(wanted, user_keys)
        logged = await self._log(wanted, user_keys)
        new = [
            changes for place, changes in sorted(changes_by_item.items()) if self._results[place].status == "accepted"
        ]
        await merge_users(self._tx, new, user_keys)
        if logged:
            judgement = BatchEvaluation(self._tx, self._catalogue, self._now)
            self._changed = await judgement.run(await self._with_conversions(logged, user_keys))

    def _well_formed(self, items: Sequence[ReadItem]) -> dict[int, Item]:
        """The items that can be taken, by their place; the results of all others are given."""
        wanted: dict[int, Item] = {}
        seen: set[str] = set()
        for place, item in enumerate(items):
            fault = self._fault_of(item)
            if isinstance(item, Unreadable) or fault is not None:
                self._results.append(ItemResult("invalid", item.id, fault))
                continue
            repeated = item.id in seen
            self._results.append(ItemResult("duplicate" if repeated else "accepted", item.id))
            if not repeated and item.id is not None:
                seen.add(item.id)
                wanted[place] = item
        return wanted

    def _fault_of(self, item: ReadItem) -> str | None:
        if isinstance(item, Unreadable):
            return item.fault
        if is_too_old(item, self._now, self._retention):
            days = self._retention.days
            return f"stale: occurred_at is more than {days} days ago, longer than the log is kept"
        if isinstance(item, Interaction) and self._catalogue.target_of(item) is None:
            kind = "campaign" if item.campaign is not None else "card"
            return f"{kind}: {item.target!r} is not a {kind} that is known; apply its definition first"
        return None

    def _refuse_erased(self, wanted: dict[int, Item], user_keys: Mapping[str, str]) -> None:
        """Guarantee 8: a late report does not bring an erased user back."""
        for place in [place for place, item in wanted.items() if item.user not in user_keys]:
            self._results[place] = ItemResult("invalid", wanted.pop(place).id, ERASED_FAULT)

    async def _drop_repeated_dispatches(self, wanted: dict[int, Item], user_keys: Mapping[str, str]) -> None:
        """M3: a push that several devices of a user received is one interaction."""
        pushes = {place: name for place, item in wanted.items() if (name := dispatch_of(item)) is not None}
        if not pushes:
            return
        keys = {user_keys[wanted[place].user] for place in pushes}
        seen = await seen_dispatches(self._tx, keys, {dispatch for _, dispatch in pushes.values()})
        for place, (campaign, dispatch) in pushes.items():
            mark = (user_keys[wanted[place].user], campaign, dispatch)
            if mark in seen:
                self._results[place] = replace(self._results[place], status="duplicate")
                del wanted[place]
            seen.add(mark)

    async def _drop_duplicate_engagements(self, wanted: dict[int, Item], user_keys: Mapping[str, str]) -> None:
        """An open or click that another source told already, and a second receipt of one message, change nothing."""
        items = {place: (item, min(item.occurred_at, self._now)) for place, item in wanted.items()}
        acts = {place: act for place, (item, t) in items.items() if (act := engagement_of(item, t)) is not None}
        if not acts:
            return
        told: dict[str, list[Engagement]] = {user_keys[wanted[place].user]: [] for place in acts}
        for user_key, act in await load_engagements(self._tx, told.keys(), acts.values()):
            told[user_key].append(act)
        for place, act in acts.items():
            others = told[user_keys[wanted[place].user]]
            if is_duplicate(act, others):
                self._results[place] = replace(self._results[place], status="duplicate")
                del wanted[place]
            others.append(act)

    async def _log(self, wanted: dict[int, Item], user_keys: Mapping[str, str]) -> dict[str, list[LogEntry]]:
        """Log what is new, and return it by user key."""
        if not wanted:
            return {}
        found: dict[str, list[LogEntry]] = {}
        entries = {entry.id: entry for entry in await self._write(list(wanted.values()), user_keys)}
        for place, item in wanted.items():
            entry = entries.get(item.id or "")
            if entry is not None:
                found.setdefault(user_keys[item.user], []).append(entry)
            else:
                self._results[place] = replace(self._results[place], status="duplicate")
        return found

    async def _write(self, items: Sequence[Item], user_keys: Mapping[str, str]) -> list[LogEntry]:
        """Log these items, and return those that were new."""
        numbers = await take_numbers(self._tx, len(items))
        entries = [create_log_entry(item, number, self._now) for item, number in zip(items, numbers, strict=True)]
        new = await write_new(self._tx, entries, user_keys)
        return [entry for entry in entries if entry.id in new]

    async def _with_conversions(
        self, logged: dict[str, list[LogEntry]], user_keys: Mapping[str, str]
    ) -> dict[str, list[LogEntry]]:
        """These items, and the conversions that they make, logged as they are (C1)."""
        since = {key: log_needed_since(entries, self._catalogue) for key, entries in logged.items()}
        concerned = {key: at for key, at in since.items() if at is not None}
        if not concerned:
            return logged
        made: list[Interaction] = []
        for key, past in (await load_items(self._tx, concerned)).items():
            made += count_conversions(logged[key], past, self._catalogue, logged[key][0].item.user)
        for entry in await self._write(made, user_keys) if made else ():
            logged[user_keys[entry.item.user]].append(entry)
        return logged
