"""Judging what a batch logged: what the rules need to know is loaded, they judge, and what they decide is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

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
    insert_follow_ups,
    load_follow_ups,
    load_receipts,
    write_decisions,
)
from connector.store.users.log import load_items
from connector.store.users.users import load_newest, load_users, raise_newest

_NOBODY = User(id="nobody")
"""Stands for a user whose description no rule looks at."""


class BatchEvaluation:
    """The judging of one batch inside its transaction, as of `now` (UTC), in a fixed number of statements."""

    def __init__(self, tx: Transaction, catalogue: Catalogue, now: datetime) -> None:
        self._tx, self._catalogue, self._now = tx, catalogue, now

    async def run(self, logged: Mapping[str, list[LogEntry]]) -> bool:
        """Judge these users' new items; returns whether follow-ups began or ended by them.

        Args:
            logged: by user key, of users whose rows are locked, in the order of arrival.
        """
        logged = self._concerning(logged)
        if not logged:
            return False
        known = await self._load(logged)
        judging = Evaluator(self._catalogue, self._now)
        changes: list[tuple[str, Change]] = []
        for user_key, entries in logged.items():
            changes += [(user_key, change) for change in judging.evaluate(known[user_key], entries)]
        changed = await self._store(changes)
        newest = {user_key: max(entry.t for entry in entries) for user_key, entries in logged.items()}
        await raise_newest(self._tx, newest)
        return changed

    def _concerning(self, logged: Mapping[str, list[LogEntry]]) -> dict[str, list[LogEntry]]:
        """Those users' items that some follow-on has to do with: of all others nothing comes."""
        silent = self._catalogue.has_no_listeners
        return {key: entries for key, entries in logged.items() if not all(silent(entry.item) for entry in entries)}

    async def _load(self, logged: Mapping[str, list[LogEntry]]) -> dict[str, UserState]:
        """What the rules need to know of these users, in a fixed number of statements."""
        tx, keys = self._tx, sorted(logged)
        earliest = min(entry.t for entries in logged.values() for entry in entries)
        newest = await load_newest(tx, keys)
        follow_ups = await load_follow_ups(tx, keys, earliest)
        known = {key: UserState(_NOBODY, key, newest[key], follow_ups[key]) for key in keys}
        known |= await self._with_past(known, logged)
        return known | await self._with_users(known, logged)

    async def _with_users(
        self, known: Mapping[str, UserState], logged: Mapping[str, list[LogEntry]]
    ) -> dict[str, UserState]:
        """Those of the users for whom something is judged as a trigger, now or again, with what that looks at."""
        listening = {
            key: {entry.id for item in entries for entry in self._catalogue.listeners_of(item.item)}
            for key, entries in logged.items()
        }
        needed = [key for key in logged if listening[key] or known[key].past]
        if not needed:
            return {}
        campaigns = {name for key in needed for name in listening[key] | {p.campaign for p in known[key].follow_ups}}
        users = await load_users(self._tx, needed)
        receipts = await load_receipts(self._tx, needed, sorted(campaigns))
        return {key: replace(known[key], user=users[key].user, receipts=receipts) for key in needed}

    async def _with_past(
        self, known: Mapping[str, UserState], logged: Mapping[str, list[LogEntry]]
    ) -> dict[str, UserState]:
        """Those of the users whose log must be looked at: for an audience, or because something came late."""
        judging = Evaluator(self._catalogue, self._now)
        needed = {key: judging.log_needed_since(known[key], entries) for key, entries in logged.items()}
        since = {key: None if at is ENTIRE_LOG else at for key, at in needed.items() if at is not None}
        if not since:
            return {}
        items = await load_items(self._tx, since)
        triggers = sorted({entry.id for entries in items.values() for entry in entries})
        generations = await count_generations(self._tx, sorted(since), triggers)
        return {key: replace(known[key], past=past, generations=generations) for key, past in items.items()}

    async def _store(self, changes: Sequence[tuple[str, Change]]) -> bool:
        begun: dict[str, FollowUp] = {}
        ended: dict[str, FollowUp] = {}
        for _, change in changes:
            if isinstance(change, NewFollowUp):
                begun[change.follow_up.id] = change.follow_up
            elif isinstance(change, EndedFollowUp):
                (begun if change.follow_up.id in begun else ended)[change.follow_up.id] = change.follow_up
        # Ends go first, so that a wait that gives way has left its place in the unique index.
        await end_follow_ups(self._tx, list(ended.values()))
        await insert_follow_ups(self._tx, list(begun.values()), self._now)
        told = [(key, change) for key, change in changes if isinstance(change, Refusal | LateException)]
        await write_decisions(self._tx, told, self._now)
        return bool(begun or ended)
