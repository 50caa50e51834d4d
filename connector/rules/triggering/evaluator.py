"""The evaluation of a user's new items: in order if they are newer than all before, by a replay if they are late.

Ingest and `simulate` both evaluate through this. It reads no store: the caller loads what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.follow_up import FollowUp, reopen
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.times import is_unordered, start_of_second
from connector.rules.model.users import User
from connector.rules.targeting.matching import LoggedType, logged_type_of, topic_of
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluateTrigger,
    EvaluationScope,
    NewFollowUp,
    Refusal,
    TriggerOutcome,
)
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.in_order import apply_in_order
from connector.rules.triggering.overtaken import KeyRefusals, RefusedTriggers, last_overtaken
from connector.rules.triggering.replay import apply_late
from connector.rules.triggering.trigger_list import (
    TriggerFacts,
    begin_follow_up,
    check_single_wait,
    compute_key,
    evaluate_trigger,
    is_trigger,
)
from connector.rules.triggering.user_log import LoggedHistory, LogNeeds, UserLog

FollowUpKey = tuple[str, str]
"""(follow-on, key) of one user."""


_NOTHING_LOADED = UserLog()
_NOTHING_REFUSED = RefusedTriggers()


@dataclass(frozen=True)
class UserState:
    """The state of one user before a batch is evaluated.

    Args:
        newest_t: the newest time that was evaluated for the user, UTC.
        follow_ups: those that are open, or ended after the batch's earliest item.
        receipts: the last receipts by (campaign, user key, key).
        log: what was loaded of the log for replays, the batch included.
        history: the log's items of the types that `Evaluator.log_needed` names for audiences, the batch included.
        generations: how many follow-ups each (campaign, user key, key, trigger) has begun.
        refused: the refused triggers that a replay may take up again.
    """

    user: User
    user_key: str
    newest_t: datetime | None
    follow_ups: Sequence[FollowUp] = ()
    receipts: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    log: UserLog = _NOTHING_LOADED
    history: Sequence[LogEntry] = ()
    generations: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    refused: RefusedTriggers = _NOTHING_REFUSED


class Evaluator:
    """Evaluates items against one catalogue, as of `now` (UTC)."""

    def __init__(self, catalogue: Catalogue, now: datetime) -> None:
        self._catalogue, self._now = catalogue, now
        self._keys: dict[tuple[str, int, str], str | None] = {}

    def log_needed(self, state: UserState, items: Sequence[LogEntry]) -> LogNeeds:
        """Return what of the user's log is needed to evaluate these items: only what bears on what they touch (T5)."""
        late = [logged for logged in items if self._is_late(state, logged, items)]
        replayed = self._replayed_follow_ons(state, late, items)
        first = start_of_second(min(logged.t for logged in late or items))
        types = {type: first for entry in replayed for type in entry.trigger_types | entry.exception_types}
        overtaken = frozenset(entry.id for entry in replayed if entry.may_supersede)
        if not self._catalogue.needs_history:
            return LogNeeds(types, {}, overtaken, first if replayed else None)
        triggered = [
            entry
            for logged in items
            for entry in self._catalogue.listeners_of(logged.item)
            if entry.needs_history and self._triggered_key(logged, entry) is not None
        ]
        history = _history_needed([*triggered, *replayed], min(logged.t for logged in items))
        return LogNeeds(types, history, overtaken, first if replayed else None)

    def _replayed_follow_ons(
        self, state: UserState, late: Sequence[LogEntry], items: Sequence[LogEntry]
    ) -> list[Entry]:
        """Return the follow-ons that the late ones among these items touch."""
        if not late:
            return []
        names = {campaign for logged in late for campaign, _ in self._replayed_keys(state.follow_ups, logged)}
        types = {logged_type_of(logged.item) for logged in late}
        # Other items of the batch may begin follow-ups that late ones cancel.
        begun = {entry.id: entry for logged in items for entry in self._catalogue.listeners_of(logged.item)}
        names |= {name for name, entry in begun.items() if not types.isdisjoint(entry.exception_types)}
        return [self._catalogue.entries[name] for name in sorted(names)]

    def evaluate(self, state: UserState, items: Sequence[LogEntry]) -> list[Change]:
        """Return the changes that these new items make to the user's follow-ups, in event order.

        Raises:
            LogIncomplete: a replay needs more of the log than `state` has.
        """
        ordered = sorted(items, key=lambda logged: (logged.t, logged.seq))
        late = [logged for logged in ordered if self._is_late(state, logged, items)]
        follow_ups = list(state.follow_ups)
        changes: list[Change] = []
        for logged in ordered:
            if logged not in late:
                new_changes = self._apply_in_order(state, follow_ups, logged)
                changes += new_changes
                follow_ups = _with_changes(follow_ups, new_changes) if new_changes else follow_ups
        late_by_key: dict[FollowUpKey, list[LogEntry]] = {}
        for logged in late:
            for key in self._replayed_keys(follow_ups, logged):
                late_by_key.setdefault(key, []).append(logged)
        state = replace(state, refused=state.refused.with_refusals(c for c in changes if isinstance(c, Refusal)))
        for key, late_items in late_by_key.items():
            new_changes = self._apply_late(state, follow_ups, key, late_items, late[0].t)
            changes += new_changes
            follow_ups = _with_changes(follow_ups, new_changes)
        return changes

    def _apply_in_order(self, state: UserState, follow_ups: Sequence[FollowUp], logged: LogEntry) -> list[Change]:
        changes: list[Change] = []
        for campaign, key in self._affected_keys(follow_ups, logged):
            changes += apply_in_order(
                logged,
                [p for p in follow_ups if (p.campaign, p.key) == (campaign, key)],
                self._trigger_evaluation(state, campaign, key),
                EvaluationScope(campaign, key, self._catalogue, self._now),
            )
        return changes

    def _apply_late(
        self,
        state: UserState,
        follow_ups: Sequence[FollowUp],
        key: FollowUpKey,
        late: Sequence[LogEntry],
        loaded_since: datetime,
    ) -> list[Change]:
        first = start_of_second(min(logged.t for logged in late))
        of_key = [follow_up for follow_up in follow_ups if (follow_up.campaign, follow_up.key) == key]
        concerned = [p for p in of_key if p.ended_at is None or p.ended_at >= first or p.trigger.t >= first]
        items = {p.trigger.id: p.trigger for p in concerned}
        bearing = (logged for logged in state.log.entries if logged.t >= first and self._bears_on(logged, key))
        items |= {logged.id: logged for logged in (*bearing, *late)}
        return apply_late(
            list(items.values()),
            frozenset(logged.id for logged in late),
            concerned,
            self._key_refusals(state, of_key, key, start_of_second(loaded_since), min(logged.t for logged in late)),
            self._trigger_evaluation(state, *key),
            EvaluationScope(*key, self._catalogue, self._now),
            state.log,
        )

    def _key_refusals(
        self,
        state: UserState,
        follow_ups: Sequence[FollowUp],
        key: FollowUpKey,
        loaded_since: datetime,
        first: datetime,
    ) -> KeyRefusals:
        """Return the refused triggers of a key, and which of them waited at its first late item.

        Args:
            loaded_since: the time of the user's first late item, from which on the log was loaded.
        """
        reasons = {name: reason for (*of, name), reason in state.refused.reasons.items() if tuple(of) == key}
        entry = self._catalogue.entries[key[0]]
        if not entry.may_supersede:
            return KeyRefusals(reasons, None)
        state.log.require(entry.trigger_types, loaded_since, first)
        loaded = (logged for logged in state.log.entries if logged.t >= loaded_since)
        known = [logged for logged in loaded if reasons.get(logged.id) is Reason.SUPERSEDED]
        known += [logged for place, logged in state.refused.overtaken.items() if place == key]
        refusals = [Refusal(*key, logged, Reason.SUPERSEDED) for logged in known]
        return KeyRefusals(reasons, last_overtaken(refusals, follow_ups, first).get(key))

    def _bears_on(self, logged: LogEntry, key: FollowUpKey) -> bool:
        """Return whether an item may begin or end follow-ups of this key."""
        entry = self._catalogue.entries[key[0]]
        return logged_type_of(logged.item) in entry.exception_types or self._triggered_key(logged, entry) == key[1]

    def _affected_keys(self, follow_ups: Sequence[FollowUp], logged: LogEntry) -> list[FollowUpKey]:
        """Return the (follow-on, key) pairs that the item triggers or may cancel, each once."""
        triggered = [
            (entry.id, key)
            for entry in self._catalogue.listeners_of(logged.item)
            if (key := self._triggered_key(logged, entry)) is not None
        ]
        if not follow_ups or topic_of(logged.item) not in self._catalogue.exception_listeners:
            return list(dict.fromkeys(triggered))
        revisable = [p if p.can_be_cancelled or p.is_settled else reopen(p) for p in follow_ups]
        cancelled = [(p.campaign, p.key) for p in revisable if is_cancelled_by(p, logged, self._catalogue)]
        return list(dict.fromkeys([*cancelled, *triggered]))

    def _replayed_keys(self, follow_ups: Sequence[FollowUp], logged: LogEntry) -> list[FollowUpKey]:
        """Return the (follow-on, key) pairs that a late item triggers or may cancel, each once.

        An exception may also cancel a trigger that waited without a row; a later follow-up of the same key shows that
        there may be such a trigger.
        """
        type, entries = logged_type_of(logged.item), self._catalogue.entries
        touched = [
            (p.campaign, p.key)
            for p in follow_ups
            if p.trigger.t > logged.t
            and (entry := entries.get(p.campaign)) is not None
            and entry.may_supersede
            and type in entry.exception_types
        ]
        return list(dict.fromkeys([*self._affected_keys(follow_ups, logged), *touched]))

    def _triggered_key(self, logged: LogEntry, entry: Entry) -> str | None:
        """Return the key under which the item triggers the follow-on; None if it does not.

        The keys are cached, because a replay evaluates the same items many times.
        """
        place = (logged.id, logged.seq, entry.id)
        if place not in self._keys:
            triggers = is_trigger(logged.item, entry, logged.t, self._catalogue)
            self._keys[place] = compute_key(logged.item, entry, logged.t) if triggers else None
        return self._keys[place]

    def _trigger_evaluation(self, state: UserState, campaign: str, key: str) -> EvaluateTrigger:
        entry = self._catalogue.entries[campaign]
        history = LoggedHistory(state.history)

        def evaluate(logged: LogEntry, blocking: FollowUp | None, has_passed: bool) -> TriggerOutcome:
            if self._triggered_key(logged, entry) != key:
                return None
            received_at = state.receipts.get((campaign, state.user_key, key))
            facts = TriggerFacts(
                logged, entry, self._catalogue, state.user, state.user_key, history, received_at, blocking
            )
            refusal = check_single_wait(facts) if has_passed else evaluate_trigger(facts)
            if refusal is not None:
                return refusal
            generation = state.generations.get((campaign, state.user_key, key, logged.id), 0)
            return begin_follow_up(facts, key, generation)

        return evaluate

    def _is_late(self, state: UserState, logged: LogEntry, items: Sequence[LogEntry]) -> bool:
        """Return whether the item is not newer than everything evaluated before, or a follow-up ended after it (T5).

        Items of one instant are late too: for them the order of arrival does not decide (X2). So is a trigger whose
        second may have exceptions in whole seconds already (M8).
        """
        if state.newest_t is not None and self._replays_from(logged) <= state.newest_t:
            return True
        if any(p.ended_at is not None and logged.t < p.ended_at for p in state.follow_ups):
            return True
        return len(items) > 1 and sum(is_unordered(other.t, logged.t) for other in items) > 1

    def _replays_from(self, logged: LogEntry) -> datetime:
        """Return the earliest time of the items that may change what this one does."""
        listeners = self._catalogue.listeners_of(logged.item)
        return start_of_second(logged.t) if any(entry.exception_types for entry in listeners) else logged.t


def _history_needed(entries: Sequence[Entry], first: datetime) -> dict[LoggedType, datetime | None]:
    """Return the types on which the audiences of follow-ons depend, from when on, if evaluated at `first` or later."""
    needed: dict[LoggedType, datetime | None] = {}
    for entry in entries:
        for type, within in entry.history_types.items():
            since = None if within is None else start_of_second(first - within)
            known = needed.get(type, since)
            needed[type] = None if since is None or known is None else min(known, since)
    return needed


def _with_changes(follow_ups: Sequence[FollowUp], changes: Sequence[Change]) -> list[FollowUp]:
    """Return the follow-ups after these changes."""
    by_id = {follow_up.id: follow_up for follow_up in follow_ups}
    for change in changes:
        if isinstance(change, (NewFollowUp, EndedFollowUp)):
            by_id[change.follow_up.id] = change.follow_up
    return list(by_id.values())
