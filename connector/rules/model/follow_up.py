"""A follow-up: one user's run through one follow-on under one key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic_core import to_json

from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.model.times import is_before

_REVISABLE_ENDS = {(State.EXCEPTED, Reason.EXCEPTION), (State.DROPPED, Reason.SUPERSEDED)}


@dataclass(frozen=True)
class Rest:
    """The channels of an open follow-up that are still to come after another one was claimed (X1).

    Args:
        channels: those whose message has been neither claimed nor decided.
        deliveries: the ids of their deliveries, in the same order.
        final: the state and the reason with which the follow-up ends if they send nothing; None while the result of a
            claimed message is not known.
        ended_by: the reason for which the channels were ended; None: they can still be sent.
    """

    channels: tuple[str, ...]
    deliveries: tuple[str, ...]
    final: tuple[State, Reason | None] | None
    ended_by: Reason | None = None


@dataclass(frozen=True)
class FollowUp:
    """One follow-up. All instants are UTC.

    Args:
        due_at: the due time that it began with.
        next_at: the time that it waits for now: the due time, or the end of a hold.
        exception_id: the interaction that cancelled it.
        exception_at: the event time from which it no longer blocks its key: that of the cancelling interaction or of
            the superseding trigger; its own trigger's if in event order it never waited; the instant of the stop, or
            of the due time that staleness counts from, if either had ended it before that was noticed.
        dispatched_at: the last claim of one of its messages; one that was released does not count.
        decided_at: when its end was decided.
        rest: the channels that are still to come after another one was claimed; None if there are none, and unless
            they were loaded.
        moved_to: the time to which an operator last moved it in the store, without its workflow.
        resends: how often an operator had messages of it sent again; each time it gets a new workflow.
    """

    id: str
    campaign: str
    revision: int
    window_id: int
    user_key: str
    key: str
    trigger: LogEntry
    due_at: datetime
    next_at: datetime
    state: State = State.WAITING
    reason: Reason | None = None
    channels: tuple[str, ...] = ()
    exception_id: str | None = None
    exception_at: datetime | None = None
    dispatched_at: datetime | None = None
    decided_at: datetime | None = None
    rest: Rest | None = None
    moved_to: datetime | None = None
    resends: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it is waiting, held or sending."""
        return self.state in OPEN_STATES

    @property
    def is_erased(self) -> bool:
        """Whether its user was erased: the erasure makes its key its own id, which no report can (guarantee 8)."""
        return self.key == self.id

    @property
    def can_be_cancelled(self) -> bool:
        """Whether it is waiting or held, and none of its messages has been claimed (guarantee 3)."""
        return self.state in (State.WAITING, State.HELD) and self.dispatched_at is None

    @property
    def can_be_ended(self) -> bool:
        """Whether an exception or a stop keeps a message of it from going out: all of them, or those still to come."""
        return self.can_be_cancelled or (self.rest is not None and self.rest.ended_by is None)

    @property
    def can_be_superseded(self) -> bool:
        """Whether it ends at once if it is ended: no message of it is being sent, so that another wait may begin."""
        return self.can_be_cancelled or (self.can_be_ended and self.rest is not None and self.rest.final is not None)

    @property
    def is_dispatched(self) -> bool:
        """Whether one of its messages went out or may still go out: an exception of it is too late (X1)."""
        return self.dispatched_at is not None and self.state is not State.DROPPED

    @property
    def is_settled(self) -> bool:
        """Whether a replay never changes its end: a message went out, or the due-time list decided it."""
        return not self.can_be_cancelled and (self.state, self.reason) not in _REVISABLE_ENDS

    @property
    def ended_at(self) -> datetime | None:
        """The event time until which it blocked other follow-ups of its key; None while it is open.

        One that was partly sent when an exception or a stop ended it has both a dispatch and that end.
        """
        if self.is_open:
            return None
        return max((at for at in (self.dispatched_at, self.exception_at) if at is not None), default=self.decided_at)

    def was_open_at(self, t: datetime) -> bool:
        """Return whether, by event time, it had begun by `t`, an item's time, and had not ended.

        An end by another item is compared in the order of the two times; an end by a dispatch or a drop is an instant
        (M8).
        """
        if self.ended_at is None or t < self.trigger.t:
            return t >= self.trigger.t
        return is_before(t, self.ended_at) if self.is_settled else t < self.ended_at


def follow_up_id_of(
    campaign: str, user_key: str, key: str, trigger_id: str, generation: int, *, t: datetime | None = None
) -> str:
    """Return a stable id: the same trigger gives the same follow-up, also if it is reported again after a restore.

    Args:
        generation: how many follow-ups the trigger has begun before.
        t: the trigger's time; None: a launch. An item's id that is used again beyond the log's retention is another
            item (M6), whose workflow and messages must not have the ids of the first one's.
    """
    # Without objects, this text is the canonical one.
    text = to_json(["follow-up", campaign, user_key, key, trigger_id, generation, t and t.astimezone(UTC)])
    return hashlib.sha256(text).hexdigest()[:26]


def reopen(follow_up: FollowUp) -> FollowUp:
    """Return a stored follow-up as it was before it ended; a held one stays held."""
    state = follow_up.state if follow_up.is_open else State.WAITING
    return replace(follow_up, state=state, reason=None, exception_id=None, exception_at=None, decided_at=None)


def cancel_by_exception(follow_up: FollowUp, by: LogEntry, now: datetime) -> FollowUp:
    """Return the follow-up as ended by an exception, decided at `now` (X4)."""
    ended = _end(follow_up, State.EXCEPTED, Reason.EXCEPTION, now, by.t)
    return replace(ended, exception_id=by.id)


def supersede(follow_up: FollowUp, now: datetime, at: datetime) -> FollowUp:
    """Return the follow-up as superseded at the event time `at`: its own trigger's if in order it never waited."""
    return replace(_end(follow_up, State.DROPPED, Reason.SUPERSEDED, now, at), exception_id=None)


def drop(follow_up: FollowUp, reason: Reason, now: datetime, at: datetime) -> FollowUp:
    """Return the follow-up as dropped from the event time `at` on, though that is decided only at `now` (P9, D4)."""
    return _end(follow_up, State.DROPPED, reason, now, at)


def _end(follow_up: FollowUp, state: State, reason: Reason, now: datetime, at: datetime) -> FollowUp:
    """Return the follow-up as ended; if it was partly sent, its sent messages decide its final state (X1).

    It stays open while the result of a claimed message is not known.
    """
    rest = follow_up.rest
    if rest is None:
        return replace(follow_up, state=state, reason=reason, exception_at=at, decided_at=now)
    ended = replace(follow_up, exception_at=at, rest=replace(rest, ended_by=reason))
    if rest.final is None:
        return replace(ended, state=State.SENDING)
    return replace(ended, state=rest.final[0], reason=rest.final[1], decided_at=now)
