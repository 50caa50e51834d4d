"""Evaluate the logged items of a batch: load what the rules need, let them decide, and store their decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User
from connector.rules.sending.effects import end_rest
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import Evaluator, UserState
from connector.rules.triggering.overtaken import RefusedTrigger
from connector.rules.triggering.user_log import LogIncomplete, LogNeeds, UserLog
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import load_rests, write_deliveries
from connector.store.follow_ups.follow_ups import (
    count_generations,
    end_follow_ups,
    insert_decisions,
    insert_follow_ups,
    load_follow_ups,
)
from connector.store.follow_ups.receipts import load_receipts
from connector.store.follow_ups.refusals import WaitedAt, load_overtaken, load_refusals, replace_reasons
from connector.store.users.log import WantedTypes, load_types
from connector.store.users.users import load_newest, load_profiles, raise_newest
from connector.tracing import remember_begun

_FIRST_PART, _GROWTH = 100, 4
"""Of each type of items that bears on a replay, so many are loaded first, and so many times as many next: as a rule a
late item touches few, whatever the length of the log."""

_UNUSED_PROFILE = User(id="nobody")
"""For users whose profile no rule reads."""

LoggedItems = Mapping[str, list[LogEntry]]
"""The new items of a batch by user key, each user's in the order of arrival."""


