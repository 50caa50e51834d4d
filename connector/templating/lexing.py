"""Split a Liquid template into its pieces, in time linear in its length.

The library's own rules are one regular expression, which takes cubic time for a text like `{{{{{{`: 16 KB of it blocked
a process for 15 seconds. The pieces here are the same; what the library makes of them stays the library's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from liquid import Token
from liquid.exceptions import LiquidSyntaxError
from liquid.lex import _tokenize_template
from liquid.token import TOKEN_CONTENT, TOKEN_EOF, TOKEN_OUTPUT

MAX_MARKUP_CHARACTERS = 10_000
"""The limit of one piece of markup: some constructs within it take quadratic time to parse."""
_OPENING = re.compile(r"\{[{%]")
_TAG_NAME = re.compile(r"\{%-?\s*(#|\w+)")
_VERBATIM = {
    name: re.compile(rf"\{{%-?\s{{0,100}}end{name}\s{{0,100}}(?P<dash>-?)%\}}") for name in ("raw", "doc")
}  # with bounded spaces, because unbounded ones take quadratic time
_LAST_GROUPS = {"raw": "RAW", "doc": "DOC"}


@dataclass(frozen=True)
class Piece:
    """A piece of a template, with the interface of `re.Match` that the library's tokenizer uses.

    `lastgroup` is the kind of the piece; `groups` has the text and the offset of each group by its name.
    """

    source: str
    at: int
    until: int
    lastgroup: str
    groups: dict[str, tuple[str, int]] = field(default_factory=dict)

    def group(self, name: str | None = None) -> str:
        """Return the text of a group; without a name that of the piece."""
        return self.source[self.at : self.until] if name is None else self.groups[name][0]

    def start(self, name: str | None = None) -> int:
        """Return the offset of a group; without a name that of the piece."""
        return self.at if name is None else self.groups[name][1]

    def end(self) -> int:
        """Return the offset after the piece."""
        return self.until


class _LinearRules:
    """Finds the pieces of a template, in place of the library's compiled regular expression."""

    def finditer(self, source: str) -> Iterator[Piece]:
        """Yield the pieces in order. Raises LiquidSyntaxError for markup that is too long."""
        at, unclosed = 0, set[str]()
        while at < len(source):
            piece = _next_piece(source, at, unclosed)
            if piece.lastgroup != TOKEN_CONTENT and piece.lastgroup not in _LAST_GROUPS.values():
                _check_length(piece)
            yield piece
            at = piece.until


tokenize = cast(
    Callable[[str], Iterator[Token]], partial(_tokenize_template, rules=cast(re.Pattern[str], _LinearRules()))
)
"""Yields the tokens of a template, as the library's tokenizer does."""


def find_pieces(source: str) -> list[Piece]:
    """Return the pieces of a template, up to the first markup that is too long."""
    pieces: list[Piece] = []
    with suppress(LiquidSyntaxError):
        pieces.extend(_LinearRules().finditer(source))
    return pieces


def _next_piece(source: str, at: int, unclosed: set[str]) -> Piece:
    """Return the piece at an offset.

    Args:
        unclosed: the ends that are known to be missing from here on; changed.
    """
    opening = _OPENING.search(source, at)
    if opening is None or opening.start() > at:
        return _content(source, at, len(source) if opening is None else opening.start())
    closing = "}}" if opening[0] == "{{" else "%}"
    end = -1 if closing in unclosed else source.find(closing, at + 2)
    name = _TAG_NAME.match(source, at)
    if end < 0 or (closing == "%}" and (name is None or name.end() > end)):
        if end < 0:
            unclosed.add(closing)
        following = _OPENING.search(source, at + 1)
        return _content(source, at, len(source) if following is None else following.start())
    return _tag(source, end, name, unclosed) if name else _output(source, at, end)


def _content(source: str, at: int, until: int) -> Piece:
    """Return a piece of text; `rstrip` has the dash of the markup after it, which strips its end."""
    dash = "-" if source.startswith("-", until + 2) else ""
    return Piece(source, at, until, TOKEN_CONTENT, {"rstrip": (dash, until)})


def _output(source: str, at: int, end: int) -> Piece:
    inner, start, dash = _stripped(source, at + 2 + (at + 2 < end and source[at + 2] == "-"), end)
    return Piece(source, at, end + 2, TOKEN_OUTPUT, {"stmt": (inner, start), "rss": (dash, end)})


def _tag(source: str, end: int, name: re.Match[str], unclosed: set[str]) -> Piece:
    at, (expression, start, dash) = name.start(), _stripped(source, name.end(), end)
    if name[1] in _VERBATIM and not expression and name[1] not in unclosed:
        if verbatim := _verbatim(source, at, end + 2, name[1], dash):
            return verbatim
        unclosed.add(name[1])
    groups = {"name": (name[1], name.start(1)), "expr": (expression, start), "rst": (dash, end)}
    return Piece(source, at, end + 2, "TAG", groups)


def _verbatim(source: str, at: int, text_at: int, name: str, dash: str) -> Piece | None:
    """Return a block whose text is not parsed, such as `raw`; None if it has no end."""
    end = _VERBATIM[name].search(source, text_at)
    if end is None:
        return None
    dashes = {"rsr": (dash, text_at), "rsr_e": (end["dash"], end.start()), "lsd": (dash, text_at)}
    groups = {name: (source[text_at : end.start()], text_at), "rsd": (end["dash"], end.start()), **dashes}
    return Piece(source, at, end.end(), _LAST_GROUPS[name], groups)


def _stripped(source: str, at: int, end: int) -> tuple[str, int, str]:
    """Return the inside of markup without its spaces and its closing dash, its offset, and that dash."""
    inner, dash = source[at:end], ""
    if inner.endswith("-"):
        inner, dash = inner[:-1], "-"
    stripped = inner.lstrip()
    return stripped.rstrip(), at + len(inner) - len(stripped), dash


def _check_length(piece: Piece) -> None:
    if piece.until - piece.at > MAX_MARKUP_CHARACTERS:
        token = Token(TOKEN_EOF, "", piece.at, piece.source)
        raise LiquidSyntaxError(f"markup of more than {MAX_MARKUP_CHARACTERS} characters", token=token)
