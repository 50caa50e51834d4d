"""A simulated house: one catalogue, its users, and what falls due, all by the rules of production."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import OrderVerb, apply_order
from connector.rules.model.campaigns import Campaign, Card, Workspace
from connector.rules.model.follow_up import drop
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User, merge_changes
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.orders import OrderPlan, plan_archive, plan_publish, plan_resume, plan_stop
from connector.rules.sending.launching import is_launched
from connector.rules.timing.caps import PastSend
from connector.simulation.ingest import SimulatedIngest
from connector.simulation.launching import Launching
from connector.simulation.sending import SimulatedSender
from connector.simulation.spill_store import SpillStore
from connector.simulation.world import World

RETENTION = timedelta(days=90)
"""How long the log is kept where nothing else is said (M6)."""

_MOVES = {"stop": plan_stop, "resume": plan_resume, "archive": plan_archive}


class Simulation:
    """Lives through a timeline. Instants are UTC, and never go back.

    Args:
        catalogue: what there is at the beginning.
        warn: hears what an order or a definition warns of.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        scratch: SpillStore,
        warn: Callable[[str], None],
        *,
        retention: timedelta = RETENTION,
    ) -> None:
        self.world = World(catalogue, scratch, warn, retention)
        self._taking = SimulatedIngest(self.world)
        self._sending = SimulatedSender(self.world, self._taking.take)
        self._launching = Launching(self.world, self._sending)

    def run_to(self, at: datetime | None) -> None:
        """Let everything happen that falls due at or before `at`; None: everything that there is left to happen."""
        while self._launching.begin_next(at) or self._deliver_next(at):
            pass
        if at is not None:
            self.world.clock = max(self.world.clock, at)

    def _deliver_next(self, until: datetime | None) -> bool:
        due = self.world.next_due(until)
        if due is None:
            return False
        _, person, follow_up, channels = due
        (self._launching if is_launched(follow_up) else self._sending).deliver(person, follow_up, channels)
        return True

    def take(self, item: Item) -> None:
        """A user did something; it arrives now."""
        self._taking.take(item)

    def describe(self, user: str, changes: Mapping[str, Any]) -> None:
        """Merge into what is known of a user, as PATCH does; raises pydantic.ValidationError."""
        person = self.world.scratch.person(user)
        person.user = merge_changes(person.user, changes)

    def know(self, user: User, *, log: Sequence[LogEntry] = (), receipts: Mapping[tuple[str, str], datetime]) -> None:
        """Have somebody known from before the beginning, with a log that was judged then.

        Args:
            receipts: when the user last received what, by (follow-on, key).
        """
        person = self.world.scratch.person(user.id)
        person.user, person.log, person.receipts = user, list(log), dict(receipts)
        person.newest_t = max((logged.t for logged in log), default=None)

    def sent_elsewhere(self, user: str, send: PastSend) -> None:
        """A message that frequency caps count went out to a user, of a campaign that is not simulated."""
        self.world.scratch.person(user).sends.append(send)

    def apply(self, *definitions: Campaign | Card | Workspace) -> None:
        """Make drafts of them beside whatever is live (P10); raises OrderRefused."""
        self.world.catalogue = draft(self.world.catalogue, definitions).catalogue

    def order(self, verb: OrderVerb, ids: Sequence[str], *, allow_missed: bool = False) -> None:
        """Publish, stop, resume or archive, as of now; raises OrderRefused with every problem."""
        world = self.world
        plan = self._planned(verb, ids, allow_missed)
        for warning in plan.warnings:
            world.warn(warning)
        world.catalogue = apply_order(world.catalogue, verb, plan.sequence, world.clock)
        self._launching.ordered(verb, plan.sequence)
        if verb in ("stop", "archive"):
            self._end_waits(plan.sequence, launched=verb == "archive")

    def finish(self) -> None:
        """Tell what still waits."""
        for person, follow_up in self.world.all_open():
            self.world.ledger.waiting(person, follow_up)

    def lines(self) -> Iterator[str]:
        """What came of everything, in the order decided: JSON objects in the form of the contract."""
        return self.world.ledger.lines()

    def _planned(self, verb: OrderVerb, ids: Sequence[str], allow_missed: bool) -> OrderPlan:
        world = self.world
        if verb != "publish":
            return _MOVES[verb](world.catalogue, ids)
        return plan_publish(world.catalogue, ids, now=world.clock, allow_missed=allow_missed, missed=world.missed)

    def _end_waits(self, campaigns: Sequence[str], *, launched: bool) -> None:
        """P9: what waits ends with its window, of a launch when it is archived; what is going out finishes."""
        for person, follow_up in self.world.open_of(campaigns):
            if follow_up.can_be_cancelled and (launched or not is_launched(follow_up)):
                ended = drop(follow_up, Reason.STOPPED, self.world.clock, self.world.clock)
                self.world.keep(person, ended)
                self.world.ledger.ended(person, ended)
