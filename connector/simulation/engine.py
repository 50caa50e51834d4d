"""Simulate one catalogue with its users: what arrives and what falls due, decided by the rules of production."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import OrderVerb, apply_order
from connector.rules.model.addresses import address_warnings
from connector.rules.model.campaigns import AnyDefinition
from connector.rules.model.consent import ConsentSource, read_statements
from connector.rules.model.errors import Source
from connector.rules.model.follow_up import drop
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User, UserMerge
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.facts import MissedCount, PublishFacts
from connector.rules.publishing.launch_notes import Forecasts, launches_to_forecast
from connector.rules.publishing.orders import PLANNERS, OrderPlan, plan_publish, plan_resume, publish_questions
from connector.rules.sending.launch_times import SHARES, LaunchForecast, Share
from connector.rules.sending.launching import is_launched
from connector.rules.timing.caps import PastSend
from connector.simulation import sort_keys
from connector.simulation.ingest import SimulatedIngest
from connector.simulation.launching import SimulatedLauncher
from connector.simulation.sending import SimulatedSender
from connector.simulation.sort_keys import SortKey
from connector.simulation.spill_store import SpillStore
from connector.simulation.world import World

RETENTION = timedelta(days=90)
"""The default of how long the log is kept (M6)."""


class Peers(Protocol):
    """The processes that play the other users of the same timeline."""

    def missed(self, own: Counter[str]) -> Counter[str]:
        """Return the counts of missed interactions in all processes so far, by `condition_key`."""
        ...

    def launched(self, own: Counter[tuple[str, Share]]) -> Counter[tuple[str, Share]]:
        """Return the forecasts of an order's launches over all processes, as `SimulatedLauncher` counts them."""
        ...

    def begun(self, own: Mapping[str, SortKey]) -> Sequence[str]:
        """Return the campaigns of which a follow-up has begun in any process, in the order of their first ones."""
        ...


class NoPeers:
    """One process plays all users."""

    def missed(self, own: Counter[str]) -> Counter[str]:
        """Return the own counts."""
        return own

    def launched(self, own: Counter[tuple[str, Share]]) -> Counter[tuple[str, Share]]:
        """Return the own counts."""
        return own

    def begun(self, own: Mapping[str, SortKey]) -> Sequence[str]:
        """Return the own campaigns."""
        return list(own)


