"""Play what a real user did against edited follow-ons, as if these had been published at an instant of the past.

The user's messages of other campaigns count as they were really sent; originals are not sent again: what the user did
with them is in the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.definitions import Definitions
from connector.ingest.parsing import parse_item, with_time
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign, Card, External
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.errors import ConnectorError, OrderRefused
from connector.rules.model.interactions import LAUNCH_TIME, Interaction, Item, LogEntry, create_log_entry
from connector.rules.model.users import User
from connector.rules.publishing.facts import all_conditions
from connector.rules.timing.caps import PastSend
from connector.simulation.engine import Simulation
from connector.simulation.playing import Played, StepRefused
from connector.simulation.spill_store import SpillStore
from connector.simulation.timeline import TimelineStep

_RETENTION = timedelta(days=36_525)
"""A hundred years: the store decides what the log still holds, not the simulation."""


class NoFollowOn(ConnectorError):
    """None of the definitions is a follow-on, so that there is nothing to play."""


@dataclass(frozen=True)
class RealUser:
    """What a real user did, from `since` to `until` (UTC), and before as far as it is kept.

    Args:
        arrivals: in the order of their arrival.
        sends: each with the campaign of the message, oldest first.
        receipts: when the user last received what, by (campaign, key).
    """

    profile: User
    since: datetime
    until: datetime
    before: Sequence[LogEntry]
    arrivals: Sequence[LogEntry]
    sends: Sequence[tuple[str, PastSend]]
    receipts: Mapping[tuple[str, str], datetime]

    def steps(self, definitions: Definitions) -> list[TimelineStep]:
        """Return what is played as the steps of a timeline, for a picture."""
        follow_ons = tuple(one.id for one in definitions.campaigns if one.follow_on is not None)
        arrivals = (TimelineStep(entry.seq, entry.received_at, "interaction", entry.item) for entry in self.arrivals)
        return [TimelineStep(0, self.since, "publish", follow_ons), *arrivals]


def read_real_user(view: Mapping[str, Any]) -> RealUser:
    """Return the user of a view that `starter.operations.user_logs` made, here or in an API's answer."""
    profile = User.model_validate(view["user"])
    entries = [
        create_log_entry(_item(line), number, datetime.fromisoformat(line["at"]))
        for number, line in enumerate([*view["before"], *view["interactions"]], start=1)
    ]
    return RealUser(
        profile=profile,
        since=datetime.fromisoformat(view["since"]),
        until=datetime.fromisoformat(view["as_of"]),
        before=sorted(entries[: len(view["before"])], key=lambda entry: (entry.t, entry.seq)),
        arrivals=entries[len(view["before"]) :],
        sends=[
            (one["campaign"], PastSend(one["follow_up"], one["channel"], datetime.fromisoformat(one["at"])))
            for one in view["sends"]
        ],
        receipts={(one["campaign"], one["key"]): datetime.fromisoformat(one["at"]) for one in view["receipts"]},
    )


def play_like(
    definitions: Definitions, user: RealUser, until: datetime | None, *, with_messages: bool = False
) -> Played:
    """Play the user's log against definitions that are published at `user.since`.

    Args:
        until: when to stop (inclusive); None: when nothing is left to happen.

    Raises:
        NoFollowOn: there is nothing to play.
    """
    simulated = {one.id for one in definitions.campaigns if one.follow_on is not None}
    if not simulated:
        raise NoFollowOn("none of the definitions is a follow-on: nothing would be triggered")
    warnings, store = list[str](), SpillStore()
    simulation = Simulation(Catalogue(), store, warnings.append, retention=_RETENTION, with_messages=with_messages)
    try:
        _publish(simulation, definitions, user)
    except OrderRefused as refusal:
        return Played(warnings, StepRefused(str(refusal)), store.lines, store.close)
    _play(simulation, simulated, user, until)
    simulation.report_waiting()
    return Played(warnings, None, store.lines, store.close)


def _publish(simulation: Simulation, definitions: Definitions, user: RealUser) -> None:
    """Add the user with what happened before, and publish everything. Raises OrderRefused."""
    simulation.run_to(user.since)
    receipts = {key: at for key, at in user.receipts.items() if at < user.since}
    simulation.add_user(user.profile, log=user.before, receipts=receipts)
    workspace = [definitions.workspace] if definitions.workspace else []
    published = [*_originals(definitions, user), *(one for one in definitions.campaigns if one.follow_on is not None)]
    simulation.apply(*workspace, *published, sources=definitions.sources)
    simulation.order("publish", [one.id for one in published], allow_missed=True)


def _originals(definitions: Definitions, user: RealUser) -> Iterator[Campaign | Card]:
    """Yield what the follow-ons and the log name, as campaigns of other systems: the log has what came of them."""
    follow_ons = {one.id for one in definitions.campaigns if one.follow_on is not None}
    known = {one.id for one in definitions.cards}
    yield from definitions.cards
    for id, is_card in sorted(_targets(definitions, user)):
        if id not in follow_ons and id not in known:
            known.add(id)
            yield (
                Card(card=id, title="", body="")
                if is_card
                else Campaign(campaign=id, delivery=External(type="external"))
            )


def _targets(definitions: Definitions, user: RealUser) -> Iterator[tuple[str, bool]]:
    """Yield the ids of campaigns and cards that are named, each with whether it is a card."""
    for campaign in definitions.campaigns:
        if campaign.follow_on is None:
            yield campaign.id, False
        for _, condition in all_conditions(campaign):
            if isinstance(condition, InteractionCondition):
                yield condition.target, condition.card is not None
    for entry in user.arrivals:
        if isinstance(entry.item, Interaction):
            yield entry.item.target, entry.item.card is not None


def _play(simulation: Simulation, simulated: set[str], user: RealUser, until: datetime | None) -> None:
    sends = [send for campaign, send in user.sends if campaign not in simulated]
    for entry in user.arrivals:
        if until is not None and entry.received_at > until:
            break
        if not _is_made_by(simulated, entry.item):
            simulation.run_beside(user.profile.id, sends, entry.received_at)
            simulation.ingest(entry.item)
    simulation.run_beside(user.profile.id, sends, user.until if until is None else until)
    simulation.run_to(until)


def _is_made_by(simulated: set[str], item: Item) -> bool:
    """Whether a real message of a simulated campaign made this item; the simulated messages make their own."""
    return isinstance(item, Interaction) and item.campaign in simulated and item.type in LAUNCH_TIME


def _item(line: Mapping[str, Any]) -> Item:
    return parse_item(with_time(line["interaction"], line["at"]))
