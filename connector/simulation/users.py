"""The state of one simulated user: what production keeps in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.rules.catalogue.look_backs import LookBacks, is_kept
from connector.rules.model.consent import ConsentStatements
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.users import User
from connector.rules.model.values import EARLIEST
from connector.rules.sending.deliveries import Delivery, ended_rest, with_rest
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.rules.triggering.changes import Refusal
from connector.rules.triggering.overtaken import RefusedTriggers, last_overtaken

TriggerKey = tuple[str, str, str]
"""(follow-on, key, trigger id): one decision is reported for each."""


@dataclass
class SimulatedUser:
    """One user.

    Args:
        statements: the statements on consent that hold.
        newest_t: the time of the newest evaluated item, UTC.
        ended: the ids of the `follow_ups` that have ended, in the order of their decisions.
        messages: deliveries by follow-up id and channel.
        rendered: what the messages said, likewise; empty unless they are asked for.
        active_channels: the channels that a follow-up still has to send on, by its id.
        receipts: the time of the last receipt by (follow-on, user, key), as the rules need them.
        dispatches: when a push was reported, by (campaign, dispatch).
        refusals: the newest refusal of each trigger.
        lines: the positions of the lines that report decisions, so that they can be removed.
        horizon: the one at which old entries were removed last.
    """

    profile: User
    statements: ConsentStatements = field(default_factory=dict)
    newest_t: datetime | None = None
    log: list[LogEntry] = field(default_factory=list)
    follow_ups: dict[str, FollowUp] = field(default_factory=dict)
    ended: dict[str, None] = field(default_factory=dict)
    messages: dict[str, dict[str, Delivery]] = field(default_factory=dict)
    rendered: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    active_channels: dict[str, set[str]] = field(default_factory=dict)
    receipts: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    sends: list[PastSend] = field(default_factory=list)
    dispatches: dict[tuple[str, str], datetime] = field(default_factory=dict)
    refusals: dict[TriggerKey, Refusal] = field(default_factory=dict)
    lines: dict[TriggerKey, int] = field(default_factory=dict)
    horizon: datetime = EARLIEST

    @property
    def id(self) -> str:
        """The user's id."""
        return self.profile.id

    @property
    def has_open_follow_ups(self) -> bool:
        """Whether any follow-up of the user is open."""
        return len(self.follow_ups) > len(self.ended)

    def follow_ups_since(self, t: datetime) -> list[FollowUp]:
        """Return the follow-ups that are open or were decided at or after `t`, oldest trigger first, as the store does.

        Those of one trigger come in the order in which they began, the current one last.
        """
        if not self.follow_ups:
            return []
        selected: list[FollowUp] = []
        if self.has_open_follow_ups:
            selected = [self.with_rest(one) for name, one in self.follow_ups.items() if name not in self.ended]
        for name in reversed(self.ended):
            follow_up = self.follow_ups[name]
            if follow_up.decided_at is not None and follow_up.decided_at < t:
                break
            selected.insert(0, follow_up)
        return sorted(selected, key=lambda follow_up: follow_up.trigger.t)

    def with_rest(self, follow_up: FollowUp) -> FollowUp:
        """Return an open follow-up with its remaining channels if it was partly sent (X1)."""
        return with_rest(follow_up, self.messages.get(follow_up.id, {}))

    def end_rest(self, follow_up: FollowUp) -> None:
        """Drop the messages that were still to come of a follow-up that was partly sent when it was ended (X1)."""
        for delivery in ended_rest(follow_up):
            self.messages.setdefault(follow_up.id, {})[delivery.channel] = delivery

    def save(self, follow_up: FollowUp) -> None:
        """Store the current state of a follow-up."""
        self.follow_ups[follow_up.id] = follow_up
        self.ended.pop(follow_up.id, None)
        if not follow_up.is_open:
            self.ended[follow_up.id] = None

    def generations(self) -> Mapping[tuple[str, str, str, str], int]:
        """Return how many follow-ups each trigger has begun, by (follow-on, user, key, trigger id)."""
        return Counter((p.campaign, self.id, p.key, p.trigger.id) for p in self.follow_ups.values())

    def refused(self, first: datetime | None) -> RefusedTriggers:
        """Return the refused triggers, and those of them that in event order waited at `first` (None: not wanted)."""
        reasons = {trigger: refusal.reason for trigger, refusal in self.refusals.items()}
        if first is None:
            return RefusedTriggers(reasons)
        return RefusedTriggers(reasons, last_overtaken(self.refusals.values(), self.follow_ups.values(), first))

    def log_since(self, since: datetime, horizon: datetime) -> list[LogEntry]:
        """Return the log from an instant on, without items that were received before the horizon."""
        return [entry for entry in self.log if entry.t >= since and entry.received_at >= horizon]

    def prune(self, now: datetime, horizon: datetime, looked_back: LookBacks) -> None:
        """Remove entries from before the horizon that no rule can need, once a day: the horizon moves by days.

        In production they may still be in the store, but do not count.
        """
        if horizon <= self.horizon:
            return
        self.horizon = horizon
        self.log = [entry for entry in self.log if is_kept(entry, horizon, looked_back)]
        self.sends = [send for send in self.sends if send.at > now - MAX_CAP_LOOKBACK]
        self.dispatches = {push: at for push, at in self.dispatches.items() if at >= horizon}
        self.refusals = {trigger: one for trigger, one in self.refusals.items() if one.logged.t >= horizon}
        self._prune_follow_ups(horizon)

    def forget_trigger(self, trigger_id: str) -> None:
        """Forget what was decided about an item from before the horizon whose id is used again (M6)."""
        self.refusals = {trigger: one for trigger, one in self.refusals.items() if trigger[2] != trigger_id}
        self.lines = {trigger: line for trigger, line in self.lines.items() if trigger[2] != trigger_id}

    def _prune_follow_ups(self, before: datetime) -> None:
        for name in list(self.ended):
            follow_up = self.follow_ups[name]
            if follow_up.decided_at is None or follow_up.decided_at >= before:
                break
            self.lines.pop((follow_up.campaign, follow_up.key, follow_up.trigger.id), None)
            for kept in (self.follow_ups, self.ended, self.messages, self.rendered):
                kept.pop(name, None)
