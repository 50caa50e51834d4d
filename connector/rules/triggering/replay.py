"""A stretch of one key's history judged again in event order, because an item of it came late (T5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp, cancel_by_exception, reopen, supersede
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluateTrigger,
    EvaluationScope,
    LateException,
    NewFollowUp,
    TriggerOutcome,
)
from connector.rules.triggering.exceptions import is_cancelled_by


class Replay:
    """The stretch of a key's history that is judged again; settled follow-ups are facts in it."""

    def __init__(
        self,
        items: Sequence[LogEntry],
        late: frozenset[str],
        follow_ups: Sequence[FollowUp],
        judge: EvaluateTrigger,
        scope: EvaluationScope,
    ) -> None:
        self._items, self._late, self._judge = items, late, judge
        self._scope, self._catalogue, self._now = scope, scope.catalogue, scope.now
        self._first_late = min((i.t, i.seq) for i in items if i.id in late)
        # Of a trigger that began anew, the follow-up that is open is the one that stands.
        open_last = sorted(follow_ups, key=lambda follow_up: follow_up.is_open)
        self._settled = {p.trigger.id: p for p in open_last if p.is_settled}
        self._stored = {p.trigger.id: p for p in open_last if not p.is_settled}
        self._standing: FollowUp | None = None
        self._outcome: list[FollowUp] = []
        self._refusals: list[Change] = []

    def take(self, logged: LogEntry) -> None:
        """Judge the next item in event order."""
        self._end(self._scope.end_if_stopped, logged.t)
        self._note_lateness(logged)
        if logged.id in self._settled:
            self._pass(self._settled[logged.id])
            return
        called_off = self._standing is not None and is_cancelled_by(self._standing, logged, self._catalogue)
        verdict = self._verdict(logged, None if called_off else self._standing)
        if verdict is Reason.ALREADY_WAITING and self._end(self._scope.end_if_stale, logged.t):
            verdict = self._verdict(logged, None)
        if isinstance(verdict, FollowUp):
            self._give_way(logged)
            self._standing = verdict if self._is_kept(logged) else self._cancelled_at_once(verdict)
            self._end_if_closed()
        elif called_off and self._standing is not None:
            if not self._is_kept(logged) or self._standing.trigger.id in self._stored:
                self._outcome.append(cancel_by_exception(self._standing, logged, self._now))
            self._standing = None
        if isinstance(verdict, Reason) and logged.id in self._late:
            self._refusals.append(self._scope.refuse(logged, verdict))

    def changes(self) -> list[Change]:
        """The difference between what came of it now and what is stored."""
        self._end(self._scope.end_if_stopped, self._now)
        outcome = [*self._outcome, *([self._standing] if self._standing else [])]
        stored = dict(self._stored)
        ends: list[Change] = []
        begins: list[Change] = []
        for follow_up in outcome:
            before = stored.pop(follow_up.trigger.id, None)
            if before is None:
                begins += self._begun(follow_up)
            elif before.is_open and follow_up.is_open:
                continue
            elif follow_up.is_open:
                if before.id != follow_up.id:
                    ends.append(EndedFollowUp(supersede(before, self._now, before.trigger.t)))
                begins.append(NewFollowUp(follow_up))
            elif _end_of(before) != _end_of(follow_up):
                ends.append(
                    EndedFollowUp(replace(follow_up, id=before.id, due_at=before.due_at, next_at=before.next_at))
                )
        ends += [
            EndedFollowUp(supersede(left, self._now, left.trigger.t))
            for left in stored.values()
            if not _never_stood(left)
        ]
        return [*ends, *begins, *self._refusals]

    def _begun(self, follow_up: FollowUp) -> list[Change]:
        """T2: an earlier trigger that arrives late and has been overtaken is refused as superseded, once."""
        if follow_up.reason != Reason.SUPERSEDED:
            return [NewFollowUp(follow_up)]
        late = follow_up.trigger.id in self._late
        return [self._scope.refuse(follow_up.trigger, Reason.SUPERSEDED)] if late else []

    def _verdict(self, logged: LogEntry, standing: FollowUp | None) -> TriggerOutcome:
        stored = self._stored.get(logged.id)
        if self._is_kept(logged):
            if stored is None or _never_stood(stored):
                return self._overtaken(logged, standing)
            return self._kept(stored)
        settled = next((p for p in self._settled.values() if p.was_open_at(logged.t)), None)
        verdict = self._judge(logged, standing or settled, stored is not None)
        if not isinstance(verdict, FollowUp):
            return verdict
        if stored is not None and not stored.is_open:
            return verdict
        return verdict if stored is None else reopen(stored)

    def _pass(self, settled: FollowUp) -> None:
        """What is a fact began here: a wait in its way gives way to it, or is by now the one that does not begin."""
        standing = self._standing
        if standing is not None and self._was_due_before(standing, settled):
            return
        if standing is None or not self._stays_before(standing, settled):
            self._give_way(settled.trigger)
            return
        if standing.trigger.id in self._late:
            self._refusals.append(self._scope.refuse(standing.trigger, Reason.ALREADY_WAITING))
        self._standing = None

    def _was_due_before(self, follow_up: FollowUp, settled: FollowUp) -> bool:
        """D4: a late one that was due before a fact began takes nothing from it, and is decided at once."""
        late = follow_up.trigger.id in self._late
        return late and not settled.is_open and follow_up.due_at <= settled.trigger.t

    def _stays_before(self, follow_up: FollowUp, later: FollowUp) -> bool:
        """Whether it would stand in the way of one that begins later, and not give way to it."""
        to = later.trigger
        if not follow_up.trigger.t <= to.t < follow_up.due_at or is_cancelled_by(follow_up, to, self._catalogue):
            return False
        return isinstance(self._judge(to, follow_up, True), Reason)

    def _is_kept(self, logged: LogEntry) -> bool:
        """Nothing late comes before it, so that what came of it stays."""
        return (logged.t, logged.seq) < self._first_late

    def _kept(self, stored: FollowUp) -> FollowUp:
        """As it stood in its turn: where it began called off (X2), it stays so."""
        by = next((item for item in self._items if item.id == stored.exception_id), None)
        at_once = by is not None and by.t == stored.trigger.t and by.seq < stored.trigger.seq
        return stored if at_once else reopen(stored)

    def _overtaken(self, logged: LogEntry, standing: FollowUp | None) -> FollowUp | None:
        """What a trigger began that came late and was overtaken by one that has a row: nothing is stored of it (T2).

        Any other trigger without a row was refused, and stays so.
        """
        verdict = self._judge(logged, standing, logged.id in self._stored)
        if not isinstance(verdict, FollowUp):
            return None
        place = (logged.t, logged.seq)
        later = [p for p in (*self._stored.values(), *self._settled.values()) if place < (p.trigger.t, p.trigger.seq)]
        taken_over = any(p.trigger.t < verdict.due_at and not self._stays_before(verdict, p) for p in later)
        return verdict if taken_over else None

    def _cancelled_at_once(self, follow_up: FollowUp) -> FollowUp:
        """X2: an exception of the trigger's own target at the same instant counts, whichever was taken in first.

        Not one that is a trigger of this key itself: its own wait has just given way to this one (T3).
        """
        return next(
            (
                cancel_by_exception(follow_up, item, self._now)
                for item in self._items
                if item.t == follow_up.trigger.t
                and item.seq < follow_up.trigger.seq
                and is_cancelled_by(follow_up, item, self._catalogue)
                and self._judge(item, None, True) is None
            ),
            follow_up,
        )

    def _end_if_closed(self) -> None:
        if self._standing is not None and not self._standing.is_open:
            self._outcome.append(self._standing)
            self._standing = None

    def _end(self, ended_by: Callable[[FollowUp, datetime], FollowUp | None], t: datetime) -> bool:
        """End what stands where the order to stop (P9) or staleness (D4) had done so by then; says whether it had."""
        ended = ended_by(self._standing, t) if self._standing is not None else None
        if ended is None:
            return False
        self._outcome.append(ended)
        self._standing = None
        return True

    def _give_way(self, to: LogEntry) -> None:
        if self._standing is not None:
            self._outcome.append(supersede(self._standing, self._now, to.t))
            self._standing = None

    def _note_lateness(self, logged: LogEntry) -> None:
        if logged.id in self._late:
            self._refusals += [
                LateException(follow_up, logged)
                for follow_up in self._settled.values()
                if follow_up.is_dispatched and is_cancelled_by(follow_up, logged, self._catalogue)
            ]


def _never_stood(follow_up: FollowUp) -> bool:
    return follow_up.reason == Reason.SUPERSEDED and follow_up.exception_at == follow_up.trigger.t


def _end_of(follow_up: FollowUp) -> tuple[State, Reason | None, str | None, datetime | None]:
    return follow_up.state, follow_up.reason, follow_up.exception_id, follow_up.exception_at
