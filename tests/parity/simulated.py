"""A story played by `connector simulate`'s own engine."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import OrderRefused
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.sending.deliveries import Delivery
from connector.rules.sending.launching import is_launched
from connector.simulation import Simulation, SpillStore
from connector.simulation.playing import play_step
from connector.simulation.users import SimulatedUser
from tests.parity.outcomes import MadeIds, Outcomes, object_row, rounded, row
from tests.parity.story import Story


@dataclass
class Pruned:
    """What a user's state had before it was pruned, which is compared nevertheless."""

    log: dict[tuple[str, int], LogEntry] = field(default_factory=dict)
    follow_ups: dict[str, FollowUp] = field(default_factory=dict)
    messages: dict[str, dict[str, Delivery]] = field(default_factory=dict)

    def add(self, user: SimulatedUser) -> None:
        """Remember the user's present state."""
        self.log |= {(entry.id, entry.seq): entry for entry in user.log}
        self.follow_ups |= user.follow_ups
        self.messages |= user.messages


def simulate(story: Story) -> Outcomes:
    """Play a story to its end, or to the first order that is refused, as the command does."""
    pruned: defaultdict[str, Pruned] = defaultdict(Pruned)
    prune = SimulatedUser.prune

    def recording(user: SimulatedUser, *arguments: Any) -> None:
        pruned[user.id].add(user)
        prune(user, *arguments)

    with SpillStore() as spill, pytest.MonkeyPatch.context() as patched:
        patched.setattr(SimulatedUser, "prune", recording)
        simulation = Simulation(Catalogue(), spill, lambda _: None)
        simulation.apply(*story.parsed)
        refused: list[str] = []
        try:
            for line, _ in story.steps:
                simulation.run_to(line.at)
                play_step(simulation, line)
            simulation.run_to(story.until)
        except OrderRefused as refusal:
            refused = list(refusal.problems)
        simulation.report_waiting()
        users = [spill.load_user(id) for id in spill.user_ids()]
        return collect_outcomes(simulation, users, refused, pruned)


def collect_outcomes(
    simulation: Simulation,
    users: Sequence[SimulatedUser],
    refused: list[str],
    pruned: Mapping[str, Pruned] | None = None,
) -> Outcomes:
    """Return the outcomes of a simulation for these users.

    Args:
        pruned: what the users had before it was pruned; None: nothing was.
    """
    states = {user.id: (pruned or {}).get(user.id, Pruned()) for user in users}
    for user in users:
        states[user.id].add(user)
    made = MadeIds({user: state.log.values() for user, state in states.items()})
    printed = [json.loads(line) for line in simulation.lines()]
    return Outcomes(
        objects=Counter(object_row(one, made) for one in printed),
        deliveries=Counter(chain.from_iterable(_deliveries(user, state, made) for user, state in states.items())),
        receipts=Counter(
            row(campaign=campaign, user=user.id, key=key, received_at=rounded(at))
            for user in users
            for (campaign, _, key), at in user.receipts.items()
        ),
        made=made.rows(),
        refused=refused,
    )


def _deliveries(user: str, state: Pruned, made: MadeIds) -> Iterable[tuple[tuple[str, object], ...]]:
    for name, messages in state.messages.items():
        follow_up = state.follow_ups[name]
        for message in messages.values():
            yield row(
                campaign=follow_up.campaign,
                user=user,
                trigger="(launch)" if is_launched(follow_up) else made.name(follow_up.trigger.id),
                key=follow_up.key,
                channel=message.channel,
                state=message.state.value,
                reason=message.reason and message.reason.value,
                claimed_at=rounded(message.claimed_at),
            )
