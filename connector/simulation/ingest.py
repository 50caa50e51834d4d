"""Taking in what users did, as intake does it in production, one item at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from connector.ingest.parsing import ensure_id
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import (
    LAUNCH_TIME,
    Interaction,
    Item,
    LogEntry,
    create_log_entry,
    dispatch_of,
    is_too_old,
)
from connector.rules.model.reasons import Reason
from connector.rules.results.conversions import count_conversions, log_needed_since
from connector.rules.targeting.deduplication import Engagement, engagement_of, is_duplicate
from connector.rules.targeting.matching import topic_of
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import ENTIRE_LOG, Evaluator, UserState
from connector.rules.triggering.trigger_list import is_trigger, key_of
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World


class SimulatedIngest:
    """Takes items into a world. Made ones (receipts, enrolments, conversions) come the same way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._unknown: set[str] = set()
        self._seq = 0

    def take(self, item: Item) -> None:
        """One item, as of the world's clock: judged, and what comes of it begun, ended or refused."""
        now = self._world.clock
        if self._is_unknown(item):
            return
        item = ensure_id(item)
        person = self._world.scratch.person(item.user)
        self._seq += 1
        logged = create_log_entry(item, self._seq, now)
        if is_too_old(item, now, self._world.retention):
            self._refuse_everywhere(person, logged, Reason.STALE)
        elif self._is_repeated(person, logged):
            self._refuse_everywhere(person, logged, Reason.DUPLICATE)
        else:
            self._judge(person, logged)

    def _is_unknown(self, item: Item) -> bool:
        """Whether it is about something that does not exist, which production does not log (design 8); told once."""
        if not isinstance(item, Interaction) or self._world.catalogue.target_of(item) is not None:
            return False
        kind = "campaign" if item.campaign is not None else "card"
        if item.target not in self._unknown:
            self._unknown.add(item.target)
            self._world.warn(f"{item.target!r} is not a {kind} that is known: its interactions count for nothing")
        return True

    def _is_repeated(self, person: SimulatedUser, logged: LogEntry) -> bool:
        """M6, and M3: one dispatch is one interaction, whichever of the user's devices reports it.

        So is one open, click or receipt, whichever source tells of it.
        """
        world = self._world
        if not world.scratch.is_new(logged.id, world.clock.toordinal(), world.retention.days):
            return True
        act = engagement_of(logged.item, logged.t)
        if act is not None and is_duplicate(act, _acts_near(act, person.log)):
            return True
        dispatch = dispatch_of(logged.item)
        if dispatch is None:
            return False
        repeated = dispatch in person.dispatches
        person.dispatches[dispatch] = world.clock
        return repeated

    def _refuse_everywhere(self, person: SimulatedUser, logged: LogEntry, reason: Reason) -> None:
        """Told for each live follow-on that the item would trigger."""
        catalogue = self._world.catalogue
        for entry in catalogue.listeners_of(logged.item):
            if entry.live is not None and is_trigger(logged.item, entry, logged.t, catalogue):
                refused = Refusal(entry.id, key_of(logged.item, entry, logged.t), logged, reason)
                self._world.ledger.repeated(person, refused, self._world.clock)

    def _judge(self, person: SimulatedUser, logged: LogEntry) -> None:
        world = self._world
        self._log(person, logged)
        follow_ups = person.follow_ups_since(logged.t)
        if follow_ups or world.catalogue.trigger_listeners.get(topic_of(logged.item)):
            self._change(person, logged, follow_ups)
        person.newest_t = logged.t if person.newest_t is None else max(person.newest_t, logged.t)
        self._convert(person, logged)

    def _change(self, person: SimulatedUser, logged: LogEntry, follow_ups: Sequence[FollowUp]) -> None:
        """What comes of an item that somebody listens to, or that may call something off."""
        world = self._world
        known = UserState(person.user, person.user.id, person.newest_t, follow_ups, person.receipts_of())
        judging = Evaluator(world.catalogue, world.clock)
        since = judging.log_needed_since(known, [logged])
        if since is not None:
            past = person.past(None if since is ENTIRE_LOG else since)
            known = replace(known, log=past, generations=person.generations())
        for change in judging.evaluate(known, [logged]):
            self._apply(person, change)

    def _convert(self, person: SimulatedUser, logged: LogEntry) -> None:
        """C1: what the item counts as, taken in like everything else."""
        since = log_needed_since([logged], self._world.catalogue)
        if since is not None:
            for made in count_conversions([logged], person.past(since), self._world.catalogue, person.user.id):
                self.take(made)

    def _log(self, person: SimulatedUser, logged: LogEntry) -> None:
        person.forget(self._world.clock, self._world.retention)
        person.log.append(logged)
        item = logged.item
        if isinstance(item, Interaction) and item.type in LAUNCH_TIME:
            self._world.missed[item.target, item.type.value] += 1

    def _apply(self, person: SimulatedUser, change: Change) -> None:
        world, ledger = self._world, self._world.ledger
        if isinstance(change, NewFollowUp):
            began = change.follow_up
            ledger.begun(person, began)
            world.keep(person, began)
            if began.is_open:
                world.schedule(person, began, began.due_at, began.channels)
            else:
                ledger.ended(person, began)
        elif isinstance(change, EndedFollowUp):
            world.keep(person, change.follow_up)
            ledger.ended(person, change.follow_up)
        elif isinstance(change, LateException):
            ledger.noted(person, change, world.clock)
        else:
            ledger.refused(person, change, world.clock)


def _acts_near(act: Engagement, log: Sequence[LogEntry]) -> Iterator[Engagement]:
    near = (logged for logged in log if abs(logged.t - act.t) <= act.tolerance)
    return (other for logged in near if (other := engagement_of(logged.item, logged.t)) is not None)
