"""What was decided, line by line; a decision that a late arrival undoes is struck out again (T5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from pydantic_core import to_json

from connector.rules.model.follow_up import Passage
from connector.rules.model.reasons import State
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.launching import is_launched
from connector.rules.triggering.changes import Note, Refuse
from connector.simulation.outcomes import Outcome, of_note, of_passage, of_refusal
from connector.simulation.spill_store import Scratch
from connector.simulation.users import Person, Told


class Ledger:
    """Tells what came of each trigger once, as it stands in the end."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def begun(self, person: Person, passage: Passage) -> None:
        """A trigger has begun a follow-up after all: it was refused, or what it began had given way (T5)."""
        self._strike(person, _told_of(passage))

    def ended(self, person: Person, passage: Passage) -> None:
        """A follow-up has ended, or otherwise than it had; of what launches send nothing is told."""
        if is_launched(passage):
            return
        self._strike(person, _told_of(passage))
        person.told[_told_of(passage)] = self._write(of_passage(passage, person.user.id, went_out_on(person, passage)))

    def refused(self, person: Person, refused: Refuse, now: datetime) -> None:
        """A trigger started nothing."""
        person.told[refused.campaign, refused.key, refused.logged.id] = self._refusal(person, refused, now)

    def repeated(self, person: Person, refused: Refuse, now: datetime) -> None:
        """A trigger was reported once more, or too late to be looked at: that stays so, whatever comes of the first."""
        self._refusal(person, refused, now)

    def noted(self, person: Person, note: Note, now: datetime) -> None:
        """An exception came too late."""
        self._write(of_note(note, person.user.id, went_out_on(person, note.passage), now))

    def waiting(self, person: Person, passage: Passage) -> None:
        """A follow-up still waits at the end; of one of which a part went out, another part is held."""
        if is_launched(passage):
            return
        shown = replace(passage, state=State.HELD) if passage.state is State.SENDING else passage
        self._write(of_passage(shown, person.user.id, went_out_on(person, passage)))

    def lines(self) -> Iterator[str]:
        """Everything that stands, in the order decided: JSON in the form of the contract."""
        return self._scratch.lines()

    def _refusal(self, person: Person, refused: Refuse, now: datetime) -> int:
        return self._write(of_refusal(refused, person.user.id, now))

    def _write(self, outcome: Outcome) -> int:
        return self._scratch.write_line(to_json(outcome.as_json()).decode())

    def _strike(self, person: Person, told: Told) -> None:
        place = person.told.pop(told, None)
        if place is not None:
            self._scratch.remove_line(place)


def _told_of(passage: Passage) -> Told:
    return passage.campaign, passage.key, passage.trigger.id


def went_out_on(person: Person, passage: Passage) -> tuple[str, ...]:
    """The channels on which a follow-up went out."""
    messages = person.messages.get(passage.id, {})
    return tuple(m.channel for m in messages.values() if m.state is DeliveryState.SENT)
