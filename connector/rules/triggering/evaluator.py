"""A user's new items through the rules: in turn where they are newer than all before, by folding where they are late.

Intake and `simulate` judge through this; it is told what the store knows and never asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.conditions import Condition
from connector.rules.model.follow_up import Passage, afresh
from connector.rules.model.interactions import Logged
from connector.rules.model.users import User
from connector.rules.targeting.matching import meets
from connector.rules.triggering.changes import Begin, Change, End, Judge, Scope, Verdict
from connector.rules.triggering.exceptions import calls_off
from connector.rules.triggering.ordering import fold, step
from connector.rules.triggering.trigger_list import TriggerFacts, begin, judge_trigger, key_of, one_wait, triggers

EVER = datetime.min
"""Asks for all that is logged."""

PassageKey = tuple[str, str]
"""(follow-on, key) of one user."""


@dataclass(frozen=True)
class Known:
    """What is known of one user before a batch is judged.

    `passages` are open or ended after the batch's earliest item. `receipts` are by (campaign, user key, key).
    `past` is the log, the batch included, from `Judging.past_needed` on; `generations` counts the follow-ups that each
    (campaign, user key, key, trigger) has begun.
    """

    user: User
    user_key: str
    newest_t: datetime | None
    passages: Sequence[Passage] = ()
    receipts: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    past: Sequence[Logged] = ()
    generations: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)


class Past:
    """A user's log as audiences look at it."""

    def __init__(self, items: Sequence[Logged]) -> None:
        self._items = items

    def past(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        """Whether an item with t in [since, before) meets the condition."""
        return any(
            logged.t < before and (since is None or logged.t >= since) and meets(logged.item, condition)
            for logged in self._items
        )


class Judging:
    """Judges items against one catalogue, as of one moment."""

    def __init__(self, catalogue: Catalogue, now: datetime) -> None:
        self._catalogue, self._now = catalogue, now

    def past_needed(self, known: Known, entries: Sequence[Logged]) -> datetime | None:
        """From when on the user's log is needed to judge these items; None where it is not, EVER for all of it."""
        if self._catalogue.asks_history and any(self._listening(logged, asking=True) for logged in entries):
            return EVER
        late = [logged.t for logged in entries if self._is_late(known, logged, entries)]
        if not late:
            return None
        first = min(late)
        began = [p.trigger.t for p in known.passages if p.is_open or p.ended_at is None or p.ended_at >= first]
        # Those of the batch that come in turn may begin what the late ones are folded into.
        return min([*began, *(logged.t for logged in entries)])

    def judge(self, known: Known, entries: Sequence[Logged]) -> list[Change]:
        """What these new items do to the user's follow-ups, in event order."""
        ordered = sorted(entries, key=lambda logged: (logged.t, logged.seq))
        late = [logged for logged in ordered if self._is_late(known, logged, entries)]
        passages = list(known.passages)
        changes: list[Change] = []
        for logged in ordered:
            if logged not in late:
                made = self._in_turn(known, passages, logged)
                changes += made
                passages = _after(passages, made)
        by_key: dict[PassageKey, list[Logged]] = {}
        for logged in late:
            for touched in self._touched(passages, logged):
                by_key.setdefault(touched, []).append(logged)
        for touched, items in by_key.items():
            made = self._out_of_turn(known, passages, touched, items)
            changes += made
            passages = _after(passages, made)
        return changes

    def _in_turn(self, known: Known, passages: Sequence[Passage], logged: Logged) -> list[Change]:
        changes: list[Change] = []
        for campaign, key in self._touched(passages, logged):
            changes += step(
                logged,
                [p for p in passages if (p.campaign, p.key) == (campaign, key)],
                self._judge_for(known, campaign, key),
                Scope(campaign, key, self._catalogue, self._now),
            )
        return changes

    def _out_of_turn(
        self, known: Known, passages: Sequence[Passage], touched: PassageKey, late: Sequence[Logged]
    ) -> list[Change]:
        first = min(logged.t for logged in late)
        concerned = [
            p
            for p in passages
            if (p.campaign, p.key) == touched and (p.ended_at is None or p.ended_at >= first or p.trigger.t >= first)
        ]
        since = min([first, *(p.trigger.t for p in concerned)])
        entries = [logged for logged in known.past if logged.t >= since]
        return fold(
            entries,
            frozenset(logged.id for logged in late),
            concerned,
            self._judge_for(known, *touched),
            Scope(*touched, self._catalogue, self._now),
        )

    def _touched(self, passages: Sequence[Passage], logged: Logged) -> list[PassageKey]:
        """The (follow-on, key) pairs that the item triggers or may call off, each once."""
        triggered = [(entry.id, key_of(logged.item, entry, logged.t)) for entry in self._listening(logged)]
        revisable = [p if p.can_be_called_off or p.is_settled else afresh(p) for p in passages]
        called_off = [(p.campaign, p.key) for p in revisable if calls_off(p, logged, self._catalogue)]
        return list(dict.fromkeys([*called_off, *triggered]))

    def _listening(self, logged: Logged, *, asking: bool = False) -> list[Entry]:
        """The follow-ons that the item triggers; with `asking` only those whose audience asks for the past."""
        candidates = self._catalogue.listening_to(logged.item)
        return [
            entry
            for entry in candidates
            if (entry.asks_history or not asking) and triggers(logged.item, entry, logged.t, self._catalogue)
        ]

    def _judge_for(self, known: Known, campaign: str, key: str) -> Judge:
        entry = self._catalogue.entries[campaign]
        history = Past(known.past)

        def judge(logged: Logged, standing: Passage | None, again: bool) -> Verdict:
            if not triggers(logged.item, entry, logged.t, self._catalogue):
                return None
            if key_of(logged.item, entry, logged.t) != key:
                return None
            received_at = known.receipts.get((campaign, known.user_key, key))
            facts = TriggerFacts(
                logged, entry, self._catalogue, known.user, known.user_key, history, received_at, standing
            )
            refused = one_wait(facts) if again else judge_trigger(facts)
            if refused is not None:
                return refused
            generation = known.generations.get((campaign, known.user_key, key, logged.id), 0)
            return begin(facts, key, generation)

        return judge

    @staticmethod
    def _is_late(known: Known, logged: Logged, entries: Sequence[Logged]) -> bool:
        """Not newer than all that was judged; at one instant the order of arrival cannot be trusted either (X2)."""
        if known.newest_t is not None and logged.t <= known.newest_t:
            return True
        return sum(other.t == logged.t for other in entries) > 1


def _after(passages: Sequence[Passage], changes: Sequence[Change]) -> list[Passage]:
    """The passages as these changes leave them."""
    now = {passage.id: passage for passage in passages}
    for change in changes:
        if isinstance(change, Begin | End):
            now[change.passage.id] = change.passage
    return list(now.values())
