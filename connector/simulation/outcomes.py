"""What is told of a simulation: one object for every follow-up, refusal and late exception (design 8)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import format_instant
from connector.rules.triggering.changes import LateException, Refusal


@dataclass(frozen=True)
class Outcome:
    """One decision. All instants are UTC; `due_at` and `decided_at` are None where there is none.

    `key` is canonical JSON, '' where the follow-on has none; `exception` is the id of what called it off.
    """

    campaign: str
    user: str
    trigger: str
    key: str
    triggered_at: datetime
    due_at: datetime | None
    state: str
    reason: str | None
    decided_at: datetime | None
    channels: tuple[str, ...] = ()
    exception: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object of the contract: its keys in their order, times with Z, fractions only when not zero."""
        told: dict[str, Any] = {
            "campaign": self.campaign,
            "user": self.user,
            "trigger": self.trigger,
            "key": json.loads(self.key) if self.key else None,
            "triggered_at": format_instant(self.triggered_at),
            "due_at": format_instant(self.due_at),
            "state": self.state,
            "reason": self.reason,
            "decided_at": format_instant(self.decided_at),
            "channels": list(self.channels),
        }
        return told if self.state != State.EXCEPTED.value else {**told, "exception": self.exception}


def of_follow_up(follow_up: FollowUp, user: str, channels: tuple[str, ...]) -> Outcome:
    """A follow-up as it stands; `channels` are those that it went out on."""
    return Outcome(
        follow_up.campaign,
        user,
        follow_up.trigger.id,
        follow_up.key,
        follow_up.trigger.t,
        follow_up.due_at,
        follow_up.state.value,
        follow_up.reason.value if follow_up.reason else None,
        follow_up.decided_at,
        channels,
        follow_up.exception_id,
    )


def of_refusal(refused: Refusal, user: str, now: datetime) -> Outcome:
    """A trigger that started nothing."""
    logged, reason = refused.logged, refused.reason.value
    return Outcome(refused.campaign, user, logged.id, refused.key, logged.t, None, State.REFUSED.value, reason, now)


def of_note(note: LateException, user: str, channels: tuple[str, ...], now: datetime) -> Outcome:
    """An exception that came too late: told of the follow-up that stands (X1)."""
    follow_up, reason = note.follow_up, Reason.LATE_EXCEPTION.value
    return Outcome(
        follow_up.campaign,
        user,
        follow_up.trigger.id,
        follow_up.key,
        follow_up.trigger.t,
        follow_up.due_at,
        "noted",
        reason,
        now,
        channels,
    )
