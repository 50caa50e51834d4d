"""The shared state of a simulation: the catalogue, the clock, the users, and the queue of what falls due."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.simulation.ledger import Ledger
from connector.simulation.spill_store import SpillStore
from connector.simulation.users import SimulatedUser

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass
class World:
    """The state of one simulation.

    Args:
        warn: receives warnings.
        retention: how long the log is kept.
        clock: the instant that has been reached, UTC.
        missed: counts launch-time interactions by (target, type), for the warnings of publishing (P4).
    """

    catalogue: Catalogue
    store: SpillStore
    warn: Callable[[str], None]
    retention: timedelta
    ledger: Ledger = field(init=False)
    clock: datetime = _BEGINNING
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    _due: list[tuple[datetime, int, str, str, tuple[str, ...]]] = field(default_factory=list)
    _open: dict[str, dict[str, str]] = field(default_factory=dict)
    _scheduled: int = 0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store)

    def save(self, user: SimulatedUser, follow_up: FollowUp) -> None:
        """Store the current state of a follow-up."""
        user.save(follow_up)
        if follow_up.is_open:
            self._open.setdefault(follow_up.campaign, {})[follow_up.id] = user.id
        else:
            self._open.get(follow_up.campaign, {}).pop(follow_up.id, None)

    def schedule(self, user: SimulatedUser, follow_up: FollowUp, at: datetime, channels: tuple[str, ...]) -> None:
        """Let these channels of a follow-up fall due at an instant; calls for one instant keep their order."""
        self._scheduled += 1
        heapq.heappush(self._due, (at, self._scheduled, user.id, follow_up.id, channels))

    def next_at(self) -> datetime | None:
        """Return when the next open follow-up falls due (UTC); None if none does."""
        while self._due:
            at, _, user_id, follow_up_id, _ = self._due[0]
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
            at, _, user_id, follow_up_id, channels = heapq.heappop(self._due)
            user = self.store.load_user(user_id)
            follow_up = user.follow_ups.get(follow_up_id)
            if follow_up is not None and follow_up.is_open:
                self.clock = max(at, self.clock)
                return user, follow_up, channels
        return None

    def open_follow_ups_of(self, campaigns: Iterable[str]) -> list[tuple[SimulatedUser, FollowUp]]:
        """Return the open follow-ups of these campaigns, in the order in which they began."""
        names = ((user_id, name) for campaign in campaigns for name, user_id in self._open.get(campaign, {}).items())
        users = ((self.store.load_user(user_id), name) for user_id, name in names)
        return [(user, user.follow_ups[name]) for user, name in users]

    def all_open_follow_ups(self) -> list[tuple[SimulatedUser, FollowUp]]:
        """Return all open follow-ups by their due times."""
        return sorted(self.open_follow_ups_of(list(self._open)), key=lambda pair: pair[1].due_at)
