"""What judging comes to: follow-ups that begin and end, triggers that are refused, exceptions that came too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.timing.delays import is_stale


@dataclass(frozen=True)
class NewFollowUp:
    """A new follow-up; it may have ended already, by an exception that arrived before its trigger."""

    follow_up: FollowUp


@dataclass(frozen=True)
class EndedFollowUp:
    """A stored follow-up has ended, or its end is another one than it was."""

    follow_up: FollowUp


@dataclass(frozen=True)
class Refusal:
    """A trigger that starts nothing."""

    campaign: str
    key: str
    logged: LogEntry
    reason: Reason


@dataclass(frozen=True)
class LateException:
    """An exception that came too late to undo anything (X1)."""

    follow_up: FollowUp
    logged: LogEntry


Change = NewFollowUp | EndedFollowUp | Refusal | LateException
TriggerOutcome = FollowUp | Reason | None
EvaluateTrigger = Callable[[LogEntry, "FollowUp | None", bool], TriggerOutcome]
"""Judges an item as a trigger of one key, given what stands in its way, and whether it has begun a follow-up before:
then only what stands in its way is looked at, for all else was decided as it came. None where it does not trigger."""


@dataclass(frozen=True)
class EvaluationScope:
    """One key of one follow-on, judged against one catalogue. `now` is when it is decided, UTC."""

    campaign: str
    key: str
    catalogue: Catalogue
    now: datetime

    def refuse(self, logged: LogEntry, reason: Reason) -> Refusal:
        """The refusal of a trigger of this key."""
        return Refusal(self.campaign, self.key, logged, reason)

    def end_if_stopped(self, follow_up: FollowUp, t: datetime) -> FollowUp | None:
        """The follow-up as the stop of its window ended it by `t` (P9), None where none did.

        It may not be told yet: a page of the order has not come to it, or its trigger arrives after the resume.
        """
        window = self.catalogue.entries[self.campaign].window(follow_up.window_id)
        closed_at = window.closed_at if window is not None and follow_up.can_be_cancelled else None
        if closed_at is None or t < closed_at:
            return None
        return drop(follow_up, Reason.STOPPED, self.now, closed_at)

    def end_if_stale(self, follow_up: FollowUp, t: datetime) -> FollowUp | None:
        """The follow-up as staleness ends it where it had been due by `t` (D4), None where it was not or is not stale.

        It need not have been judged yet: no worker ran, or its trigger arrives that late.
        """
        stale = is_stale(follow_up.next_at, self.now, self.catalogue.workspace.stale_after)
        if not stale or t < follow_up.next_at or not follow_up.can_be_cancelled:
            return None
        return drop(follow_up, Reason.STALE, self.now, follow_up.next_at)
