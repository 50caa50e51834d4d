"""What judging comes to: follow-ups that begin and end, triggers that are refused, exceptions that came too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue import Catalogue
from connector.rules.interactions import Logged
from connector.rules.passages import Passage
from connector.rules.reasons import Reason


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