class BatchEvaluation:
    """The evaluation of one batch within its transaction, in a fixed number of statements.

    Args:
        horizon: from when on (UTC) received items count.
    """

    def __init__(self, tx: Transaction, catalogue: Catalogue, horizon: datetime) -> None:
        self._tx, self._catalogue, self._horizon = tx, catalogue, horizon
        self._evaluator = Evaluator(catalogue, tx.now)

    async def run(self, logged: LoggedItems) -> bool:
        """Evaluate new items of users whose rows are locked; returns whether follow-ups began or ended."""
        logged = self._relevant(logged)
        if not logged:
            return False
        states = await self._load(logged)
        changes = await self._evaluate(states, logged)
        changed = await self._apply(changes)
        were_open = {one.id for state in states.values() for one in state.follow_ups if one.is_open}
        newest = {change.follow_up.id: change.follow_up for _, change in changes if isinstance(change, EndedFollowUp)}
        count_ended(self._tx, (newest[id] for id in newest.keys() & were_open))
        await raise_newest(self._tx, {key: max(entry.t for entry in entries) for key, entries in logged.items()})
        return changed

    def _relevant(self, logged: LoggedItems) -> LoggedItems:
        """Return the items that concern a follow-on; others have no effect, nor do they make an item late."""
        ignored = self._catalogue.has_no_listeners
        relevant = {key: [entry for entry in entries if not ignored(entry.item)] for key, entries in logged.items()}
        return {key: entries for key, entries in relevant.items() if entries}

    async def _evaluate(self, states: dict[str, UserState], logged: LoggedItems) -> list[tuple[str, Change]]:
        """Return the changes of all users. What a replay turns out to need is loaded, in parts that grow."""
        changes: dict[str, list[Change]] = {}
        limit = _FIRST_PART
        while pending := [key for key in logged if key not in changes]:
            missing: dict[str, WantedTypes] = {}
            for key in pending:
                try:
                    changes[key] = self._evaluator.evaluate(states[key], logged[key])
                except LogIncomplete as incomplete:
                    missing[key] = incomplete.since
            states, limit = states | await self._load_logs(states, missing, limit), limit * _GROWTH
        return [(key, change) for key in logged for change in changes[key]]

    async def _load(self, logged: LoggedItems) -> dict[str, UserState]:
        keys = sorted(logged)
        earliest = min(entry.t for entries in logged.values() for entry in entries)
        listeners = {key: self._listeners_of(entries) for key, entries in logged.items()}
        if any(listeners.values()):
            profiles = await load_profiles(self._tx, keys)
        else:
            profiles = {key: (_UNUSED_PROFILE, at) for key, at in (await load_newest(self._tx, keys)).items()}
        follow_ups = await self._load_follow_ups(keys, earliest)
        states = {key: UserState(profiles[key][0], key, profiles[key][1], follow_ups[key]) for key in keys}
        needs = {key: self._evaluator.log_needed(states[key], entries) for key, entries in logged.items()}
        states |= await self._load_logs(states, {key: need.replayed for key, need in needs.items()}, _FIRST_PART)
        states |= await self._load_overtaken(states, needs)
        states |= await self._load_history(states, {key: need.history for key, need in needs.items()})
        replayed = {key for key, need in needs.items() if need}
        return states | await self._load_for_triggers(states, listeners, replayed)

    async def _load_follow_ups(self, keys: Sequence[str], since: datetime) -> dict[str, list[FollowUp]]:
        loaded = await load_follow_ups(self._tx, keys, since)
        with_rests = await load_rests(self._tx, [follow_up for one in loaded.values() for follow_up in one])
        by_user: dict[str, list[FollowUp]] = {key: [] for key in loaded}
        for follow_up in with_rests:
            by_user[follow_up.user_key].append(follow_up)
        return by_user

    def _listeners_of(self, entries: Sequence[LogEntry]) -> set[str]:
        return {follow_on.id for entry in entries for follow_on in self._catalogue.listeners_of(entry.item)}

    async def _load_logs(
        self, states: Mapping[str, UserState], wanted: Mapping[str, WantedTypes], limit: int
    ) -> dict[str, UserState]:
        """Return the states of users with a further part of their logs.

        Args:
            wanted: the types of items that a replay needs, of each at most `limit` in this part.
        """
        wanted = {key: types for key, types in wanted.items() if types}
        if not wanted:
            return {}
        parts = await load_types(self._tx, wanted, limit=limit)
        triggers = {entry.id for part in parts.values() for entry in part.entries}
        triggers |= {follow_up.trigger.id for key in parts for follow_up in states[key].follow_ups}
        generations = await count_generations(self._tx, sorted(parts), sorted(triggers))
        refusals = await self._load_refusals(parts)
        return {
            key: replace(
                states[key],
                log=states[key].log.with_part(part),
                generations={**states[key].generations, **generations},
                refused=replace(states[key].refused, reasons={**states[key].refused.reasons, **refusals[key]}),
            )
            for key, part in parts.items()
        }

    async def _load_refusals(self, parts: Mapping[str, UserLog]) -> Mapping[str, Mapping[RefusedTrigger, Reason]]:
        """Return by user key why triggers in these parts of logs were refused."""
        entries = [entry for part in parts.values() for entry in part.entries]
        if not entries:
            return {key: {} for key in parts}
        since = min(entry.t for entry in entries)
        return await load_refusals(self._tx, sorted(parts), {entry.id for entry in entries}, since)

    async def _load_overtaken(
        self, states: Mapping[str, UserState], needs: Mapping[str, LogNeeds]
    ) -> dict[str, UserState]:
        """Return the states of users with the triggers that waited without a row at their first late item."""
        wanted = {
            key: WaitedAt(need.first, need.overtaken)
            for key, need in needs.items()
            if need.first is not None and need.overtaken
        }
        if not wanted:
            return {}
        overtaken = await load_overtaken(self._tx, wanted, self._horizon)
        return {
            key: replace(states[key], refused=replace(states[key].refused, overtaken=overtaken[key])) for key in wanted
        }

    async def _load_history(
        self, states: Mapping[str, UserState], wanted: Mapping[str, WantedTypes]
    ) -> dict[str, UserState]:
        """Return the states of users whose history an audience depends on."""
        wanted = {key: types for key, types in wanted.items() if types}
        if not wanted:
            return {}
        logs = await load_types(self._tx, wanted)
        return {key: replace(states[key], history=log.entries) for key, log in logs.items()}

    async def _load_for_triggers(
        self, states: Mapping[str, UserState], listeners: Mapping[str, Set[str]], replayed: Set[str]
    ) -> dict[str, UserState]:
        """Complete the states of users for whom a trigger is evaluated, now or again."""
        needed = [key for key in states if listeners[key] or key in replayed]
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
        rests = [write for follow_up in ended.values() for write in end_rest(follow_up, self._tx.now)]
        await write_deliveries(self._tx, rests)
        # Ends are stored first, so that a superseded wait has left its place in the unique index.
        await end_follow_ups(self._tx, list(ended.values()))
        await insert_follow_ups(self._tx, list(begun.values()), self._tx.now)
        remember_begun({follow_up.id: follow_up.user_key for follow_up in begun.values()})
        await self._record_decisions(changes)
        return bool(begun or ended)

    async def _record_decisions(self, changes: Sequence[tuple[str, Change]]) -> None:
        new: list[tuple[str, Refusal | LateException]] = []
        revised: dict[tuple[str, str, str, str], tuple[str, Refusal]] = {}
        for user_key, change in changes:
            if isinstance(change, Refusal) and change.is_revised:
                revised[user_key, change.campaign, change.key, change.logged.id] = user_key, change
            elif isinstance(change, Refusal | LateException):
                new.append((user_key, change))
        await insert_decisions(self._tx, new, self._tx.now)
        await replace_reasons(self._tx, list(revised.values()), self._tx.now)
