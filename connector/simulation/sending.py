"""What falls due, judged channel by channel by the list of production; nothing goes out but the interaction of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Item
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import (
    OUT,
    Delivery,
    DeliveryState,
    SendContent,
    SwitchChannels,
    delivery_id,
    draw_assignment,
    earlier_receipt,
    enrolment,
    evaluate_message,
    has_assignments,
    receive_interaction,
    settle_follow_up,
)
from connector.rules.sending.due_list import Control, Drop, DueFacts, Hold, Pause, newest_live
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import PastSend
from connector.rules.triggering.evaluator import LoggedHistory
from connector.simulation.rendering import Rendering
from connector.simulation.users import SimulatedUser
from connector.simulation.world import World
from connector.templating.templates import template_variables


class SimulatedSender:
    """Judges what falls due in a world.

    Args:
        take: takes in the interactions that sending makes, at the same instant.
    """

    def __init__(self, world: World, take: Callable[[Item], None]) -> None:
        self._world, self._take = world, take
        self._rendering = Rendering()
        self._paused: dict[str, list[tuple[str, str, str]]] = {}

    def deliver(self, person: SimulatedUser, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
        """Judge these channels of a follow-up, one after the other, as of the world's clock."""
        in_hand = person.in_hand.setdefault(follow_up.id, set())
        waiting = list(channels)
        in_hand.update(waiting)
        while waiting:
            current = person.follow_ups[follow_up.id]
            if not current.is_open:
                break
            channel = waiting.pop(0)
            moved_to = self._judge(person, current, channel)
            if moved_to is None:
                continue
            in_hand.discard(channel)
            begun = [other for other in moved_to if other not in in_hand]
            in_hand.update(begun)
            waiting += begun
        if not person.follow_ups[follow_up.id].is_open:
            person.in_hand.pop(follow_up.id, None)

    def _judge(self, person: SimulatedUser, follow_up: FollowUp, channel: str) -> tuple[str, ...] | None:
        """One channel; the channels to which newer content moves it, where it does. One decided before stays so."""
        if channel in person.messages.get(follow_up.id, {}):
            return None
        facts = self.facts(person, follow_up, channel)
        verdict = evaluate_message(facts)
        if isinstance(verdict, SwitchChannels):
            moved = replace(follow_up, channels=verdict.channels)
            self._world.keep(person, moved)
            self._settle(person, moved)
            return verdict.channels
        if isinstance(verdict, Hold):
            self._world.keep(person, replace(follow_up, state=State.HELD, next_at=verdict.until))
            self._world.schedule(person, follow_up, verdict.until, (channel,))
        elif isinstance(verdict, Pause):
            self._paused.setdefault(follow_up.campaign, []).append((person.user.id, follow_up.id, channel))
        elif isinstance(verdict, Control):
            self.enrol(person, follow_up)
        elif isinstance(verdict, SendContent):
            self._go(person, follow_up, facts, channel, verdict.content)
        else:
            self._drop(person, follow_up, channel, verdict)
        return None

    def facts(self, person: SimulatedUser, follow_up: FollowUp, channel: str) -> DueFacts:
        """What the due-time list looks at, as of the world's clock."""
        world = self._world
        messages = person.messages.get(follow_up.id, {})
        receipt = person.receipts.get((follow_up.campaign, follow_up.key))
        entry = world.catalogue.entries[follow_up.campaign]
        return DueFacts(
            now=world.clock,
            next_at=follow_up.next_at,
            entry=entry,
            window_id=follow_up.window_id,
            workspace=world.catalogue.workspace,
            channel=channel,
            user=person.user,
            history=LoggedHistory(person.log),
            received_at=earlier_receipt(receipt, messages.values()),
            past_sends=person.sends,
            assignment=self.assignment(person, entry),
            follow_up_id=follow_up.id,
            unreachable={},  # providers tell that addresses are dead, and in a simulation there are none
        )

    def assignment(self, person: SimulatedUser, entry: Entry) -> Assignment:
        """The assignment that is kept (T4)."""
        if not has_assignments(entry):
            return Assignment(control=False)
        if entry.id not in person.assignments:
            received = any(name == entry.id for name, _ in person.receipts)
            person.assignments[entry.id] = draw_assignment(newest_live(entry), person.user.id, received=received)
        return person.assignments[entry.id]

    def take_paused(self, campaign: str) -> list[tuple[str, str, str]]:
        """(user, follow-up, channel) of what fell due while the campaign was stopped, each told once."""
        return self._paused.pop(campaign, [])

    def _drop(self, person: SimulatedUser, follow_up: FollowUp, channel: str, verdict: Drop) -> None:
        self._write(person, follow_up, channel, DeliveryState.DROPPED, verdict.reason)
        self._settle(person, follow_up)

    def enrol(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        """W3: one enrolment at the moment of the message, which counts as a receipt."""
        now = self._world.clock
        ended = replace(follow_up, state=State.CONTROL, reason=Reason.CONTROL_GROUP, decided_at=now)
        self._world.keep(person, ended)
        self._world.ledger.ended(person, ended)
        self._receipt(person, follow_up, now)
        self._take(enrolment(follow_up, person.user.id, now))

    def _go(self, person: SimulatedUser, follow_up: FollowUp, facts: DueFacts, channel: str, content: Messages) -> None:
        now = self._world.clock
        dispatched = replace(follow_up, dispatched_at=follow_up.dispatched_at or now, state=State.SENDING)
        if not self._rendering.succeeds(
            content, channel, lambda: template_variables(follow_up, person.user, facts.campaign)
        ):
            self._world.keep(person, dispatched)
            self._write(person, follow_up, channel, DeliveryState.DROPPED, Reason.ABORTED_BY_TEMPLATE)
            self._settle(person, dispatched)
            return
        self._world.keep(person, dispatched)
        self._write(person, follow_up, channel, DeliveryState.SENT)
        person.sends.append(PastSend(follow_up.id, channel, now))
        self._receipt(person, follow_up, now)
        self._settle(person, dispatched)
        received = receive_interaction(follow_up, channel, person.user.id, now)
        if received is not None:
            self._take(received)

    def _receipt(self, person: SimulatedUser, follow_up: FollowUp, at: datetime) -> None:
        person.receipts[follow_up.campaign, follow_up.key] = at

    def _write(
        self,
        person: SimulatedUser,
        follow_up: FollowUp,
        channel: str,
        state: DeliveryState,
        reason: Reason | None = None,
    ) -> None:
        at = self._world.clock if state in OUT else None
        message = Delivery(delivery_id(follow_up.id, channel), channel, state, reason, at)
        person.messages.setdefault(follow_up.id, {})[channel] = message

    def _settle(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        ended = settle_follow_up(follow_up, person.messages.get(follow_up.id, {}), self._world.clock)
        if ended is not None:
            self._world.keep(person, ended)
            self._world.ledger.ended(person, ended)
