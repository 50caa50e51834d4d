"""Sending in a simulation: messages are decided as in production; a send makes only its interaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Item
from connector.rules.model.messages import Messages
from connector.rules.sending.decisions import Recipient, decide_message, decide_without_evaluation
from connector.rules.sending.deliveries import DeliveryState, DueMessage
from connector.rules.sending.due_list import Hold, Pause, SendContent, SwitchChannels, newest_live
from connector.rules.sending.effects import (
    BeginFollowUp,
    CancelFollowUp,
    ChangeFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    KeepAssignment,
    SaveReceipt,
    StateAddress,
    WriteDelivery,
)
from connector.rules.sending.results import decide_result
from connector.rules.timing.caps import PastSend
from connector.rules.triggering.user_log import LoggedHistory
from connector.simulation.rendering import Rendering
from connector.simulation.sort_keys import SortKey
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World
from connector.templating.templates import RenderMoment, render, template_variables


class SimulatedSender:
    """Decides about the messages that fall due in a world, and applies the decisions.

    Args:
        ingest: ingests the interactions that sending makes, at the same instant.
    """

    def __init__(self, world: World, ingest: Callable[[Item], None]) -> None:
        self._world, self._ingest = world, ingest
        self._rendering = Rendering()
        self._paused: dict[str, list[tuple[str, str, str, SortKey]]] = {}

    def deliver(self, user: SimulatedUser, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
        """Send on these channels of a follow-up, one after the other, as its workflow does, as of the world's clock."""
        in_progress = user.active_channels.setdefault(follow_up.id, set())
        waiting = list(channels)
        in_progress.update(waiting)
        while waiting and user.follow_ups[follow_up.id].is_open:
            channel = waiting.pop(0)
            switched_to = self._send(user, user.follow_ups[follow_up.id], channel)
            if switched_to:
                in_progress.discard(channel)
                begun = [other for other in switched_to if other not in in_progress]
                in_progress.update(begun)
                waiting += begun
        if not user.follow_ups[follow_up.id].is_open:
            user.active_channels.pop(follow_up.id, None)

    def _send(self, user: SimulatedUser, follow_up: FollowUp, channel: str) -> tuple[str, ...]:
        """Send one message if the decision is to send; returns the channels to which newer content switches it."""
        world = self._world
        due = _due_message(user, follow_up, channel)
        decision = decide_without_evaluation(due, world.clock)
        if decision is None:
            recipient = recipient_of(user, world.catalogue.entries[follow_up.campaign])
            decision = decide_message(due, recipient, world.catalogue, world.clock)
        self.apply(user, decision.effects)
        match decision.verdict:
            case SwitchChannels(channels):
                return channels
            case Hold(until):
                world.schedule(user, follow_up, until, (channel,))
            case Pause():
                self._paused.setdefault(follow_up.campaign, []).append((user.id, follow_up.id, channel, world.sort_key))
            case SendContent(content):
                self._record(user, user.follow_ups[follow_up.id], channel, content)
        return ()

    def _record(self, user: SimulatedUser, follow_up: FollowUp, channel: str, content: Messages) -> None:
        """Record the result of a claimed message: sent, or dropped if its template does not render."""
        now = self._world.clock
        campaign = newest_live(self._world.catalogue.entries[follow_up.campaign])
        result = self._rendering.result(
            content,
            channel,
            user.profile,
            lambda: template_variables(follow_up, user.profile, campaign),
            RenderMoment(now, self._world.catalogue.workspace.zone),
        )
        if result.detail is not None:
            self._world.warn_once(f"{follow_up.campaign}: {result.detail} (template_failed)")
        if self._world.keeps_messages and result.state is DeliveryState.SENT:
            moment = RenderMoment(now, self._world.catalogue.workspace.zone)
            rendered = render(content, channel, template_variables(follow_up, user.profile, campaign), moment)
            user.rendered.setdefault(follow_up.id, {})[channel] = rendered
        due = _due_message(user, follow_up, channel)
        self.apply(user, decide_result(due, result, user.profile, dispatched_at=now, now=now).effects)

    def apply(self, user: SimulatedUser, effects: Iterable[Effect]) -> None:
        """Apply what a decision changes, as production applies it to the store."""
        for effect in effects:
            match effect:
                case KeepAssignment(campaign, _, assignment):
                    user.assignments[campaign] = assignment
                case BeginFollowUp(follow_up, _) | ChangeFollowUp(follow_up) | CancelFollowUp(follow_up):
                    self._world.save(user, follow_up)
                    if not follow_up.is_open:
                        self._world.outcomes.ended(user, follow_up)
                case WriteDelivery(follow_up, delivery):
                    user.messages.setdefault(follow_up.id, {})[delivery.channel] = delivery
                    if delivery.state is DeliveryState.SENT and delivery.claimed_at is not None:
                        user.sends.append(PastSend(follow_up.id, delivery.channel, delivery.claimed_at))
                case SaveReceipt(follow_up, at):
                    user.receipts[follow_up.campaign, user.id, follow_up.key] = at
                case IngestInteraction(interaction):
                    self._ingest(interaction)
                case ForgetPushTokens() | StateAddress():
                    raise AssertionError("no provider rejects a token or an address in a simulation")

    def take_paused(self, campaign: str) -> list[tuple[str, str, str, SortKey]]:
        """Return and forget (user, follow-up, channel, sort key) of what fell due while the campaign was stopped."""
        return self._paused.pop(campaign, [])


def recipient_of(user: SimulatedUser, entry: Entry) -> Recipient:
    """Return a user as the due-time list of a campaign evaluates them; no provider suppresses an address here."""
    return Recipient(
        user=user.profile,
        receipts={key: at for (campaign, _, key), at in user.receipts.items() if campaign == entry.id},
        assignment=user.assignments.get(entry.id),
        past_sends=user.sends,
        history=LoggedHistory(user.log),
    )


def _due_message(user: SimulatedUser, follow_up: FollowUp, channel: str) -> DueMessage:
    return DueMessage(follow_up, channel, user.messages.get(follow_up.id, {}))
