"""The triggers that were refused when they arrived, and that a replay evaluates again (T5).

A trigger that was overtaken before it arrived has no follow-up, only a refusal (T2), although in event order it waited
until a later trigger superseded it. The reason of every other refusal is kept, because attributes have no history (A2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.triggering.changes import Refusal

RefusedTrigger = tuple[str, str, str]
"""(follow-on, key, trigger id) of one user."""

_BY_ANOTHER_WAIT = (Reason.ALREADY_WAITING, Reason.SUPERSEDED)


@dataclass(frozen=True)
class RefusedTriggers:
    """The refused triggers of one user, as far as they were loaded.

    Args:
        reasons: the newest reason of each, at least of those in the part of the log that was loaded.
        overtaken: by (follow-on, key), the trigger that in event order waited at the earliest late item.
    """

    reasons: Mapping[RefusedTrigger, Reason] = field(default_factory=dict)
    overtaken: Mapping[tuple[str, str], LogEntry] = field(default_factory=dict)

    def with_refusals(self, refusals: Iterable[Refusal]) -> RefusedTriggers:
        """Return these with further refusals."""
        more = {(refusal.campaign, refusal.key, refusal.logged.id): refusal.reason for refusal in refusals}
        return RefusedTriggers({**self.reasons, **more}, self.overtaken) if more else self


@dataclass(frozen=True)
class KeyRefusals:
    """The refused triggers of one follow-on and key: their reasons by trigger, and the one that waits at the start."""

    reasons: Mapping[str, Reason]
    overtaken: LogEntry | None

    def takes_turn(self, trigger_id: str) -> bool:
        """Return whether the trigger was refused only because another one waited, so that it may begin after all."""
        return self.reasons.get(trigger_id) in _BY_ANOTHER_WAIT

    def is_overtaken(self, trigger_id: str) -> bool:
        """Return whether the trigger was overtaken by another one before it arrived."""
        return self.reasons.get(trigger_id) is Reason.SUPERSEDED


def last_overtaken(
    refusals: Iterable[Refusal], follow_ups: Iterable[FollowUp], until: datetime
) -> dict[tuple[str, str], LogEntry]:
    """Return the overtaken triggers that in event order waited at `until` (UTC), by (follow-on, key).

    Each is the last overtaken trigger of its key, if no follow-up of the key began after it.

    Args:
        refusals: the newest refusal of each trigger.
    """
    last: dict[tuple[str, str], LogEntry] = {}
    begun = [follow_up for follow_up in follow_ups if follow_up.trigger.t <= until]
    own = {(follow_up.campaign, follow_up.key, follow_up.trigger.id, follow_up.trigger.t) for follow_up in begun}
    for refusal in refusals:
        place, logged = (refusal.campaign, refusal.key), refusal.logged
        if refusal.reason is not Reason.SUPERSEDED or logged.t > until or (*place, logged.id, logged.t) in own:
            continue
        if place not in last or _place(last[place]) < _place(logged):
            last[place] = logged
    for follow_up in begun:
        place = (follow_up.campaign, follow_up.key)
        if place in last and not never_waited(follow_up) and _place(last[place]) < _place(follow_up.trigger):
            del last[place]
    return last


def never_waited(follow_up: FollowUp) -> bool:
    """Return whether the follow-up does not begin in event order: it waited only until an earlier item arrived."""
    return follow_up.reason is Reason.SUPERSEDED and follow_up.exception_at == follow_up.trigger.t


def _place(logged: LogEntry) -> tuple[datetime, int]:
    return logged.t, logged.seq
