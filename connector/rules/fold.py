"""What one item does to a user's follow-ups of one follow-on and key, in order and out of it (T2, T3, T5, X1 to X4).

`step` judges one item in its turn. `fold` judges a stretch of a key's items again in event order, because one of them
came late; what has gone out stays as it is. Both give changes; nothing is decided anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.catalogue import Catalogue
from connector.rules.exceptions import calls_off
from connector.rules.interactions import Logged
from connector.rules.passages import Passage
from connector.rules.reasons import Reason, State


@dataclass(frozen=True)
class Begin:
    """A new follow-up; it may have ended already, by an exception that arrived before its trigger."""

    passage: Passage


@dataclass(frozen=True)
class End:
    """A stored follow-up has ended, or its end is another one than it was."""

    passage: Passage


@dataclass(frozen=True)
class Refuse:
    """A trigger that starts nothing."""

    campaign: str
    key: str
    logged: Logged
    reason: Reason


@dataclass(frozen=True)
class Note:
    """An exception that came too late to undo anything (X1)."""

    passage: Passage
    logged: Logged


Change = Begin | End | Refuse | Note
Verdict = Passage | Reason | None
Judge = Callable[[Logged, "Passage | None", bool], Verdict]
"""Judges an item as a trigger of one key, given what stands in its way, and whether it has begun a follow-up before:
then only what stands in its way is looked at, for all else was decided as it came. None where it does not trigger."""


@dataclass(frozen=True)
class Scope:
    """One key of one follow-on, judged against one catalogue. `now` is when it is decided, UTC."""

    campaign: str
    key: str
    catalogue: Catalogue
    now: datetime

    def refuse(self, logged: Logged, reason: Reason) -> Refuse:
        """The refusal of a trigger of this key."""
        return Refuse(self.campaign, self.key, logged, reason)


def step(logged: Logged, passages: Sequence[Passage], judge: Judge, scope: Scope) -> list[Change]:
    """What an item that is newer than all judged before it does to one key: first as an exception, then as a trigger.

    Args:
        passages: this key's follow-ups that are open or were dispatched after the item's time.
    """
    notes: list[Change] = [
        Note(passage, logged)
        for passage in passages
        if passage.dispatched_at is not None and calls_off(passage, logged, scope.catalogue)
    ]
    standing = next((passage for passage in passages if passage.is_open), None)
    called_off = standing is not None and standing.can_be_called_off and calls_off(standing, logged, scope.catalogue)
    verdict = judge(logged, None if called_off else standing, False)
    changes: list[Change] = []
    if standing is not None and isinstance(verdict, Passage):
        changes.append(End(_superseded(standing, scope.now, logged.t)))
    elif standing is not None and called_off:
        changes.append(End(excepted(standing, logged, scope.now)))
    if isinstance(verdict, Passage):
        changes.append(Begin(verdict))
    elif isinstance(verdict, Reason):
        changes.append(scope.refuse(logged, verdict))
    return notes + changes


def fold(
    items: Sequence[Logged], late: frozenset[str], passages: Sequence[Passage], judge: Judge, scope: Scope
) -> list[Change]:
    """Judge one key's items again in event order, and say how the stored follow-ups must change (T5).

    Args:
        items: the user's logged items from the beginning of the first of `passages`, or the first late item, on.
        late: the ids of the items that are judged for the first time.
        passages: this key's follow-ups that had not ended before the first late item.
        judge: for items that were judged before the first late one, what came of them is kept.
    """
    ordered = sorted(items, key=lambda logged: (logged.t, logged.seq))
    replay = _Replay(ordered, late, passages, judge, scope)
    for logged in ordered:
        replay.take(logged)
    return replay.changes()


def afresh(passage: Passage) -> Passage:
    """A stored passage as it stood before anything ended it; a hold stays a hold."""
    state = passage.state if passage.is_open else State.WAITING
    return replace(passage, state=state, reason=None, exception_id=None, exception_at=None, decided_at=None)


class _Replay:
    """The stretch of a key's history that is judged again; settled passages are facts in it."""

    def __init__(
        self,
        items: Sequence[Logged],
        late: frozenset[str],
        passages: Sequence[Passage],
        judge: Judge,
        scope: Scope,
    ) -> None:
        self._items, self._late, self._judge = items, late, judge
        self._scope, self._catalogue, self._now = scope, scope.catalogue, scope.now
        self._first_late = min((i.t, i.seq) for i in items if i.id in late)
        self._settled = {p.trigger.id: p for p in passages if p.is_settled}
        self._stored = {p.trigger.id: p for p in passages if not p.is_settled}
        self._standing: Passage | None = None
        self._outcome: list[Passage] = []
        self._refusals: list[Change] = []

    def take(self, logged: Logged) -> None:
        """Judge the next item in event order."""
        self._note_lateness(logged)
        if logged.id in self._settled:
            self._pass(self._settled[logged.id])
            return
        called_off = self._standing is not None and calls_off(self._standing, logged, self._catalogue)
        verdict = self._verdict(logged, None if called_off else self._standing)
        if isinstance(verdict, Passage):
            self._give_way(logged)
            self._standing = verdict if self._is_kept(logged) else self._called_off_at_once(verdict)
            self._end_if_closed()
        elif called_off and self._standing is not None:
            if not self._is_kept(logged) or self._standing.trigger.id in self._stored:
                self._outcome.append(excepted(self._standing, logged, self._now))
            self._standing = None
        if isinstance(verdict, Reason) and logged.id in self._late:
            self._refusals.append(self._scope.refuse(logged, verdict))

    def changes(self) -> list[Change]:
        """The difference between what came of it now and what is stored."""
        outcome = [*self._outcome, *([self._standing] if self._standing else [])]
        stored = dict(self._stored)
        ends: list[Change] = []
        begins: list[Change] = []
        for passage in outcome:
            before = stored.pop(passage.trigger.id, None)
            if before is None:
                begins += self._begun(passage)
            elif before.is_open and passage.is_open:
                continue
            elif passage.is_open:
                if before.id != passage.id:
                    ends.append(End(_superseded(before, self._now, before.trigger.t)))
                begins.append(Begin(passage))
            elif _end_of(before) != _end_of(passage):
                ends.append(End(replace(passage, id=before.id, due_at=before.due_at, next_at=before.next_at)))
        ends += [
            End(_superseded(left, self._now, left.trigger.t)) for left in stored.values() if not _never_stood(left)
        ]
        return [*ends, *begins, *self._refusals]

    def _begun(self, passage: Passage) -> list[Change]:
        """T2: an earlier trigger that arrives late and has been overtaken is refused as superseded, once."""
        if passage.reason != Reason.SUPERSEDED:
            return [Begin(passage)]
        late = passage.trigger.id in self._late
        return [self._scope.refuse(passage.trigger, Reason.SUPERSEDED)] if late else []

    def _verdict(self, logged: Logged, standing: Passage | None) -> Verdict:
        stored = self._stored.get(logged.id)
        if self._is_kept(logged):
            if stored is None or _never_stood(stored):
                return self._overtaken(logged, standing)
            return self._kept(stored)
        settled = next((p for p in self._settled.values() if p.stood_at(logged.t)), None)
        verdict = self._judge(logged, standing or settled, stored is not None)
        if not isinstance(verdict, Passage):
            return verdict
        if stored is not None and not stored.is_open:
            return verdict
        return verdict if stored is None else afresh(stored)

    def _pass(self, settled: Passage) -> None:
        """What is a fact began here: a wait in its way gives way to it, or is by now the one that does not begin."""
        standing = self._standing
        if standing is None or not self._stays_before(standing, settled):
            self._give_way(settled.trigger)
            return
        if standing.trigger.id in self._late:
            self._refusals.append(self._scope.refuse(standing.trigger, Reason.ALREADY_WAITING))
        self._standing = None

    def _stays_before(self, passage: Passage, later: Passage) -> bool:
        """Whether it would stand in the way of one that begins later, and not give way to it."""
        to = later.trigger
        if not passage.trigger.t <= to.t < passage.due_at or calls_off(passage, to, self._catalogue):
            return False
        return isinstance(self._judge(to, passage, True), Reason)

    def _is_kept(self, logged: Logged) -> bool:
        """Nothing late comes before it, so that what came of it stays."""
        return (logged.t, logged.seq) < self._first_late

    def _kept(self, stored: Passage) -> Passage:
        """As it stood in its turn: where it began called off (X2), it stays so."""
        by = next((item for item in self._items if item.id == stored.exception_id), None)
        at_once = by is not None and by.t == stored.trigger.t and by.seq < stored.trigger.seq
        return stored if at_once else afresh(stored)

    def _overtaken(self, logged: Logged, standing: Passage | None) -> Passage | None:
        """What a trigger began that came late and was overtaken by one that has a row: nothing is stored of it (T2).

        Any other trigger without a row was refused, and stays so.
        """
        verdict = self._judge(logged, standing, logged.id in self._stored)
        if not isinstance(verdict, Passage):
            return None
        place = (logged.t, logged.seq)
        later = [p for p in (*self._stored.values(), *self._settled.values()) if place < (p.trigger.t, p.trigger.seq)]
        taken_over = any(p.trigger.t < verdict.due_at and not self._stays_before(verdict, p) for p in later)
        return verdict if taken_over else None

    def _called_off_at_once(self, passage: Passage) -> Passage:
        """X2: an exception of the trigger's own target at the same instant counts, whichever was taken in first.

        Not one that is a trigger of this key itself: its own wait has just given way to this one (T3).
        """
        return next(
            (
                excepted(passage, item, self._now)
                for item in self._items
                if item.t == passage.trigger.t
                and item.seq < passage.trigger.seq
                and calls_off(passage, item, self._catalogue)
                and self._judge(item, None, True) is None
            ),
            passage,
        )

    def _end_if_closed(self) -> None:
        if self._standing is not None and not self._standing.is_open:
            self._outcome.append(self._standing)
            self._standing = None

    def _give_way(self, to: Logged) -> None:
        if self._standing is not None:
            self._outcome.append(_superseded(self._standing, self._now, to.t))
            self._standing = None

    def _note_lateness(self, logged: Logged) -> None:
        if logged.id in self._late:
            self._refusals += [
                Note(passage, logged)
                for passage in self._settled.values()
                if passage.dispatched_at is not None and calls_off(passage, logged, self._catalogue)
            ]


def excepted(passage: Passage, by: Logged, now: datetime) -> Passage:
    """The passage as an exception leaves it (X4)."""
    return replace(
        passage,
        state=State.EXCEPTED,
        reason=Reason.EXCEPTION,
        exception_id=by.id,
        exception_at=by.t,
        decided_at=now,
    )


def _superseded(passage: Passage, now: datetime, at: datetime) -> Passage:
    """It has given way at that event time; its own trigger's where, in order, it never stood."""
    return replace(
        passage,
        state=State.DROPPED,
        reason=Reason.SUPERSEDED,
        exception_id=None,
        exception_at=at,
        decided_at=now,
    )


def _never_stood(passage: Passage) -> bool:
    return passage.reason == Reason.SUPERSEDED and passage.exception_at == passage.trigger.t


def _end_of(passage: Passage) -> tuple[State, Reason | None, str | None, datetime | None]:
    return passage.state, passage.reason, passage.exception_id, passage.exception_at
