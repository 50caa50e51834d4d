"""The agents of known programs, from a public list."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

_LONGEST = 512
"""What is looked at of an agent, in characters: whoever sends more shall not cost more."""

_PLAIN = re.compile(r"(?:[^\\.^$*+?()\[\]{}|]|\\\W)+")
"""A pattern that means one text and nothing else, as most of the list do."""


def is_crawler(agent: str) -> bool:
    """Whether a user agent is one of a crawler, scanner or programming library that gives its name."""
    return _is_crawler(agent[:_LONGEST])


@lru_cache(maxsize=4096)
def _is_crawler(agent: str) -> bool:
    names, patterns = _known()
    return any(name in agent for name in names) or patterns.search(agent) is not None


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[str, ...], re.Pattern[str]]:
    """The names, which are quick to look for, and what the list has of patterns beside them."""
    lines = files("connector.tracking").joinpath("crawlers.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    names = tuple(re.sub(r"\\(.)", r"\1", line) for line in listed if _PLAIN.fullmatch(line))
    return names, re.compile("|".join(f"(?:{line})" for line in listed if not _PLAIN.fullmatch(line)))
