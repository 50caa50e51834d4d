"""What is wrong with a definition, and the places of the form at which it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from starter.console.compose.composition import covers


@dataclass(frozen=True)
class Problem:
    """A fault, refusal or warning at a dotted key of the definition that the form shows."""

    key: str
    text: str
    is_warning: bool = False


@dataclass(frozen=True, eq=False)
class Place:
    """A label of the form that shows the problems of the value with a dotted key."""

    key: str
    label: ui.label

    def show(self, problems: Sequence[Problem]) -> None:
        """Show these problems in place of what the label shows."""
        self.label.set_text("\n".join(problem.text for problem in problems))
        self.label.set_visibility(bool(problems))
        is_warning = bool(problems) and all(problem.is_warning for problem in problems)
        self.label.classes(**{"add" if is_warning else "remove": "is-warning"})


def show_at(places: Sequence[Place], problems: Sequence[Problem]) -> dict[Place, list[Problem]]:
    """Show each problem at the places of its key, or of the nearest key around it; return what each place shows."""
    shown: dict[Place, list[Problem]] = {place: [] for place in places}
    for problem in problems:
        around = [place.key for place in places if place.key and covers(place.key, problem.key)]
        nearest = max(around, key=len, default=None)
        for place in places:
            if place.key == nearest:
                shown[place].append(problem)
    for place, here in shown.items():
        place.show(here)
    return shown
