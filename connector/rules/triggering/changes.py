"""The changes that an evaluation decides: follow-ups that begin and end, refused triggers, and late exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.times import is_before
from connector.rules.timing.delays import is_stale


@dataclass(frozen=True)
class NewFollowUp:
    """A follow-up to store. It may have ended already, by an exception that arrived before its trigger."""

    follow_up: FollowUp


@dataclass(frozen=True)
class EndedFollowUp:
    """A stored follow-up that has ended, or whose end has changed."""

    follow_up: FollowUp


@dataclass(frozen=True)
class Refusal:
    """A trigger that starts no follow-up.

    Args:
        is_revised: whether it was refused before, for another reason, which this one replaces (T5).
    """

    campaign: str
    key: str
    logged: LogEntry
    reason: Reason
    is_revised: bool = False


@dataclass(frozen=True)
class LateException:
    """An exception that arrived after a message went out, so that it undoes nothing (X1)."""

    follow_up: FollowUp
    logged: LogEntry


Change = NewFollowUp | EndedFollowUp | Refusal | LateException

TriggerOutcome = FollowUp | Reason | None
"""The follow-up that a trigger starts, or the reason that refuses it; None for an item that is no trigger."""


class EvaluateTrigger(Protocol):
    """Evaluates an item as a trigger of one follow-on, user and key."""

    def __call__(self, logged: LogEntry, blocking: FollowUp | None, has_passed: bool) -> TriggerOutcome:
        """Return what the item does as a trigger.

        Args:
            blocking: the open follow-up of the key at that point.
            has_passed: whether the item began a follow-up before, or was refused only because another one waited. Then
                only `blocking` is checked, because everything else was decided on arrival (A2).
        """
        ...


@dataclass(frozen=True)
class EvaluationScope:
    """One key of one follow-on, evaluated against one catalogue as of `now` (UTC)."""

    campaign: str
    key: str
    catalogue: Catalogue
    now: datetime

    def refuse(self, logged: LogEntry, reason: Reason, *, is_revised: bool = False) -> Refusal:
        """Return the refusal of a trigger of this key."""
        return Refusal(self.campaign, self.key, logged, reason, is_revised)

    def end_if_stopped(self, follow_up: FollowUp, t: datetime) -> FollowUp | None:
        """Return the follow-up as ended by the stop of its window if that was by `t`, else None (P9).

        The stop may not have ended the row yet: it does so page by page, and a trigger may arrive after the resume.
        """
        window = self.catalogue.entries[self.campaign].window(follow_up.window_id)
        closed_at = window.closed_at if window is not None and follow_up.can_be_ended else None
        if closed_at is None or is_before(t, closed_at):
            return None
        return drop(follow_up, Reason.STOPPED, self.now, closed_at)

    def end_if_stale(self, follow_up: FollowUp, t: datetime) -> FollowUp | None:
        """Return the follow-up as dropped as stale if it is and was due by `t`, else None (D4).

        It may not have been evaluated at its due time: no worker was running, or its trigger arrived too late.
        """
        stale = is_stale(follow_up.next_at, self.now, self.catalogue.stale_after(self.campaign))
        if not stale or is_before(t, follow_up.next_at) or not follow_up.can_be_superseded:
            return None
        return drop(follow_up, Reason.STALE, self.now, follow_up.next_at)
