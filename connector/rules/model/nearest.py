"""Suggest the known name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MIN_SIMILARITY = 0.6
"""As `difflib` measures it, which is at most twice the shorter length divided by the sum of both."""
_MAX_CANDIDATES = 2_000
"""Comparing with more names takes too long for the many faults that one order may have."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`; None if none is similar."""
    folded = {candidate.casefold(): candidate for candidate in known if candidate != name}
    if name.casefold() in folded:
        return folded[name.casefold()]
    alike = [w for w in folded if 2 * min(len(w), len(name)) >= _MIN_SIMILARITY * (len(w) + len(name))]
    matches = get_close_matches(name.casefold(), alike[:_MAX_CANDIDATES], 1, _MIN_SIMILARITY)
    return folded[matches[0]] if matches else None


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return advice on an unknown name: the nearest known one, else `otherwise`."""
    match = nearest(name, known)
    return f"did you mean {match}?" if match else otherwise
