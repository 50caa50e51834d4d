"""What every part of a simulation shares: the catalogue, the clock, the users, the queue of what falls due."""

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
    """The state of one simulation. `clock` is the instant that has been reached, UTC.

    `missed` counts the launch-time interactions by (target, type), for the warnings of publishing (P4).
    """

    catalogue: Catalogue
    scratch: SpillStore
    warn: Callable[[str], None]
    retention: timedelta
    ledger: Ledger = field(init=False)
    clock: datetime = _BEGINNING
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    _due: list[tuple[datetime, int, str, str, tuple[str, ...]]] = field(default_factory=list)
    _open: dict[str, dict[str, str]] = field(default_factory=dict)
    _pushed: int = 0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.scratch)

    def keep(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        """Remember a follow-up as it stands now."""
        person.keep(follow_up)
        if follow_up.is_open:
            self._open.setdefault(follow_up.campaign, {})[follow_up.id] = person.user.id
        else:
            self._open.get(follow_up.campaign, {}).pop(follow_up.id, None)

    def schedule(self, person: SimulatedUser, follow_up: FollowUp, at: datetime, channels: tuple[str, ...]) -> None:
        """Have these channels of a follow-up judged at that instant; what falls due together goes in this order."""
        self._pushed += 1
        heapq.heappush(self._due, (at, self._pushed, person.user.id, follow_up.id, channels))

    def next_at(self) -> datetime | None:
        """When something falls due next (UTC); None where nothing ever does."""
        while self._due:
            at, _, user, passage_id, _ = self._due[0]
            follow_up = self.scratch.person(user).follow_ups.get(passage_id)
            if follow_up is not None and follow_up.is_open:
                return at
            heapq.heappop(self._due)
        return None

    def next_due(self, until: datetime | None) -> tuple[datetime, SimulatedUser, FollowUp, tuple[str, ...]] | None:
        """What falls due next, at or before `until` (None: ever), with the instant at which it is judged."""
        while self._due and (until is None or self._due[0][0] <= until):
            at, _, user, passage_id, channels = heapq.heappop(self._due)
            person = self.scratch.person(user)
            follow_up = person.follow_ups.get(passage_id)
            if follow_up is not None and follow_up.is_open:
                self.clock = max(at, self.clock)
                return self.clock, person, follow_up, channels
        return None

    def open_of(self, campaigns: Iterable[str]) -> list[tuple[SimulatedUser, FollowUp]]:
        """What is open of these campaigns, in the order in which it began."""
        found = ((user, name) for campaign in campaigns for name, user in self._open.get(campaign, {}).items())
        people = ((self.scratch.person(user), name) for user, name in found)
        return [(person, person.follow_ups[name]) for person, name in people]

    def all_open(self) -> list[tuple[SimulatedUser, FollowUp]]:
        """Everything that is open, what falls due first coming first."""
        return sorted(self.open_of(list(self._open)), key=lambda found: found[1].due_at)
