"""A follow-up as the rules see it: one user's follow-up through one follow-on under one key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.model.values import canonical_json

_REVISABLE = {(State.EXCEPTED, Reason.EXCEPTION), (State.DROPPED, Reason.SUPERSEDED)}


@dataclass(frozen=True)
class FollowUp:
    """One follow-up. All instants are UTC.

    `due_at` is the due time it began with, `next_at` the one it waits for now (a hold's end). `dispatched_at` is
    the first claim of one of its messages, `decided_at` when its end was decided. `exception_at` is the event time of
    the interaction `exception_id` that called it off; of a superseded one, that of the trigger that took its place, or
    its own trigger's where in event order it never stood; of one that a stop or staleness had ended before that was
    noticed, the instant from which it no longer stood.
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

    @property
    def is_open(self) -> bool:
        """Waiting, held or sending."""
        return self.state in OPEN_STATES

    @property
    def can_be_cancelled(self) -> bool:
        """It waits or is held, and nothing of it has been claimed yet (guarantee 3)."""
        return self.state in (State.WAITING, State.HELD) and self.dispatched_at is None

    @property
    def is_dispatched(self) -> bool:
        """A message of it went out or may yet: what would have called it off comes too late (X1)."""
        return self.dispatched_at is not None and self.state is not State.DROPPED

    @property
    def is_settled(self) -> bool:
        """Its end is a fact that folding does not revise: something went out, or the due time's list decided."""
        return not self.can_be_cancelled and (self.state, self.reason) not in _REVISABLE

    @property
    def ended_at(self) -> datetime | None:
        """Until when, by event time, it stood in the way of another one of its key; None while it does."""
        return None if self.is_open else self.dispatched_at or self.exception_at or self.decided_at

    def was_open_at(self, t: datetime) -> bool:
        """Whether it had begun by `t` and had not ended."""
        return self.trigger.t <= t and (self.ended_at is None or t < self.ended_at)


def follow_up_id_of(campaign: str, user_key: str, key: str, trigger_id: str, generation: int) -> str:
    """A stable id, so that judging again names the same follow-up. `generation` counts how often it began anew."""
    text = canonical_json(["follow-up", campaign, user_key, key, trigger_id, generation])
    return hashlib.sha256(text.encode()).hexdigest()[:26]


def reopen(follow_up: FollowUp) -> FollowUp:
    """A stored follow-up as it stood before anything ended it; a hold stays a hold."""
    state = follow_up.state if follow_up.is_open else State.WAITING
    return replace(follow_up, state=state, reason=None, exception_id=None, exception_at=None, decided_at=None)


def cancel_by_exception(follow_up: FollowUp, by: LogEntry, now: datetime) -> FollowUp:
    """The follow-up as an exception leaves it (X4)."""
    return replace(
        follow_up,
        state=State.EXCEPTED,
        reason=Reason.EXCEPTION,
        exception_id=by.id,
        exception_at=by.t,
        decided_at=now,
    )


def supersede(follow_up: FollowUp, now: datetime, at: datetime) -> FollowUp:
    """It has given way at that event time; its own trigger's where, in order, it never stood."""
    return replace(
        follow_up,
        state=State.DROPPED,
        reason=Reason.SUPERSEDED,
        exception_id=None,
        exception_at=at,
        decided_at=now,
    )


def drop(follow_up: FollowUp, reason: Reason, now: datetime, at: datetime) -> FollowUp:
    """It no longer stood from `at` on, by event time, though that is noticed only now (P9, D4)."""
    return replace(follow_up, state=State.DROPPED, reason=reason, exception_at=at, decided_at=now)
