"""What judging comes to: follow-ups that begin and end, triggers that are refused, exceptions that came too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import Passage, dropped
from connector.rules.model.interactions import Logged
from connector.rules.model.reasons import Reason
from connector.rules.timing.delays import is_stale


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

    def stopped_by(self, passage: Passage, t: datetime) -> Passage | None:
        """The passage as the stop of its window ended it by `t` (P9), None where none did.

        It may not be told yet: a page of the order has not come to it, or its trigger arrives after the resume.
        """
        window = self.catalogue.entries[self.campaign].window(passage.window_id)
        closed_at = window.closed_at if window is not None and passage.can_be_called_off else None
        if closed_at is None or t < closed_at:
            return None
        return dropped(passage, Reason.STOPPED, self.now, closed_at)

    def stale_by(self, passage: Passage, t: datetime) -> Passage | None:
        """The passage as staleness ends it where it had been due by `t` (D4), None where it was not or is not stale.

        It need not have been judged yet: no worker ran, or its trigger arrives that late.
        """
        stale = is_stale(passage.next_at, self.now, self.catalogue.workspace.stale_after)
        if not stale or t < passage.next_at or not passage.can_be_called_off:
            return None
        return dropped(passage, Reason.STALE, self.now, passage.next_at)
