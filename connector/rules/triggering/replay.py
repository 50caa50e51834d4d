"""Replay the items of one key in event order, because one of them arrived late (T2, T3, T5, P9, X1 to X4).

Messages that went out do not change. Items that arrive in order are evaluated by `in_order`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from connector.rules.model.follow_up import FollowUp, cancel_by_exception, reopen, supersede
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.times import end_of_second, is_before, start_of_second
from connector.rules.targeting.matching import LoggedType
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluateTrigger,
    EvaluationScope,
    NewFollowUp,
    TriggerOutcome,
)
from connector.rules.triggering.differences import compare_with_stored
from connector.rules.triggering.exceptions import end_by_exception, is_cancelled_by, late_exceptions
from connector.rules.triggering.overtaken import KeyRefusals, never_waited
from connector.rules.triggering.user_log import UserLog


def apply_late(
    items: Sequence[LogEntry],
    late: frozenset[str],
    follow_ups: Sequence[FollowUp],
    refused: KeyRefusals,
    evaluate: EvaluateTrigger,
    scope: EvaluationScope,
    log: UserLog,
) -> list[Change]:
    """Replay one key's items in event order, and return how the stored follow-ups must change (T5).

    The replay begins with the follow-up that waited at the first late item: the stored rows are the outcome of the
    earlier items. A trigger that was refused or overtaken when it arrived is evaluated again. The replay ends as soon
    as the same trigger waits in the replay as in the store, or none: from there on nothing differs. It does not end
    within a second, because an item in whole seconds may cancel a follow-up that begins later in that second (M8).

    Args:
        items: what was loaded of the user's items that bear on this key, from the first late one on, and the triggers
            of `follow_ups`.
        late: the ids of the items that are evaluated for the first time.
        follow_ups: this key's follow-ups that had not ended before the first late item.
        refused: this key's triggers that were refused.
        log: what was loaded of the user's log.

    Raises:
        LogIncomplete: the replay would need an item that was not loaded.
    """
    ordered = sorted(items, key=lambda logged: (logged.t, logged.seq))
    replay = _Replay(ordered, late, follow_ups, refused, evaluate, scope, log)
    reached = min(logged.t for logged in ordered if logged.id in late)
    log.require(replay.all_types, start_of_second(reached), reached)
    for logged in ordered:
        if replay.is_before_first_late(logged):
            continue
        if logged.t > reached:
            if logged.t > end_of_second(reached) and replay.is_as_stored(reached):
                return replay.changes(reached)
            log.require(replay.types_needed(), reached, logged.t)
            reached = logged.t
        replay.apply(logged)
    log.require(replay.types_needed(), reached, end_of_second(reached))
    if replay.is_as_stored(reached):
        return replay.changes(reached)
    log.require(replay.types_needed(), reached, None)
    return replay.changes(None)


class _Replay:
    """The replay of one key's items in event order. Settled follow-ups are fixed points of it; others may change.

    `_blocking` is the follow-up that is open at the current point of the replay. `_stored_waiting` is the trigger that
    the stored refusals show as waiting at that point: it was overtaken, and has no row.
    """

    def __init__(
        self,
        items: Sequence[LogEntry],
        late: frozenset[str],
        follow_ups: Sequence[FollowUp],
        refused: KeyRefusals,
        evaluate: EvaluateTrigger,
        scope: EvaluationScope,
        log: UserLog,
    ) -> None:
        self._items, self._late, self._evaluate, self._log = items, late, evaluate, log
        self._scope, self._catalogue, self._now = scope, scope.catalogue, scope.now
        self._entry, self._refused = scope.catalogue.entries[scope.campaign], refused
        self._first_late_place = min((i.t, i.seq) for i in items if i.id in late)
        self._first_late = self._first_late_place[0]
        self._last_late_t = max(i.t for i in items if i.id in late)
        # A trigger can have several follow-ups. The open one, sorted last, replaces the others in these mappings.
        open_last = sorted(follow_ups, key=lambda follow_up: follow_up.is_open)
        self._settled = {p.trigger.id: p for p in open_last if p.is_settled}
        self._stored = {p.trigger.id: p for p in open_last if not p.is_settled and self._can_change(p)}
        self._stored_waiting: str | None = None
        self._blocking = self._blocking_at_first_late()
        self._ended: list[FollowUp] = []
        self._refusals: list[Change] = []
        self._rests: dict[str, Change] = {}

    def _can_change(self, follow_up: FollowUp) -> bool:
        """Return whether the follow-up was open at the first late item, or began later."""
        return follow_up.trigger.t > self._first_late or follow_up.was_open_at(self._first_late)

    def _blocking_at_first_late(self) -> FollowUp | None:
        stored = [p for p in self._stored.values() if p.was_open_at(self._first_late)]
        if stored:
            return reopen(stored[-1])
        if self._refused.overtaken is None:
            return None
        begun = self._evaluate(self._refused.overtaken, None, True)
        if not isinstance(begun, FollowUp):
            return None
        self._stored_waiting = begun.trigger.id
        return begun

    @property
    def all_types(self) -> frozenset[LoggedType]:
        """The items that bear on the follow-on."""
        return self._entry.trigger_types | self._entry.exception_types

    def types_needed(self) -> frozenset[LoggedType]:
        """Return which items can change the state at the current point, of those that are not late.

        An exception only matters to an open follow-up. A trigger is refused while one is open, except that it may
        supersede it, be overtaken itself, or find that it is stale.
        """
        if self._blocking is None:
            return self._entry.trigger_types
        if self._entry.may_supersede or self._scope.end_if_stale(self._blocking, self._now) is not None:
            return self.all_types
        return self._entry.exception_types

    def is_before_first_late(self, logged: LogEntry) -> bool:
        """Return whether the item's outcome is stored already: the replay begins after it."""
        return (logged.t, logged.seq) < self._first_late_place

    def is_as_stored(self, t: datetime) -> bool:
        """Return whether, after all items until `t`, late ones included, the state is the stored one of that time."""
        if t < self._last_late_t:
            return False
        stored = [trigger for trigger, follow_up in self._stored.items() if follow_up.was_open_at(t)]
        if not stored and self._stored_waiting is not None:
            stored = [self._stored_waiting]
        return stored == ([] if self._blocking is None else [self._blocking.trigger.id])

    def apply(self, logged: LogEntry) -> None:
        """Evaluate the next item in event order."""
        self._pass_stored(logged)
        self._end_blocking(self._scope.end_if_stopped, logged.t)
        if logged.id in self._late:
            self._refusals += late_exceptions(logged, list(self._settled.values()), self._scope)
            self._cancel_rests(logged)
        if logged.id in self._settled:
            self._apply_settled(self._settled[logged.id])
            return
        is_cancelled = self._blocking is not None and is_cancelled_by(self._blocking, logged, self._catalogue)
        outcome = self._outcome_of(logged, None if is_cancelled else self._blocking)
        if outcome is Reason.ALREADY_WAITING and self._end_blocking(self._scope.end_if_stale, logged.t):
            outcome = self._outcome_of(logged, None)
        if isinstance(outcome, FollowUp):
            self._supersede_blocking(logged)
            self._supersede_rests(logged)
            self._begin(self._cancelled_at_once(outcome))
        elif is_cancelled and self._blocking is not None:
            self._ended.append(cancel_by_exception(self._blocking, logged, self._now))
            self._blocking = None
        if isinstance(outcome, Reason):
            self._refuse(logged, outcome)

    def _pass_stored(self, logged: LogEntry) -> None:
        """Update which overtaken trigger waits by the stored refusals: each waits until another follow-up begins."""
        stored = self._stored.get(logged.id)
        if logged.id in self._settled or (stored is not None and not never_waited(stored)):
            self._stored_waiting = None
        elif stored is None and self._refused.is_overtaken(logged.id):
            self._stored_waiting = logged.id

    def _refuse(self, logged: LogEntry, reason: Reason) -> None:
        """Refuse a late trigger, or replace the reason of a trigger that was refused before."""
        is_revised = self._refused.reasons.get(logged.id, reason) is not reason and logged.id not in self._stored
        if logged.id in self._late or is_revised:
            self._refusals.append(self._scope.refuse(logged, reason, is_revised=is_revised))

    def changes(self, until: datetime | None) -> list[Change]:
        """Return the difference between the outcome of the replay and the stored follow-ups.

        Args:
            until: the time from which on nothing differs: what is open then, or begins later, does not
                change.
                None: the replay came to the end of the log.
        """
        if until is None:
            self._end_blocking(self._scope.end_if_stopped, self._now)
        else:
            self._blocking = None
        stored = self._stored_until(until)
        replayed = [*self._ended, *([self._blocking] if self._blocking else [])]
        ends, begun = compare_with_stored(replayed, stored, self._now)
        begins = [change for follow_up in begun for change in self._begun(follow_up)]
        return [*ends, *self._rests.values(), *begins, *self._refusals]

    def _stored_until(self, until: datetime | None) -> dict[str, FollowUp]:
        """Return the stored follow-ups that had ended by `until`, by trigger; None: all."""
        return {
            trigger: follow_up
            for trigger, follow_up in self._stored.items()
            if until is None or (follow_up.trigger.t <= until and not follow_up.was_open_at(until))
        }

    def _begun(self, follow_up: FollowUp) -> list[Change]:
        """Return the change of a follow-up without a row; a trigger that was superseded is refused, once (T2)."""
        if follow_up.reason != Reason.SUPERSEDED:
            return [NewFollowUp(follow_up)]
        trigger, reason = follow_up.trigger, Reason.SUPERSEDED
        is_revised = self._refused.reasons.get(trigger.id, reason) is not reason
        is_news = trigger.id in self._late or is_revised
        return [self._scope.refuse(trigger, reason, is_revised=is_revised)] if is_news else []

    def _outcome_of(self, logged: LogEntry, blocking: FollowUp | None) -> TriggerOutcome:
        stored = self._stored.get(logged.id)
        takes_turn = stored is not None or self._refused.takes_turn(logged.id)
        if not takes_turn and (known := self._refused.reasons.get(logged.id)) is not None:
            return known
        outcome = self._evaluate(logged, blocking or self._settled_blocking(logged), takes_turn)
        if not isinstance(outcome, FollowUp) or stored is None:
            return outcome
        return reopen(stored) if stored.is_open else outcome

    def _settled_blocking(self, logged: LogEntry) -> FollowUp | None:
        """Return the settled follow-up that was open at the item's time; not one that the item would restart (T3)."""
        for follow_up in self._settled.values():
            if follow_up.was_open_at(logged.t):
                has_cancelled = not follow_up.is_open and is_cancelled_by(follow_up, logged, self._catalogue)
                return None if has_cancelled else follow_up
        return None

    def _cancel_rests(self, logged: LogEntry) -> None:
        """End the channels that are still to come of a follow-up that was partly sent, if the item cancels it (X1)."""
        for settled in list(self._settled.values()):
            if (cancelled := end_by_exception(settled, logged, self._scope)) is not None:
                self._end_rest(cancelled)

    def _supersede_rests(self, trigger: LogEntry) -> None:
        """End the channels that are still to come of a follow-up that was partly sent: a trigger restarts it (X1)."""
        for settled in list(self._settled.values()):
            if settled.can_be_superseded and settled.was_open_at(trigger.t):
                self._end_rest(supersede(settled, self._now, trigger.t))

    def _end_rest(self, ended: FollowUp) -> None:
        self._settled[ended.trigger.id] = ended
        self._rests[ended.id] = EndedFollowUp(ended)

    def _apply_settled(self, settled: FollowUp) -> None:
        """Apply the trigger of a settled follow-up: the blocking follow-up is superseded, or should not have begun."""
        blocking = self._blocking
        if blocking is not None and self._was_due_before(blocking, settled):
            return  # no message of the blocking follow-up has gone out yet, and it is decided at once
        if blocking is None or not self._refuses(blocking, settled):
            self._supersede_blocking(settled.trigger)
            return
        if blocking.trigger.id in self._late:
            self._refusals.append(self._scope.refuse(blocking.trigger, Reason.ALREADY_WAITING))
        self._blocking = None

    def _was_due_before(self, follow_up: FollowUp, settled: FollowUp) -> bool:
        """Return whether a follow-up without a row was due before a settled one began: it is decided at once (D4).

        If the later trigger is an exception too, it is not: an old message never goes out after a newer one then.
        """
        if settled.is_open or is_before(settled.trigger.t, follow_up.due_at) or follow_up.trigger.id in self._stored:
            return False
        return not is_cancelled_by(follow_up, settled.trigger, self._catalogue)

    def _refuses(self, follow_up: FollowUp, later: FollowUp) -> bool:
        """Return whether the follow-up would refuse the trigger of a later one instead of being superseded by it."""
        trigger = later.trigger
        if trigger.t < follow_up.trigger.t or not is_before(trigger.t, follow_up.due_at):
            return False
        if is_cancelled_by(follow_up, trigger, self._catalogue):
            return False
        return isinstance(self._evaluate(trigger, follow_up, True), Reason)

    def _cancelled_at_once(self, follow_up: FollowUp) -> FollowUp:
        """Apply an exception that is earlier in the order of the replay, and still not before the trigger.

        At the trigger's instant it has the trigger's target (X2); or it is in whole seconds, in the trigger's second
        (M8). An exception that is also a trigger of this key does not count: the follow-up superseded the item's own
        (T3).
        """
        t = follow_up.trigger.t
        self._log.require(self._entry.exception_types, start_of_second(t), t)
        for item in self._items:
            if (
                (item.t, item.seq) < (follow_up.trigger.t, follow_up.trigger.seq)
                and is_cancelled_by(follow_up, item, self._catalogue)
                and self._evaluate(item, None, True) is None
            ):
                return cancel_by_exception(follow_up, item, self._now)
        return follow_up

    def _begin(self, follow_up: FollowUp) -> None:
        if follow_up.is_open:
            self._blocking = follow_up
        else:
            self._ended.append(follow_up)
            self._blocking = None

    def _end_blocking(self, end: Callable[[FollowUp, datetime], FollowUp | None], t: datetime) -> bool:
        """End the blocking follow-up if a stop (P9) or staleness (D4) had ended it by `t`; return whether it had."""
        ended = end(self._blocking, t) if self._blocking is not None else None
        if ended is None:
            return False
        self._ended.append(ended)
        self._blocking = None
        return True

    def _supersede_blocking(self, trigger: LogEntry) -> None:
        if self._blocking is not None:
            self._ended.append(supersede(self._blocking, self._now, trigger.t))
            self._blocking = None
