"""What is wrong with a definition, and the places of the form at which it is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nicegui import ui

_MAX_SHOWN = 20
"""How many problems one place shows."""


@dataclass(frozen=True)
class Problem:
    """A fault, refusal or warning at a dotted key of the definition that the form shows."""

    key: str
    text: str
    is_warning: bool = False


@dataclass(frozen=True, eq=False)
class Place:
    """A label of the form that shows the problems of the value with a dotted key.

    Args:
        is_cause: it is at another value, which makes this one wrong.
    """

    key: str
    label: ui.label
    is_cause: bool = False

    def show(self, problems: Sequence[Problem]) -> None:
        """Show these problems in place of what the label shows."""
        texts = [problem.text for problem in problems[:_MAX_SHOWN]]
        more = [f"and {len(problems) - _MAX_SHOWN:,} more"] if len(problems) > _MAX_SHOWN else []
        self.label.set_text("\n".join([*texts, *more]))
        self.label.set_visibility(bool(problems))
        is_warning = bool(problems) and all(problem.is_warning for problem in problems)
        self.label.classes(**{"add" if is_warning else "remove": "is-warning"})


def show_at(places: Sequence[Place], problems: Sequence[Problem]) -> dict[Place, list[Problem]]:
    """Show each problem at the places of its key, or of the nearest key around it; return what each place shows."""
    shown: dict[Place, list[Problem]] = {place: [] for place in places}
    by_key: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(places, key=lambda place: place.is_cause):
        by_key[place.key].append(place)
    for problem in problems:
        nearest = next((key for key in keys_around(problem.key) if key in by_key), "")
        for number, place in enumerate(by_key[nearest] if nearest else ()):
            if number == 0 or place.is_cause:
                shown[place].append(problem)
    for place, here in shown.items():
        place.show(here)
    return shown


def keys_around(key: str) -> Iterator[str]:
    """Yield a dotted key and the keys around it, the nearest first: a.b[0], a.b, a."""
    while key:
        yield key
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
