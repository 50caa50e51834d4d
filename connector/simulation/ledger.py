"""What was decided, line by line; a decision that a late arrival undoes is struck out again (T5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from pydantic_core import to_json

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import State
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.launching import is_launched
from connector.rules.triggering.changes import LateException, Refusal
from connector.simulation.outcomes import Outcome, of_follow_up, of_note, of_refusal
from connector.simulation.spill_store import SpillStore
from connector.simulation.users import SimulatedUser, Told


class Ledger:
    """Tells what came of each trigger once, as it stands in the end."""

    def __init__(self, scratch: SpillStore) -> None:
        self._scratch = scratch

    def begun(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        """A trigger has begun a follow-up after all: it was refused, or what it began had given way (T5)."""
        self._strike(person, _told_of(follow_up))

    def ended(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        """A follow-up has ended, or otherwise than it had; of what launches send nothing is told."""
        if is_launched(follow_up):
            return
        self._strike(person, _told_of(follow_up))
        person.told[_told_of(follow_up)] = self._write(
            of_follow_up(follow_up, person.user.id, went_out_on(person, follow_up))
        )

    def refused(self, person: SimulatedUser, refused: Refusal, now: datetime) -> None:
        """A trigger started nothing."""
        person.told[refused.campaign, refused.key, refused.logged.id] = self._refusal(person, refused, now)

    def repeated(self, person: SimulatedUser, refused: Refusal, now: datetime) -> None:
        """A trigger was reported once more, or too late to be looked at: that stays so, whatever comes of the first."""
        self._refusal(person, refused, now)

    def noted(self, person: SimulatedUser, note: LateException, now: datetime) -> None:
        """An exception came too late."""
        self._write(of_note(note, person.user.id, went_out_on(person, note.follow_up), now))

    def waiting(self, person: SimulatedUser, follow_up: FollowUp) -> None:
        """A follow-up still waits at the end; of one of which a part went out, another part is held."""
        if is_launched(follow_up):
            return
        shown = replace(follow_up, state=State.HELD) if follow_up.state is State.SENDING else follow_up
        self._write(of_follow_up(shown, person.user.id, went_out_on(person, follow_up)))

    def lines(self) -> Iterator[str]:
        """Everything that stands, in the order decided: JSON in the form of the contract."""
        return self._scratch.lines()

    def _refusal(self, person: SimulatedUser, refused: Refusal, now: datetime) -> int:
        return self._write(of_refusal(refused, person.user.id, now))

    def _write(self, outcome: Outcome) -> int:
        return self._scratch.write_line(to_json(outcome.as_json()).decode())

    def _strike(self, person: SimulatedUser, told: Told) -> None:
        place = person.told.pop(told, None)
        if place is not None:
            self._scratch.remove_line(place)


def _told_of(follow_up: FollowUp) -> Told:
    return follow_up.campaign, follow_up.key, follow_up.trigger.id


def went_out_on(person: SimulatedUser, follow_up: FollowUp) -> tuple[str, ...]:
    """The channels on which a follow-up went out."""
    messages = person.messages.get(follow_up.id, {})
    return tuple(m.channel for m in messages.values() if m.state is DeliveryState.SENT)
