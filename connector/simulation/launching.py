"""Launches in a simulation: as in production, by the same rules, on the simulated clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.due_list import newest_live
from connector.rules.sending.effects import BeginFollowUp
from connector.rules.sending.launch_times import Share, send_time, share_of_wait, share_of_zone
from connector.rules.sending.launching import Launch, is_in_launch, launch_id, launch_user, rate_limit, scheduled
from connector.rules.sending.rates import RateWindow, take_from_window
from connector.rules.timing.delays import is_stale
from connector.simulation import sort_keys
from connector.simulation.outcomes import sent_channels
from connector.simulation.sending import SimulatedSender, recipient_of
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World


@dataclass
class _Progress:
    """One campaign's launch. It begins no earlier than `not_before`: its publication, or a resume since (UTC)."""

    id: str
    not_before: datetime
    has_begun: bool = False
    window: RateWindow = field(default_factory=RateWindow)


class SimulatedLauncher:
    """Launches the scheduled originals of a world.

    Args:
        sender: decides and sends what falls due, as it does for follow-ons.
    """

    def __init__(self, world: World, sender: SimulatedSender) -> None:
        self._world, self._sender = world, sender
        self._launches: dict[str, _Progress] = {}

    def apply_order(self, verb: OrderVerb, ids: Iterable[str]) -> None:
        """Launch what an order publishes for the first time, and continue paused launches (P9), as of now."""
        now = self._world.clock
        for rank, name in enumerate(ids):
            launch = self._launches.get(name)
            if verb == "publish" and launch is None and scheduled(self._world.catalogue.entries[name]) is not None:
                self._launches[name] = _Progress(launch_id("simulated", name), now)
            elif verb in ("publish", "resume") and launch is not None:
                launch.not_before = now
                self._go_on(name, rank, now)

    def count_shares(self, launches: Sequence[Entry]) -> Counter[tuple[str, Share]]:
        """Count the users whom an order that takes effect now reaches, by campaign and share.

        Args:
            launches: the scheduled originals of the order, as they are after it.
        """
        return Counter((entry.id, share) for entry in launches for share in self._shares(entry))

    def begin_next(self, until: datetime | None) -> bool:
        """Begin the next launch unless something else falls due before it; returns whether one began."""
        if not self._launches:
            return False
        waiting = ((at, name) for name, launch in self._launches.items() if (at := self._begins_at(name, launch)))
        at, name = min(waiting, default=(None, ""))
        due = self._world.next_at()
        if at is None or (until is not None and at > until) or (due is not None and due < at):
            return False
        self._world.clock = max(at, self._world.clock)
        self._begin(self._launches[name], self._world.catalogue.entries[name], at)
        return True

    def deliver(self, user: SimulatedUser, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
        """Send one user's message when it is its turn (`per_minute`)."""
        world, launch = self._world, self._launches[follow_up.campaign]
        entry = world.catalogue.entries[follow_up.campaign]
        delivery = scheduled(entry)
        limit = rate_limit(delivery) if entry.live else None
        granted, window = take_from_window(launch.window, world.clock, limit, 1)
        if limit and not granted and not self._is_stale(follow_up, world.clock):
            at = world.clock + limit.left(window, world.clock)
            world.save(user, replace(follow_up, next_at=at))
            world.schedule(user, follow_up, at, channels)
            return
        before = sent_channels(user, follow_up)
        self._sender.deliver(user, follow_up, channels)
        if sent_channels(user, follow_up) != before:
            launch.window = window

    def _shares(self, entry: Entry) -> Iterator[Share]:
        """Yield the share of each user whom a launch has still to reach."""
        world, launch = self._world, self._launches.get(entry.id)
        now, stale_after = world.clock, newest_live(entry).stale_after(world.catalogue.workspace)
        if launch is not None and launch.has_begun:
            waiting = world.open_follow_ups_of([entry.id]) if world.catalogue.entries[entry.id].live is None else []
            yield from (share_of_wait(follow_up.next_at, now, stale_after) for _, follow_up, _ in waiting)
            return
        time = send_time(entry, world.catalogue.workspace)
        assert time is not None  # noqa: S101 - a launch has a time
        for name in world.store.user_ids():
            user = world.store.load_user(name)
            if is_in_launch(newest_live(entry), recipient_of(user, entry), now):
                yield share_of_zone(time, user.profile.time_zone, now, stale_after)

    def _begins_at(self, name: str, launch: _Progress) -> datetime | None:
        """Return when a launch begins; None if it has begun, is stopped, or is no scheduled original any more."""
        entry = self._world.catalogue.entries[name]
        time = send_time(entry, self._world.catalogue.workspace) if entry.live and not launch.has_begun else None
        return None if time is None else max(launch.not_before, time.begins_at)

    def _begin(self, progress: _Progress, entry: Entry, at: datetime) -> None:
        """Add the users of the audience to a launch that begins at `at`."""
        progress.has_begun = True
        world = self._world
        time = send_time(entry, world.catalogue.workspace)
        assert time is not None  # noqa: S101 - `_begins_at` is None otherwise
        launch = Launch(progress.id, entry, time)
        last = world.sort_key
        for name in world.store.user_ids():
            if world.keeps_sort_keys:
                world.sort_key = sort_keys.of_launch(at, entry.id, name, last)
            user = world.store.load_user(name)
            recipient = recipient_of(user, entry)
            if is_in_launch(newest_live(entry), recipient, world.clock):
                effects = launch_user(launch, user.profile.id, recipient, world.catalogue, world.clock)
                self._sender.apply(user, effects)
                for effect in effects:
                    if isinstance(effect, BeginFollowUp) and effect.follow_up.is_open:
                        self._schedule(user, effect.follow_up, progress.not_before)

    def _schedule(self, user: SimulatedUser, follow_up: FollowUp, not_before: datetime) -> None:
        due_at = follow_up.due_at
        if not self._is_stale(follow_up, not_before):
            self._world.save(user, replace(follow_up, next_at=max(due_at, not_before)))
        self._world.schedule(user, follow_up, max(due_at, self._world.clock), follow_up.channels)

    def _go_on(self, campaign: str, rank: int, now: datetime) -> None:
        """Make messages that fell due while the campaign was stopped due now; stale messages stay stale (P9).

        `rank` is the campaign's in the order.
        """
        event = self._world.sort_key
        for name, follow_up_id, channel, paused in self._sender.take_paused(campaign):
            self._world.sort_key = event + sort_keys.of_begun(rank, paused)
            user = self._world.store.load_user(name)
            follow_up = user.follow_ups[follow_up_id]
            if follow_up.is_open:
                next_at = follow_up.next_at if self._is_stale(follow_up, now) else now
                self._world.save(user, replace(follow_up, next_at=next_at))
                self._world.schedule(user, follow_up, now, (channel,))
        self._world.sort_key = event

    def _is_stale(self, follow_up: FollowUp, now: datetime) -> bool:
        return is_stale(follow_up.next_at, now, self._world.catalogue.stale_after(follow_up.campaign))
