"""A user's new items through the rules: in turn where they are newer than all before, by folding where they are late.

Intake and `simulate` judge through this; it is told what the store knows and never asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.conditions import Condition
from connector.rules.model.follow_up import FollowUp, reopened
from connector.rules.model.interactions import LogEntry
from connector.rules.model.users import User
from connector.rules.targeting.matching import meets
from connector.rules.triggering.changes import Begin, Change, End, EvaluateTrigger, Scope, TriggerVerdict
from connector.rules.triggering.exceptions import cancels
from connector.rules.triggering.ordering import apply_in_order, apply_late
from connector.rules.triggering.trigger_list import (
    TriggerFacts,
    allow_one_wait,
    begin_follow_up,
    evaluate_trigger,
    key_of,
    triggers,
)

SINCE_EVER = datetime.min
"""Asks for all that is logged."""

FollowUpKey = tuple[str, str]
"""(follow-on, key) of one user."""


@dataclass(frozen=True)
class UserState:
    """What is known of one user before a batch is judged.

    `follow_ups` are open or ended after the batch's earliest item. `receipts` are by (campaign, user key, key).
    `past` is the log, the batch included, from `Evaluator.past_needed` on; `generations` counts the follow-ups that
    each (campaign, user key, key, trigger) has begun.
    """

    user: User
    user_key: str
    newest_t: datetime | None
    follow_ups: Sequence[FollowUp] = ()
    receipts: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    past: Sequence[LogEntry] = ()
    generations: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)


class LoggedHistory:
    """A user's log as audiences look at it."""

    def __init__(self, items: Sequence[LogEntry]) -> None:
        self._items = items

    def past(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        """Whether an item with t in [since, before) meets the condition."""
        return any(
            logged.t < before and (since is None or logged.t >= since) and meets(logged.item, condition)
            for logged in self._items
        )


class Evaluator:
    """Judges items against one catalogue, as of one moment."""

    def __init__(self, catalogue: Catalogue, now: datetime) -> None:
        self._catalogue, self._now = catalogue, now

    def past_needed(self, known: UserState, entries: Sequence[LogEntry]) -> datetime | None:
        """From when on the user's log is needed to judge these items; None where it is not, EVER for all of it."""
        if self._catalogue.asks_history and any(self._listening(logged, asking=True) for logged in entries):
            return SINCE_EVER
        late = [logged.t for logged in entries if self._is_late(known, logged, entries)]
        if not late:
            return None
        first = min(late)
        began = [p.trigger.t for p in known.follow_ups if p.is_open or p.ended_at is None or p.ended_at >= first]
        # Those of the batch that come in turn may begin what the late ones are folded into.
        return min([*began, *(logged.t for logged in entries)])

    def evaluate(self, known: UserState, entries: Sequence[LogEntry]) -> list[Change]:
        """What these new items do to the user's follow-ups, in event order."""
        ordered = sorted(entries, key=lambda logged: (logged.t, logged.seq))
        late = [logged for logged in ordered if self._is_late(known, logged, entries)]
        follow_ups = list(known.follow_ups)
        changes: list[Change] = []
        for logged in ordered:
            if logged not in late:
                made = self._in_turn(known, follow_ups, logged)
                changes += made
                follow_ups = _after(follow_ups, made)
        by_key: dict[FollowUpKey, list[LogEntry]] = {}
        for logged in late:
            for touched in self._touched(follow_ups, logged):
                by_key.setdefault(touched, []).append(logged)
        for touched, items in by_key.items():
            made = self._out_of_turn(known, follow_ups, touched, items)
            changes += made
            follow_ups = _after(follow_ups, made)
        return changes

    def _in_turn(self, known: UserState, follow_ups: Sequence[FollowUp], logged: LogEntry) -> list[Change]:
        changes: list[Change] = []
        for campaign, key in self._touched(follow_ups, logged):
            changes += apply_in_order(
                logged,
                [p for p in follow_ups if (p.campaign, p.key) == (campaign, key)],
                self._judge_for(known, campaign, key),
                Scope(campaign, key, self._catalogue, self._now),
            )
        return changes

    def _out_of_turn(
        self, known: UserState, follow_ups: Sequence[FollowUp], touched: FollowUpKey, late: Sequence[LogEntry]
    ) -> list[Change]:
        first = min(logged.t for logged in late)
        concerned = [
            p
            for p in follow_ups
            if (p.campaign, p.key) == touched and (p.ended_at is None or p.ended_at >= first or p.trigger.t >= first)
        ]
        since = min([first, *(p.trigger.t for p in concerned)])
        entries = [logged for logged in known.past if logged.t >= since]
        return apply_late(
            entries,
            frozenset(logged.id for logged in late),
            concerned,
            self._judge_for(known, *touched),
            Scope(*touched, self._catalogue, self._now),
        )

    def _touched(self, follow_ups: Sequence[FollowUp], logged: LogEntry) -> list[FollowUpKey]:
        """The (follow-on, key) pairs that the item triggers or may call off, each once."""
        triggered = [(entry.id, key_of(logged.item, entry, logged.t)) for entry in self._listening(logged)]
        revisable = [p if p.can_be_cancelled or p.is_settled else reopened(p) for p in follow_ups]
        called_off = [(p.campaign, p.key) for p in revisable if cancels(p, logged, self._catalogue)]
        return list(dict.fromkeys([*called_off, *triggered]))

    def _listening(self, logged: LogEntry, *, asking: bool = False) -> list[Entry]:
        """The follow-ons that the item triggers; with `asking` only those whose audience asks for the past."""
        candidates = self._catalogue.listening_to(logged.item)
        return [
            entry
            for entry in candidates
            if (entry.asks_history or not asking) and triggers(logged.item, entry, logged.t, self._catalogue)
        ]

    def _judge_for(self, known: UserState, campaign: str, key: str) -> EvaluateTrigger:
        entry = self._catalogue.entries[campaign]
        history = LoggedHistory(known.past)

        def evaluate(logged: LogEntry, standing: FollowUp | None, again: bool) -> TriggerVerdict:
            if not triggers(logged.item, entry, logged.t, self._catalogue):
                return None
            if key_of(logged.item, entry, logged.t) != key:
                return None
            received_at = known.receipts.get((campaign, known.user_key, key))
            facts = TriggerFacts(
                logged, entry, self._catalogue, known.user, known.user_key, history, received_at, standing
            )
            refused = allow_one_wait(facts) if again else evaluate_trigger(facts)
            if refused is not None:
                return refused
            generation = known.generations.get((campaign, known.user_key, key, logged.id), 0)
            return begin_follow_up(facts, key, generation)

        return evaluate

    @staticmethod
    def _is_late(known: UserState, logged: LogEntry, entries: Sequence[LogEntry]) -> bool:
        """Not newer than all that was judged, or than the end of a follow-up, which still stood in its way then (T5).

        At one instant the order of arrival cannot be trusted either (X2).
        """
        if known.newest_t is not None and logged.t <= known.newest_t:
            return True
        if any(p.ended_at is not None and logged.t < p.ended_at for p in known.follow_ups):
            return True
        return sum(other.t == logged.t for other in entries) > 1


def _after(follow_ups: Sequence[FollowUp], changes: Sequence[Change]) -> list[FollowUp]:
    """The follow-ups as these changes leave them."""
    now = {follow_up.id: follow_up for follow_up in follow_ups}
    for change in changes:
        if isinstance(change, Begin | End):
            now[change.follow_up.id] = change.follow_up
    return list(now.values())
