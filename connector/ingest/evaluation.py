"""Evaluate the logged items of a batch: load what the rules need, let them decide, and store their decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.users import User
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import ENTIRE_LOG, Evaluator, UserState
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import (
    count_generations,
    end_follow_ups,
    insert_decisions,
    insert_follow_ups,
    load_follow_ups,
)
from connector.store.follow_ups.receipts import load_receipts
from connector.store.users.log import load_items
from connector.store.users.users import load_newest, load_profiles, raise_newest

_UNUSED_PROFILE = User(id="nobody")
"""For users whose profile no rule reads."""

LoggedItems = Mapping[str, list[LogEntry]]
"""The new items of a batch by user key, each user's in the order of arrival."""


class BatchEvaluation:
    """The evaluation of one batch within its transaction, in a fixed number of statements."""

    def __init__(self, tx: Transaction, catalogue: Catalogue) -> None:
        self._tx, self._catalogue = tx, catalogue
        self._evaluator = Evaluator(catalogue, tx.now)

    async def run(self, logged: LoggedItems) -> bool:
        """Evaluate new items of users whose rows are locked; returns whether follow-ups began or ended."""
        logged = self._relevant(logged)
        if not logged:
            return False
        states = await self._load(logged)
        changes = [
            (user_key, change)
            for user_key, entries in logged.items()
            for change in self._evaluator.evaluate(states[user_key], entries)
        ]
        changed = await self._apply(changes)
        await raise_newest(self._tx, {key: max(entry.t for entry in entries) for key, entries in logged.items()})
        return changed

    def _relevant(self, logged: LoggedItems) -> LoggedItems:
        """Return the items of every user with an item that concerns a follow-on; other items have no effect."""
        ignored = self._catalogue.has_no_listeners
        return {key: entries for key, entries in logged.items() if not all(ignored(entry.item) for entry in entries)}

    async def _load(self, logged: LoggedItems) -> dict[str, UserState]:
        keys = sorted(logged)
        earliest = min(entry.t for entries in logged.values() for entry in entries)
        listeners = {key: self._listeners_of(entries) for key, entries in logged.items()}
        if any(listeners.values()):
            profiles = await load_profiles(self._tx, keys)
        else:
            profiles = {key: (_UNUSED_PROFILE, at) for key, at in (await load_newest(self._tx, keys)).items()}
        follow_ups = await load_follow_ups(self._tx, keys, earliest)
        states = {key: UserState(profiles[key][0], key, profiles[key][1], follow_ups[key]) for key in keys}
        states |= await self._load_logs(states, logged)
        return states | await self._load_for_triggers(states, listeners)

    def _listeners_of(self, entries: Sequence[LogEntry]) -> set[str]:
        return {follow_on.id for entry in entries for follow_on in self._catalogue.listeners_of(entry.item)}

    async def _load_logs(self, states: Mapping[str, UserState], logged: LoggedItems) -> dict[str, UserState]:
        """Complete the states of users whose log is needed, for an audience or because an item came late."""
        needed = {key: self._evaluator.log_needed_since(states[key], entries) for key, entries in logged.items()}
        since = {key: None if at is ENTIRE_LOG else at for key, at in needed.items() if at is not None}
        if not since:
            return {}
        logs = await load_items(self._tx, since)
        triggers = sorted({entry.id for entries in logs.values() for entry in entries})
        generations = await count_generations(self._tx, sorted(since), triggers)
        return {key: replace(states[key], log=log, generations=generations) for key, log in logs.items()}

    async def _load_for_triggers(
        self, states: Mapping[str, UserState], listeners: Mapping[str, Set[str]]
    ) -> dict[str, UserState]:
        """Complete the states of users for whom a trigger is evaluated, now or again."""
        needed = [key for key in states if listeners[key] or states[key].log]
        undescribed = [key for key in needed if states[key].user is _UNUSED_PROFILE]
        profiles = await load_profiles(self._tx, undescribed) if undescribed else {}
        campaigns = {name for key in needed for name in listeners[key] | {p.campaign for p in states[key].follow_ups}}
        entries = (self._catalogue.entries.get(name) for name in sorted(campaigns))
        limited = [entry.id for entry in entries if entry is not None and entry.is_limited_by_receipts]
        receipts = await load_receipts(self._tx, needed, limited)
        return {
            key: replace(states[key], user=profiles[key][0] if key in profiles else states[key].user, receipts=receipts)
            for key in needed
            if key in profiles or receipts
        }

    async def _apply(self, changes: Sequence[tuple[str, Change]]) -> bool:
        begun: dict[str, FollowUp] = {}
        ended: dict[str, FollowUp] = {}
        for _, change in changes:
            if isinstance(change, NewFollowUp):
                begun[change.follow_up.id] = change.follow_up
            elif isinstance(change, EndedFollowUp):
                (begun if change.follow_up.id in begun else ended)[change.follow_up.id] = change.follow_up
        # Ends are stored first, so that a superseded wait has left its place in the unique index.
        await end_follow_ups(self._tx, list(ended.values()))
        await insert_follow_ups(self._tx, list(begun.values()), self._tx.now)
        decisions = [(key, change) for key, change in changes if isinstance(change, Refusal | LateException)]
        await insert_decisions(self._tx, decisions, self._tx.now)
        return bool(begun or ended)
