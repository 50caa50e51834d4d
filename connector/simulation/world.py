"""The shared state of a simulation: the catalogue, the clock, the users, and the queue of what falls due."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.look_backs import LookBacks, look_backs
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import log_horizon
from connector.rules.model.values import EARLIEST
from connector.rules.targeting.matching import Topic, is_narrowed, matches, passes_robot_filter, topic_of_condition
from connector.simulation import sort_keys
from connector.simulation.outcomes import Outcomes
from connector.simulation.sort_keys import SortKey
from connector.simulation.spill_store import SpillStore
from connector.simulation.users import SimulatedUser


@dataclass
class World:
    """The state of one simulation.

    Args:
        warn: receives warnings.
        retention: how long the log is kept.
        clock: the instant that has been reached, UTC.
        interactions: counts the logged interactions by topic, for the warnings of publishing (P4).
        warned_once: the warnings that are given once, each with the sort key of its event.
        keeps_sort_keys: whether `sort_key` is kept up to date, for a process that plays some of the users.
        keeps_messages: whether the rendered messages are kept, for the outcomes.
    """

    catalogue: Catalogue
    store: SpillStore
    warn: Callable[[str], None]
    retention: timedelta
    outcomes: Outcomes = field(init=False)
    clock: datetime = EARLIEST
    interactions: Counter[Topic] = field(default_factory=Counter)
    warned_once: dict[str, SortKey] = field(default_factory=dict)
    keeps_sort_keys: bool = False
    keeps_messages: bool = False
    _due: list[tuple[datetime, int, str, str, tuple[str, ...], SortKey]] = field(default_factory=list)
    _open: dict[str, dict[str, tuple[str, SortKey]]] = field(default_factory=dict)
    _begun: dict[str, SortKey] = field(default_factory=dict)
    _scheduled: int = 0
    _looked_back: tuple[Catalogue, LookBacks] | None = None

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(self.store, with_messages=self.keeps_messages)

    @property
    def sort_key(self) -> SortKey:
        """The sort key of the current event, which each line of the outcomes has."""
        return self.outcomes.sort_key

    @sort_key.setter
    def sort_key(self, sort_key: SortKey) -> None:
        self.outcomes.sort_key = sort_key

    @property
    def horizon(self) -> datetime:
        """From when on received items count, UTC."""
        return log_horizon(self.clock, self.retention)

    def prune(self, user: SimulatedUser) -> None:
        """Remove from a user's state what no rule can need any more."""
        if self._looked_back is None or self._looked_back[0] is not self.catalogue:
            self._looked_back = self.catalogue, look_backs(self.catalogue)
        user.prune(self.clock, self.horizon, self._looked_back[1])

    def warn_once(self, warning: str) -> None:
        """Warn, unless the same warning was given before."""
        if warning not in self.warned_once:
            self.warned_once[warning] = self.sort_key
            self.warn(warning)

    def save(self, user: SimulatedUser, follow_up: FollowUp) -> None:
        """Store the current state of a follow-up."""
        user.save(follow_up)
        if follow_up.is_open:
            self._begun.setdefault(follow_up.campaign, self.sort_key)
            self._open.setdefault(follow_up.campaign, {}).setdefault(follow_up.id, (user.id, self.sort_key))
        else:
            self._open.get(follow_up.campaign, {}).pop(follow_up.id, None)

    def schedule(self, user: SimulatedUser, follow_up: FollowUp, at: datetime, channels: tuple[str, ...]) -> None:
        """Let these channels of a follow-up fall due at an instant; calls for one instant keep their order."""
        self._scheduled += 1
        heapq.heappush(self._due, (at, self._scheduled, user.id, follow_up.id, channels, self.sort_key))

    def count_missed(self, conditions: Mapping[str, InteractionCondition]) -> Counter[str]:
        """Count the logged interactions that match each condition, by the conditions' keys (P4).

        Only conditions with refinements or `where` cost a pass over the logs of all users.
        """
        counts = Counter({key: self.interactions[topic_of_condition(one)] for key, one in conditions.items()})
        narrowed = {key: one for key, one in conditions.items() if is_narrowed(one)}
        if narrowed:
            counts.update({key: -counts[key] for key in narrowed})
            for user_id in self.store.user_ids():
                for logged in self.store.load_user(user_id).log:
                    if passes_robot_filter(logged.item, self.catalogue.workspace.robots):
                        counts.update(key for key, one in narrowed.items() if matches(logged.item, one))
        return counts

    def next_at(self) -> datetime | None:
        """Return when the next open follow-up falls due (UTC); None if none does."""
        while self._due:
            at, _, user_id, follow_up_id, _, _ = self._due[0]
            follow_up = self.store.load_user(user_id).follow_ups.get(follow_up_id)
            if follow_up is not None and follow_up.is_open:
                return at
            heapq.heappop(self._due)
        return None

    def pop_due(self, until: datetime | None) -> tuple[SimulatedUser, FollowUp, tuple[str, ...]] | None:
        """Advance the clock to what falls due next, and return its user, follow-up and channels.

        Args:
            until: the latest due time; None: no limit.
        """
        while self._due and (until is None or self._due[0][0] <= until):
            at, _, user_id, follow_up_id, channels, scheduled = heapq.heappop(self._due)
            user = self.store.load_user(user_id)
            follow_up = user.follow_ups.get(follow_up_id)
            if follow_up is not None and follow_up.is_open:
                self.clock = max(at, self.clock)
                if self.keeps_sort_keys:
                    self.sort_key = sort_keys.of_due(at, scheduled)
                return user, follow_up, channels
        return None

    def open_follow_ups_of(self, campaigns: Iterable[str]) -> list[tuple[SimulatedUser, FollowUp, SortKey]]:
        """Return the open follow-ups of these campaigns, in the order in which they began, with sort keys."""
        opened = [
            (user_id, name, sort_keys.of_begun(rank, begun))
            for rank, campaign in enumerate(campaigns)
            for name, (user_id, begun) in self._open.get(campaign, {}).items()
        ]
        users = ((self.store.load_user(user_id), name, sort_key) for user_id, name, sort_key in opened)
        return [(user, user.follow_ups[name], sort_key) for user, name, sort_key in users]

    @property
    def begun_campaigns(self) -> Mapping[str, SortKey]:
        """The campaigns of which a follow-up has begun, in the order of their first ones, with those sort keys."""
        return self._begun
