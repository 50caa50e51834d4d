"""What is different between two definitions, by the keys under which it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from connector.rules.model.values import canonical_json


@dataclass(frozen=True)
class Difference:
    """One key that was added, removed or edited. What an added one was before is None, as is what a removed one is."""

    path: str
    change: Literal["added", "removed", "edited"]
    before: Any = None
    after: Any = None


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[Difference]:
    """The differences of two definitions in JSON values, in the order of the newer one's keys, then of what is gone.

    Mappings are looked into where they have a key in common; a list, and a delay of another kind, differ as a whole.
    """
    for key, value in after.items():
        here = f"{path}.{key}" if path else key
        if key not in before:
            yield Difference(here, "added", after=value)
        elif _alike(before[key], value):
            yield from differences(before[key], value, here)
        # As text: in Python true equals 1, in a definition it does not.
        elif canonical_json(before[key]) != canonical_json(value):
            yield Difference(here, "edited", before[key], value)
    for key, value in before.items():
        if key not in after:
            yield Difference(f"{path}.{key}" if path else key, "removed", before=value)


def _alike(before: Any, after: Any) -> bool:
    return isinstance(before, dict) and isinstance(after, dict) and not before.keys().isdisjoint(after)
