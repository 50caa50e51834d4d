"""Scheduled originals in a simulation: launched as in production, by the same rules, on the simulated clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.campaigns import Scheduled
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import State
from connector.rules.sending.due_list import newest_live
from connector.rules.sending.launching import (
    RateWindow,
    begins_at,
    due_for,
    evaluate_enrolment,
    follow_up_of,
    launch_id,
    scheduled,
    take_from_window,
)
from connector.rules.targeting.audience import is_in_audience
from connector.rules.triggering.evaluator import LoggedHistory
from connector.simulation.ledger import went_out_on
from connector.simulation.sending import SimulatedSender
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World


@dataclass
class _Launch:
    """One campaign's launch. It begins no earlier than `not_before`: its publication, or a resume since (UTC)."""

    id: str
    published_at: datetime
    not_before: datetime
    begun: bool = False
    minute: RateWindow = field(default_factory=RateWindow)


class Launching:
    """Launches the scheduled originals of a world.

    Args:
        sending: judges and sends what falls due, here as for follow-ons.
    """

    def __init__(self, world: World, sending: SimulatedSender) -> None:
        self._world, self._sending = world, sending
        self._launches: dict[str, _Launch] = {}

    def ordered(self, verb: OrderVerb, ids: Iterable[str]) -> None:
        """An order was carried out now: what is published first is launched, what was paused goes on (P9)."""
        now = self._world.clock
        for name in ids:
            launch = self._launches.get(name)
            if verb == "publish" and launch is None and scheduled(self._world.catalogue.entries[name]) is not None:
                self._launches[name] = _Launch(launch_id("simulated", name), now, now)
            elif verb in ("publish", "resume") and launch is not None:
                launch.not_before = now
                self._go_on(name, now)

    def begin_next(self, until: datetime | None) -> bool:
        """Gather the audience of the launch that begins next, where nothing else falls due before; says whether."""
        waiting = ((at, name) for name, launch in self._launches.items() if (at := self._begins_at(name, launch)))
        at, name = min(waiting, default=(None, ""))
        due = self._world.next_at()
        if at is None or (until is not None and at > until) or (due is not None and due < at):
            return False
        self._world.clock = max(at, self._world.clock)
        self._gather(self._launches[name], self._world.catalogue.entries[name])
        return True

    def deliver(self, person: SimulatedUser, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
        """Judge and send one user's message when it is its turn (`per_minute`)."""
        world, launch = self._world, self._launches[follow_up.campaign]
        entry = world.catalogue.entries[follow_up.campaign]
        delivery = scheduled(entry)
        limit = delivery.per_minute if delivery and entry.live else None
        granted, minute = take_from_window(launch.minute, world.clock, limit, 1)
        if not granted:
            at = minute.ends(world.clock)
            world.keep(person, replace(follow_up, next_at=at))
            world.schedule(person, follow_up, at, channels)
            return
        before = went_out_on(person, follow_up)
        self._sending.deliver(person, follow_up, channels)
        if went_out_on(person, follow_up) != before:
            launch.minute = minute

    def _begins_at(self, name: str, launch: _Launch) -> datetime | None:
        """When it is to begin; None where it has begun, is stopped, or is no scheduled original any more."""
        entry = self._world.catalogue.entries[name]
        delivery = scheduled(entry) if entry.live and not launch.begun else None
        if delivery is None:
            return None
        return max(launch.not_before, begins_at(delivery, launch.published_at, self._world.catalogue.workspace))

    def _gather(self, launch: _Launch, entry: Entry) -> None:
        launch.begun = True
        delivery, audience = scheduled(entry), newest_live(entry).audience
        assert delivery is not None  # noqa: S101 - only such a one begins
        for name in self._world.scratch.known():
            person = self._world.scratch.person(name)
            had = any(campaign == entry.id for campaign, _ in person.receipts)
            if not had and is_in_audience(audience, person.user, LoggedHistory(person.log), self._world.clock):
                self._take(launch, entry, delivery, person)

    def _take(self, launch: _Launch, entry: Entry, delivery: Scheduled, person: SimulatedUser) -> None:
        world = self._world
        assignment = self._sending.assignment(person, entry)
        due = due_for(delivery, person.user, launch.published_at, world.catalogue.workspace)
        follow_up = follow_up_of(entry, launch.id, person.user, person.user.id, assignment, due_at=due, at=world.clock)
        if not assignment.control:
            follow_up = replace(follow_up, next_at=max(due, launch.not_before))
            world.keep(person, follow_up)
            world.schedule(person, follow_up, max(due, world.clock), follow_up.channels)
            return
        state, reason = evaluate_enrolment([self._sending.facts(person, follow_up, c) for c in follow_up.channels])
        if state is State.CONTROL:
            self._sending.enrol(person, follow_up)
        else:
            world.keep(person, replace(follow_up, state=state, reason=reason, decided_at=world.clock))

    def _go_on(self, campaign: str, now: datetime) -> None:
        """What fell due while it was stopped falls due now."""
        for user, name, channel in self._sending.take_paused(campaign):
            person = self._world.scratch.person(user)
            follow_up = replace(person.follow_ups[name], next_at=now)
            if follow_up.is_open:
                self._world.keep(person, follow_up)
                self._world.schedule(person, follow_up, now, (channel,))
