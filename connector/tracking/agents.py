"""User agents of known programs, from the public list in `crawlers.txt`."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

_MAX_CHARACTERS = 512
"""The number of characters of a user agent that are matched: a longer one must not cost more."""

_PLAIN = re.compile(r"(?:[^\\.^$*+?()\[\]{}|]|\\\W)+")
"""A pattern of the list that matches one text only, as most of them do."""


def is_crawler(agent: str) -> bool:
    """Return whether a user agent names a known crawler, scanner or programming library."""
    return _is_crawler(agent[:_MAX_CHARACTERS])


@lru_cache(maxsize=4096)
def _is_crawler(agent: str) -> bool:
    texts, patterns = _load_list()
    return any(text in agent for text in texts) or patterns.search(agent) is not None


@lru_cache(maxsize=1)
def _load_list() -> tuple[tuple[str, ...], re.Pattern[str]]:
    """Return the list's plain texts, which are fast to search for, and its other patterns as one."""
    lines = files("connector.tracking").joinpath("crawlers.txt").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    texts = tuple(re.sub(r"\\(.)", r"\1", pattern) for pattern in patterns if _PLAIN.fullmatch(pattern))
    return texts, re.compile("|".join(f"(?:{pattern})" for pattern in patterns if not _PLAIN.fullmatch(pattern)))
