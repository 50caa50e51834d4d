"""Describe the errors of templates: what is wrong, and in which line."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.token import TOKEN_OUTPUT

from connector.templating.lexing import Piece, find_pieces
from connector.templating.liquid_bounds import PLAIN

_KEYWORD = re.compile(
    "expected an identifier, found (limit|offset|reversed|cols|in|empty|blank|contains|and|or|not|true|false|nil|null"
    "|if|else|with|as|continue)"
)
_WORDS = {
    "'<' and '>' are not": "a text and a number have no order; `| plus: 0` makes a number of a text",
    "expected an integer, found": "limit, offset and cols must be whole numbers",
    "loop iteration limit": "loop iteration limit reached: a template loops at most 10,000 times",
    "output stream limit": "output stream limit reached: a text has at most 1,000,000 bytes",
    "local namespace limit": "assign and capture hold more than 1,000,000 bytes",
}
"""Problems by the beginnings of the library's sentences, which name types of Python or say nothing of the limit."""


def line_at(text: str, index: int) -> int:
    """Return the line of an offset in a text, from 1."""
    return text.count("\n", 0, index) + 1


def line_of(error: Exception, text: str) -> int:
    """Return the line at which a template causes an error, from 1; 0 if it is not known."""
    token = error.token if isinstance(error, LiquidError) else None
    if token is not None and token.start_index >= 0:
        return line_at(text, token.start_index)
    return _search_line(error, text) if isinstance(error, LiquidSyntaxError) else 0


def _search_line(error: LiquidSyntaxError, text: str) -> int:
    """Return the line of an error that Liquid does not locate: an expression or a block that ends too early; else 0.

    For an expression it is the first piece of markup with which the text gives this error, found by bisection; for a
    block without an end, that block's first tag.
    """
    pieces = [piece for piece in find_pieces(text) if piece.lastgroup in ("TAG", TOKEN_OUTPUT)]
    if describe_error(error).startswith("expected tag end"):
        return _line_of_open_block(pieces)
    number = bisect_left(pieces, True, key=lambda piece: _error_of(text[: piece.end()]) == describe_error(error))
    return line_at(text, pieces[number].start()) if number < len(pieces) else 0


def _line_of_open_block(pieces: Sequence[Piece]) -> int:
    """Return the line of the outermost block that has no end; 0 if every block has one."""
    open_blocks: list[Piece] = []
    for piece in pieces:
        name = piece.group("name") if piece.lastgroup == "TAG" else ""
        if name in PLAIN.tags and PLAIN.tags[name].block:
            open_blocks.append(piece)
        elif name.startswith("end") and open_blocks:
            open_blocks.pop()
    return line_at(open_blocks[0].source, open_blocks[0].start()) if open_blocks else 0


def _error_of(text: str) -> str | None:
    try:
        PLAIN.from_string(text)
    except LiquidError as error:
        return describe_error(error)
    return None


def describe_error(error: Exception) -> str:
    """Return the problem of an error without values of the user; for an error that is not Liquid's, only its type."""
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if not isinstance(error, LiquidError) or not error.args:
        return type(error).__name__
    problem = str(error.args[0])
    if keyword := _KEYWORD.fullmatch(problem):
        return f"{keyword[1]} is a word of Liquid; write ['{keyword[1]}'], like user['{keyword[1]}']"
    return next((words for start, words in _WORDS.items() if problem.startswith(start)), problem)
