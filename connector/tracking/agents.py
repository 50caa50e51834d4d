"""User agents of known programs, from the public lists in `crawlers.txt`; `make robots` regenerates it."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

_MAX_CHARACTERS = 512
"""The number of characters of a user agent that are matched: a longer one must not cost more."""

_PLAIN = re.compile(r"(?:[^\\.^$*+?()\[\]{}|]|\\\W)+")
"""A pattern of the list that matches one text only, as most of them do."""


_ANY_CASE = "(?i)"
"""The beginning of a pattern whose case does not matter: a name, perhaps at the beginning or the end."""


def is_crawler(agent: str) -> bool:
    """Return whether a user agent names a known crawler, scanner or programming library."""
    return _is_crawler(agent[:_MAX_CHARACTERS])


@lru_cache(maxsize=4096)
def _is_crawler(agent: str) -> bool:
    texts, names, patterns = _load_list()
    lowered = agent.lower()
    is_named = any(text in agent for text in texts) or any(name in lowered for name in names)
    return is_named or patterns.search(agent) is not None


@lru_cache(maxsize=1)
def _load_list() -> tuple[tuple[str, ...], tuple[str, ...], re.Pattern[str]]:
    """Return the list's plain texts, which are fast to search for, its names in any case, and its patterns as one."""
    lines = files("connector.tracking").joinpath("crawlers.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    in_any_case = [line.removeprefix(_ANY_CASE) for line in listed if line.startswith(_ANY_CASE)]
    names = tuple(_plain(name).lower() for name in in_any_case if _PLAIN.fullmatch(name))
    texts = tuple(_plain(line) for line in listed if _PLAIN.fullmatch(line))
    patterns = [f"(?i:{name})" for name in in_any_case if not _PLAIN.fullmatch(name)]
    patterns += [f"(?:{line})" for line in listed if not line.startswith(_ANY_CASE) and not _PLAIN.fullmatch(line)]
    return texts, names, re.compile("|".join(patterns))


def _plain(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)
