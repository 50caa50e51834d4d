"""What falls due, judged channel by channel by the list of production; nothing goes out but the interaction of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.follow_up import Passage
from connector.rules.model.interactions import Item
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import (
    OUT,
    Delivery,
    DeliveryState,
    Go,
    Move,
    delivery_id,
    drawn,
    draws,
    enrolment,
    judge_message,
    receive_interaction,
    received_before,
    settled,
)
from connector.rules.sending.due_list import Control, Drop, DueFacts, Hold, Pause, newest_live
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import PastSend
from connector.rules.triggering.evaluator import Past
from connector.simulation.rendering import Rendering
from connector.simulation.users import Person
from connector.simulation.world import World
from connector.templating.variables import variables


class Sending:
    """Judges what falls due in a world.

    Args:
        take: takes in the interactions that sending makes, at the same instant.
    """

    def __init__(self, world: World, take: Callable[[Item], None]) -> None:
        self._world, self._take = world, take
        self._rendering = Rendering()
        self._paused: dict[str, list[tuple[str, str, str]]] = {}

    def deliver(self, person: Person, passage: Passage, channels: tuple[str, ...]) -> None:
        """Judge these channels of a follow-up, one after the other, as of the world's clock."""
        in_hand = person.in_hand.setdefault(passage.id, set())
        waiting = list(channels)
        in_hand.update(waiting)
        while waiting:
            current = person.passages[passage.id]
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
        if not person.passages[passage.id].is_open:
            person.in_hand.pop(passage.id, None)

    def _judge(self, person: Person, passage: Passage, channel: str) -> tuple[str, ...] | None:
        """One channel; the channels to which newer content moves it, where it does. One decided before stays so."""
        if channel in person.messages.get(passage.id, {}):
            return None
        facts = self.facts(person, passage, channel)
        verdict = judge_message(facts)
        if isinstance(verdict, Move):
            moved = replace(passage, channels=verdict.channels)
            self._world.keep(person, moved)
            self._settle(person, moved)
            return verdict.channels
        if isinstance(verdict, Hold):
            self._world.keep(person, replace(passage, state=State.HELD, next_at=verdict.until))
            self._world.schedule(person, passage, verdict.until, (channel,))
        elif isinstance(verdict, Pause):
            self._paused.setdefault(passage.campaign, []).append((person.user.id, passage.id, channel))
        elif isinstance(verdict, Control):
            self.enrol(person, passage)
        elif isinstance(verdict, Go):
            self._go(person, passage, facts, channel, verdict.content)
        else:
            self._drop(person, passage, channel, verdict)
        return None

    def facts(self, person: Person, passage: Passage, channel: str) -> DueFacts:
        """What the due-time list looks at, as of the world's clock."""
        world = self._world
        messages = person.messages.get(passage.id, {})
        receipt = person.receipts.get((passage.campaign, passage.key))
        entry = world.catalogue.entries[passage.campaign]
        return DueFacts(
            now=world.clock,
            next_at=passage.next_at,
            entry=entry,
            window_id=passage.window_id,
            workspace=world.catalogue.workspace,
            channel=channel,
            user=person.user,
            history=Past(person.log),
            received_at=received_before(receipt, messages.values()),
            past_sends=person.sends,
            assignment=self.assignment(person, entry),
            follow_up_id=passage.id,
            unreachable={},  # providers tell that addresses are dead, and in a simulation there are none
        )

    def assignment(self, person: Person, entry: Entry) -> Assignment:
        """The assignment that is kept (T4)."""
        if not draws(entry):
            return Assignment(control=False)
        if entry.id not in person.assignments:
            received = any(name == entry.id for name, _ in person.receipts)
            person.assignments[entry.id] = drawn(newest_live(entry), person.user.id, received=received)
        return person.assignments[entry.id]

    def take_paused(self, campaign: str) -> list[tuple[str, str, str]]:
        """(user, follow-up, channel) of what fell due while the campaign was stopped, each told once."""
        return self._paused.pop(campaign, [])

    def _drop(self, person: Person, passage: Passage, channel: str, verdict: Drop) -> None:
        self._write(person, passage, channel, DeliveryState.DROPPED, verdict.reason)
        self._settle(person, passage)

    def enrol(self, person: Person, passage: Passage) -> None:
        """W3: one enrolment at the moment of the message, which counts as a receipt."""
        now = self._world.clock
        ended = replace(passage, state=State.CONTROL, reason=Reason.CONTROL_GROUP, decided_at=now)
        self._world.keep(person, ended)
        self._world.ledger.ended(person, ended)
        self._receipt(person, passage, now)
        self._take(enrolment(passage, person.user.id, now))

    def _go(self, person: Person, passage: Passage, facts: DueFacts, channel: str, content: Messages) -> None:
        now = self._world.clock
        dispatched = replace(passage, dispatched_at=passage.dispatched_at or now, state=State.SENDING)
        if not self._rendering.succeeds(content, channel, lambda: variables(passage, person.user, facts.campaign)):
            self._world.keep(person, dispatched)
            self._write(person, passage, channel, DeliveryState.DROPPED, Reason.ABORTED_BY_TEMPLATE)
            self._settle(person, dispatched)
            return
        self._world.keep(person, dispatched)
        self._write(person, passage, channel, DeliveryState.SENT)
        person.sends.append(PastSend(passage.id, channel, now))
        self._receipt(person, passage, now)
        self._settle(person, dispatched)
        received = receive_interaction(passage, channel, person.user.id, now)
        if received is not None:
            self._take(received)

    def _receipt(self, person: Person, passage: Passage, at: datetime) -> None:
        person.receipts[passage.campaign, passage.key] = at

    def _write(
        self, person: Person, passage: Passage, channel: str, state: DeliveryState, reason: Reason | None = None
    ) -> None:
        at = self._world.clock if state in OUT else None
        message = Delivery(delivery_id(passage.id, channel), channel, state, reason, at)
        person.messages.setdefault(passage.id, {})[channel] = message

    def _settle(self, person: Person, passage: Passage) -> None:
        ended = settled(passage, person.messages.get(passage.id, {}), self._world.clock)
        if ended is not None:
            self._world.keep(person, ended)
            self._world.ledger.ended(person, ended)
