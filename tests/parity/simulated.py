"""A story played by `connector simulate`'s own engine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import OrderRefused
from connector.rules.sending.launching import is_launched
from connector.simulation import Simulation, SpillStore
from connector.simulation.playing import play_step
from connector.simulation.users import SimulatedUser
from tests.parity.outcomes import MadeIds, Outcomes, object_row, rounded, row
from tests.parity.story import Story


def simulate(story: Story) -> Outcomes:
    """Play a story to its end, or to the first order that is refused, as the command does."""
    with SpillStore() as spill:
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
        return collect_outcomes(simulation, [spill.load_user(id) for id in spill.user_ids()], refused)


def collect_outcomes(simulation: Simulation, users: Sequence[SimulatedUser], refused: list[str]) -> Outcomes:
    """Return what a simulation came to, with these users."""
    made = MadeIds({user.id: user.log for user in users})
    printed = [json.loads(line) for line in simulation.lines()]
    return Outcomes(
        objects=Counter(object_row(one, made) for one in printed),
        deliveries=Counter(chain.from_iterable(_deliveries(user, made) for user in users)),
        receipts=Counter(
            row(campaign=campaign, user=user.id, key=key, received_at=rounded(at))
            for user in users
            for (campaign, _, key), at in user.receipts.items()
        ),
        made=made.rows(),
        refused=refused,
    )


def _deliveries(user: SimulatedUser, made: MadeIds) -> Iterable[tuple[tuple[str, object], ...]]:
    for name, messages in user.messages.items():
        follow_up = user.follow_ups[name]
        for message in messages.values():
            yield row(
                campaign=follow_up.campaign,
                user=user.id,
                trigger="(launch)" if is_launched(follow_up) else made.name(follow_up.trigger.id),
                key=follow_up.key,
                channel=message.channel,
                state=message.state.value,
                reason=message.reason and message.reason.value,
                claimed_at=rounded(message.claimed_at),
            )
