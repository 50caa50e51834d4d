"""Ingest items into a simulated world, one at a time, as the intake does in production."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from connector.ingest.parsing import ensure_id
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import (
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
from connector.rules.targeting.matching import passes_robot_filter, topic_of
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import Evaluator, UserState
from connector.rules.triggering.trigger_list import compute_key, is_trigger
from connector.rules.triggering.user_log import UserLog
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World


class SimulatedIngest:
    """Ingests items into a world: reported ones, and receipts, enrolments and conversions that the world makes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seq = 0

    def ingest(self, item: Item) -> None:
        """Ingest one item as of the world's clock: evaluate it and apply the changes."""
        now = self._world.clock
        if not self._has_target(item):
            return
        item = ensure_id(item)
        user = self._world.store.load_user(item.user)
        self._world.prune(user)
        self._seq += 1
        logged = create_log_entry(item, self._seq, now)
        if is_too_old(item, now, self._world.retention):
            self._reject(user, logged, Reason.STALE)
        elif self._is_repeated(user, logged):
            self._reject(user, logged, Reason.DUPLICATE)
        else:
            self._log(user, logged)
            self._evaluate(user, logged)
            self._ingest_conversions(user, logged)

    def _has_target(self, item: Item) -> bool:
        """Return whether the item's target exists; if not, production does not log it (design 8). Warns once each."""
        if not isinstance(item, Interaction) or self._world.catalogue.target_of(item) is not None:
            return True
        kind = "campaign" if item.campaign is not None else "card"
        self._world.warn_once(f"there is no {kind} {item.target!r}: its interactions are ignored")
        return False

    def _is_repeated(self, user: SimulatedUser, logged: LogEntry) -> bool:
        """Return whether the item has a known id (M6) or reports a known push dispatch (M3), open, click or receipt."""
        world = self._world
        seen = world.store.last_seen(user.id, logged.id)
        if seen is not None and seen >= world.horizon.toordinal():
            return True
        if seen is not None:
            user.forget_trigger(logged.id)
        world.store.remember(user.id, logged.id, world.clock.toordinal())
        engagement = engagement_of(logged.item, logged.t)
        if engagement is not None and is_duplicate(engagement, _engagements_near(engagement, user.log)):
            return True
        dispatch = dispatch_of(logged.item)
        if dispatch is None:
            return False
        is_known = dispatch in user.dispatches
        user.dispatches.setdefault(dispatch, world.clock)
        return is_known

    def _reject(self, user: SimulatedUser, logged: LogEntry, reason: Reason) -> None:
        """Report the rejection for each live follow-on that the item would trigger."""
        catalogue = self._world.catalogue
        for entry in catalogue.listeners_of(logged.item):
            if entry.live is not None and is_trigger(logged.item, entry, logged.t, catalogue):
                refusal = Refusal(entry.id, compute_key(logged.item, entry, logged.t), logged, reason)
                self._world.outcomes.rejected(user, refusal, self._world.clock)

    def _log(self, user: SimulatedUser, logged: LogEntry) -> None:
        user.log.append(logged)
        item = logged.item
        if isinstance(item, Interaction) and passes_robot_filter(item, self._world.catalogue.workspace.robots):
            self._world.interactions[topic_of(item)] += 1

    def _evaluate(self, user: SimulatedUser, logged: LogEntry) -> None:
        if self._world.catalogue.has_no_listeners(logged.item):
            return
        self._apply_changes(user, logged, user.follow_ups_since(logged.t))
        user.newest_t = logged.t if user.newest_t is None else max(user.newest_t, logged.t)

    def _apply_changes(self, user: SimulatedUser, logged: LogEntry, follow_ups: Sequence[FollowUp]) -> None:
        if follow_ups or self._world.catalogue.trigger_listeners.get(topic_of(logged.item)):
            for change in self._changes(user, logged, follow_ups):
                self._apply(user, change)

    def _changes(self, user: SimulatedUser, logged: LogEntry, follow_ups: Sequence[FollowUp]) -> list[Change]:
        state = UserState(user.profile, user.id, user.newest_t, follow_ups, user.receipts)
        evaluator = Evaluator(self._world.catalogue, self._world.clock)
        if needs := evaluator.log_needed(state, [logged]):
            log, refused = UserLog(user.log, spans=None), user.refused(needs.first)
            state = replace(state, log=log, history=user.log, generations=user.generations(), refused=refused)
        return evaluator.evaluate(state, [logged])

    def _apply(self, user: SimulatedUser, change: Change) -> None:
        world, outcomes = self._world, self._world.outcomes
        match change:
            case NewFollowUp(follow_up):
                outcomes.begun(user, follow_up)
                world.save(user, follow_up)
                if follow_up.is_open:
                    world.schedule(user, follow_up, follow_up.due_at, follow_up.channels)
                else:
                    outcomes.ended(user, follow_up)
            case EndedFollowUp(follow_up):
                user.end_rest(follow_up)
                world.save(user, follow_up)
                outcomes.ended(user, follow_up)
            case LateException():
                outcomes.noted(user, change, world.clock)
            case Refusal():
                user.refusals[change.campaign, change.key, change.logged.id] = change
                outcomes.refused(user, change, world.clock)

    def _ingest_conversions(self, user: SimulatedUser, logged: LogEntry) -> None:
        """Ingest the conversions that the item makes (C1)."""
        since = log_needed_since([logged], self._world.catalogue)
        if since is not None:
            for conversion in count_conversions(
                [logged], user.log_since(since, self._world.horizon), self._world.catalogue, user.id
            ):
                self.ingest(conversion)


def _engagements_near(engagement: Engagement, log: Sequence[LogEntry]) -> Iterator[Engagement]:
    near = (logged for logged in log if abs(logged.t - engagement.t) <= engagement.tolerance)
    return (other for logged in near if (other := engagement_of(logged.item, logged.t)) is not None)
