"""Suggest the known name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

_MIN_SIMILARITY = 0.6
"""As `difflib` measures it, which is at most twice the shorter length divided by the sum of both."""
_MIN_WORD_SIMILARITY = 0.8
"""The same for words in another order, which have more letters in common by chance."""
_MAX_CANDIDATES = 2_000
"""Comparing with more names takes too long for the many faults that one order may have."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`; None if none is similar."""
    folded = {candidate.casefold(): candidate for candidate in known if candidate != name}
    if name.casefold() in folded:
        return folded[name.casefold()]
    alike = [w for w in folded if 2 * min(len(w), len(name)) >= _MIN_SIMILARITY * (len(w) + len(name))]
    matches = get_close_matches(name.casefold(), alike[:_MAX_CANDIDATES], 1, _MIN_SIMILARITY)
    return folded[matches[0]] if matches else _nearest_words(name, folded)


def _nearest_words(name: str, folded: Mapping[str, str]) -> str | None:
    """Return the known name with the same words in another order, such as open_email for email_opened."""
    words = _sorted_words(name)
    by_words = {_sorted_words(candidate): known for candidate, known in islice(folded.items(), _MAX_CANDIDATES)}
    matches = get_close_matches(words, by_words, 1, _MIN_WORD_SIMILARITY) if " " in words else []
    return by_words[matches[0]] if matches else None


def _sorted_words(name: str) -> str:
    return " ".join(sorted(re.split("[ _.-]+", name.casefold())))


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return advice on an unknown name: the nearest known one, else `otherwise`."""
    match = nearest(name, known)
    return f"did you mean {match}?" if match else otherwise