class Simulation:
    """Plays what arrives and what falls due. Instants are UTC and never go back.

    Args:
        catalogue: the catalogue at the beginning.
        warn: receives the warnings of orders and definitions.
        retention: how long the log is kept.
        peers: the processes that play the other users; None if there are none.
        with_messages: whether the outcomes also have what went out, as rendered.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: SpillStore,
        warn: Callable[[str], None],
        *,
        retention: timedelta = RETENTION,
        peers: Peers | None = None,
        with_messages: bool = False,
    ) -> None:
        self._world = World(
            catalogue,
            store,
            warn,
            retention,
            keeps_sort_keys=peers is not None,
            keeps_messages=with_messages,
        )
        self._peers: Peers = peers or NoPeers()
        self._sources: dict[str, Source] = {}
        self._ingest = SimulatedIngest(self._world)
        self._sender = SimulatedSender(self._world, self._ingest.ingest)
        self._launcher = SimulatedLauncher(self._world, self._sender)

    def run_to(self, at: datetime | None) -> None:
        """Play everything that falls due at or before `at`; None: until nothing is left."""
        while self._launcher.begin_next(at) or self._deliver_next(at):
            pass
        if at is not None:
            self._world.clock = max(self._world.clock, at)

    def run_beside(self, user_id: str, sends: list[PastSend], until: datetime) -> None:
        """Play everything that falls due, with a user's sends of campaigns that are not simulated, for frequency caps.

        Args:
            sends: in the order of their times; those until then are removed.
        """
        while sends and sends[0].at <= until:
            send = sends.pop(0)
            self.run_to(send.at)
            self._world.store.load_user(user_id).sends.append(send)
        self.run_to(until)

    def run_to_line(self, at: datetime, number: int) -> None:
        """Play everything that falls due at or before a line of the timeline; what happens next is this line's."""
        self.run_to(at)
        if self._world.keeps_sort_keys:
            self._world.sort_key = sort_keys.of_line(at, number)

    @property
    def sort_key(self) -> SortKey:
        """The sort key of the current event."""
        return self._world.sort_key

    @property
    def warned_once(self) -> Mapping[str, SortKey]:
        """The warnings that are given once, each with the sort key of its event."""
        return self._world.warned_once

    def _deliver_next(self, until: datetime | None) -> bool:
        due = self._world.pop_due(until)
        if due is None:
            return False
        user, follow_up, channels = due
        (self._launcher if is_launched(follow_up) else self._sender).deliver(user, follow_up, channels)
        return True

    def ingest(self, item: Item) -> None:
        """Ingest an item that arrives now."""
        self._ingest.ingest(item)

    def change_user(self, user_id: str, changes: Mapping[str, Any]) -> None:
        """Merge changes into a user's profile, as PATCH does; raises pydantic.ValidationError."""
        user = self._world.store.load_user(user_id)
        merge = UserMerge(user.profile, user.statements)
        merge.apply(changes, read_statements(changes.get("consent", {}), self._world.clock, ConsentSource.SERVICE))
        user.profile, user.statements = merge.result(), merge.statements
        for warning in address_warnings(changes):
            self._world.warn(f"user {user_id!r}: {warning}")

    def add_user(
        self, profile: User, *, log: Sequence[LogEntry] = (), receipts: Mapping[tuple[str, str], datetime]
    ) -> None:
        """Add a user whose log was evaluated before the simulation began.

        Args:
            receipts: when the user last received what, by (follow-on, key).
        """
        user = self._world.store.load_user(profile.id)
        user.profile, user.log = profile, list(log)
        user.receipts = {(campaign, profile.id, key): at for (campaign, key), at in receipts.items()}
        user.newest_t = max((logged.t for logged in log), default=None)

    def apply(self, *definitions: AnyDefinition, sources: Mapping[str, Source] = MappingProxyType({})) -> None:
        """Apply definitions as drafts, beside whatever is live (P10); raises OrderRefused.

        Args:
            sources: where they were read from, by id; the workspace by ''.
        """
        self._world.catalogue = draft(self._world.catalogue, definitions, sources).catalogue
        self._sources |= sources

    def order(self, verb: OrderVerb, ids: Sequence[str], *, allow_missed: bool = False) -> None:
        """Publish, stop, resume or archive now; raises OrderRefused with every problem."""
        world = self._world
        plan = self._plan(verb, ids, allow_missed)
        for warning in plan.warnings:
            world.warn(warning)
        world.catalogue = apply_order(world.catalogue, verb, plan.sequence, world.clock)
        self._launcher.apply_order(verb, plan.sequence)
        if verb in ("stop", "archive"):
            self._end_waits(plan.sequence, end_launches=verb == "archive")

    def report_waiting(self) -> None:
        """Report the follow-ups that still wait."""
        world = self._world
        waiting = world.open_follow_ups_of(self._peers.begun(world.begun_campaigns))
        for user, follow_up, sort_key in sorted(waiting, key=lambda one: one[1].due_at):
            world.sort_key = sort_keys.of_waiting(follow_up.due_at, sort_key)
            world.outcomes.waiting(user, follow_up)

    def lines(self) -> Iterator[str]:
        """Yield the outcomes in the order of the decisions, as JSON objects of the contract (design 8)."""
        return self._world.outcomes.lines()

    def _plan(self, verb: OrderVerb, ids: Sequence[str], allow_missed: bool) -> OrderPlan:
        world = self._world
        if verb not in ("publish", "resume"):
            return PLANNERS[verb](world.catalogue, ids)
        forecasts = self._forecast_launches(verb, ids)
        if verb == "resume":
            return plan_resume(world.catalogue, ids, forecasts)
        questions = publish_questions(world.catalogue, ids)
        counts = self._peers.missed(world.count_missed(questions.missed))
        missed = {key: MissedCount(counts[key]) for key in questions.missed}
        facts = PublishFacts(sources=self._sources, missed=missed)
        return plan_publish(
            world.catalogue, ids, now=world.clock, allow_missed=allow_missed, facts=facts, forecasts=forecasts
        )

    def _forecast_launches(self, verb: OrderVerb, ids: Sequence[str]) -> Forecasts:
        launches = launches_to_forecast(self._world.catalogue, verb, ids, self._world.clock)
        if not launches:
            return {}
        counts = self._peers.launched(self._launcher.count_shares(launches))
        return {
            entry.id: LaunchForecast.of_counts({share: counts[entry.id, share] for share in SHARES})
            for entry in launches
        }

    def _end_waits(self, campaigns: Sequence[str], *, end_launches: bool) -> None:
        """End what waits when its window closes, and a launch only when it is archived; what is being sent ends later
        by itself (P9)."""
        world, event = self._world, self._world.sort_key
        for user, follow_up, sort_key in world.open_follow_ups_of(campaigns):
            world.sort_key = event + sort_key
            waiting = user.with_rest(follow_up)
            if waiting.can_be_ended and (end_launches or not is_launched(waiting)):
                ended = drop(waiting, Reason.STOPPED, world.clock, world.clock)
                user.end_rest(ended)
                world.save(user, ended)
                world.outcomes.ended(user, ended)
        world.sort_key = event
