"""What a simulation remembers of one user: what the store has in its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.users import User
from connector.rules.sending.deliveries import Delivery
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend

Told = tuple[str, str, str]
"""What a line tells of: (follow-on, key, trigger id)."""

_ENOUGH = 64
"""How many entries somebody may have before it is looked whether old ones can go."""


@dataclass
class SimulatedUser:
    """One user. `ended` has the ids of those of the `follow_ups` that have ended; `receipts` are by (follow-on, key).

    `told` has the places of lines, so that they can be struck out.
    """

    user: User
    newest_t: datetime | None = None
    log: list[LogEntry] = field(default_factory=list)
    follow_ups: dict[str, FollowUp] = field(default_factory=dict)
    ended: dict[str, None] = field(default_factory=dict)
    messages: dict[str, dict[str, Delivery]] = field(default_factory=dict)
    in_hand: dict[str, set[str]] = field(default_factory=dict)
    receipts: dict[tuple[str, str], datetime] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    sends: list[PastSend] = field(default_factory=list)
    dispatches: dict[tuple[str, str], datetime] = field(default_factory=dict)
    told: dict[Told, int] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether anything of this user's is open."""
        return len(self.follow_ups) > len(self.ended)

    def follow_ups_since(self, t: datetime) -> list[FollowUp]:
        """The follow-ups that are open or were decided after `t`, oldest trigger first, as the store gives them.

        Those of one trigger come in the order in which they began, the one that stands last.
        """
        if not self.follow_ups:
            return []
        found = [p for name, p in self.follow_ups.items() if name not in self.ended] if self.waits else []
        for name in reversed(self.ended):
            follow_up = self.follow_ups[name]
            if follow_up.decided_at is not None and follow_up.decided_at < t:
                break
            found.insert(0, follow_up)
        return sorted(found, key=lambda follow_up: follow_up.trigger.t)

    def keep(self, follow_up: FollowUp) -> None:
        """Remember a follow-up as it stands now; the ended ones are in the order in which that was decided."""
        self.follow_ups[follow_up.id] = follow_up
        self.ended.pop(follow_up.id, None)
        if not follow_up.is_open:
            self.ended[follow_up.id] = None

    def receipts_of(self) -> Mapping[tuple[str, str, str], datetime]:
        """The receipts as the rules ask for them, by (follow-on, user, key)."""
        return {(campaign, self.user.id, key): at for (campaign, key), at in self.receipts.items()}

    def generations(self) -> Mapping[tuple[str, str, str, str], int]:
        """How many follow-ups each trigger has begun, by (follow-on, user, key, trigger id)."""
        return Counter((p.campaign, self.user.id, p.key, p.trigger.id) for p in self.follow_ups.values())

    def past(self, since: datetime | None) -> list[LogEntry]:
        """The log from an instant on."""
        return self.log if since is None else [logged for logged in self.log if logged.t >= since]

    def forget(self, now: datetime, retention: timedelta) -> None:
        """Let go of what is older than the log is kept and no rule can ask for any more."""
        if len(self.log) > _ENOUGH and self.log[0].received_at < now - retention:
            self.log = [logged for logged in self.log if logged.t >= now - retention]
        if len(self.sends) > _ENOUGH:
            self.sends = [send for send in self.sends if send.at > now - MAX_CAP_LOOKBACK]
        if len(self.dispatches) > _ENOUGH:
            self.dispatches = {mark: at for mark, at in self.dispatches.items() if at >= now - retention}
        if len(self.follow_ups) > _ENOUGH:
            self._forget_follow_ups(now - retention)

    def _forget_follow_ups(self, before: datetime) -> None:
        for name in list(self.ended):
            follow_up = self.follow_ups[name]
            if follow_up.decided_at is None or follow_up.decided_at >= before:
                break
            self.told.pop((follow_up.campaign, follow_up.key, follow_up.trigger.id), None)
            for kept in (self.follow_ups, self.ended, self.messages):
                kept.pop(name, None)
