"""Find the links in a text message: their offsets, and the hosts that an author wrote.

A link ends as in UTS 58 (Unicode Link Detection), with one difference: quotes and full-width punctuation end it even
if no space follows, since texts in Chinese or Japanese have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from functools import lru_cache
from typing import Literal
from unicodedata import category

_Role = Literal["inside", "soft", "open", "close", "end"]
_SCHEME = re.compile(r"(?<![A-Za-z0-9_])https?://", re.IGNORECASE)
_HOST = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_OPEN_BY_CLOSE = {")": "(", "]": "[", "}": "{"}
_SOFT = frozenset(".,;:!?'" + "\u2019\u00b7\u30fb")
"""A link has these inside, but does not end with them; the last three are in the titles of Wikipedia."""
_ENDS = frozenset('"<>`')
_JOINERS = frozenset("\u200c\u200d")
"""Invisible characters that words of Persian and of Indian languages have inside."""


def find_links(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets at which each URL with http or https begins and ends, in time linear in the text's length."""
    at = 0
    while match := _SCHEME.search(text, at):
        at = _end_of_link(text, match.end())
        if at > match.end():
            yield match.start(), at


def replace_links(text: str, replace: Callable[[str], str]) -> str:
    """Return the text with `replace` applied to each of its URLs."""
    parts, at = [], 0
    for start, end in find_links(text):
        parts += [text[at:start], replace(text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def hosts_in(text: str) -> frozenset[str]:
    """Return the hosts of a text's URLs, with ports, in lower case; of a template, only hosts without any markup."""
    hosts = (_written_host(text, match.end()) for match in _SCHEME.finditer(text))
    return frozenset(host.lower() for host in hosts if host)


def leads_to(url: str, hosts: Set[str]) -> bool:
    """Return whether the URL certainly leads to one of these hosts (as `hosts_in` returns them)."""
    host = _HOST.match(url)
    return host is not None and host[1].lower() in hosts


def _written_host(text: str, at: int) -> str:
    """Return the host that begins at an offset; empty if a template's markup may continue the host."""
    end = at
    while end < len(text) and text[end] not in "/?#" and _role(text[end]) in ("inside", "soft"):
        end += 1
    if text[end : end + 1] == "{":
        return ""
    while end > at and _role(text[end - 1]) == "soft":
        end -= 1
    return text[at:end]


def _end_of_link(text: str, at: int) -> int:
    end, opened = at, list[str]()
    for place in range(at, len(text)):
        role = _role(text[place])
        if role == "end" or (role == "close" and opened[-1:] != [_OPEN_BY_CLOSE[text[place]]]):
            break
        if role == "open":
            opened.append(text[place])
        elif role == "close":
            opened.pop()
        if role in ("inside", "close"):
            end = place + 1
    return end


@lru_cache(maxsize=4096)
def _role(character: str) -> _Role:
    """Return the role of a character within a link or after one."""
    if character in _SOFT:
        return "soft"
    if character in _OPEN_BY_CLOSE:
        return "close"
    if character in _OPEN_BY_CLOSE.values():
        return "open"
    if character.isascii():
        return "end" if character in _ENDS or character <= " " or character == "\x7f" else "inside"
    return _role_beyond_ascii(character)


def _role_beyond_ascii(character: str) -> _Role:
    kind = category(character)
    if kind == "Pd":  # dashes
        return "soft"
    if character in _JOINERS:
        return "inside"
    return "end" if kind[0] in "ZCP" or character.isspace() else "inside"
