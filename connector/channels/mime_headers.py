"""Write header lines of an email (RFC 5322), in time linear in their length.

The standard library folds headers in quadratic time (cpython#92081) and breaks some of them (cpython#80222, #144156).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator

MAX_HEADER_OCTETS = 998
"""The limit of one header's text in UTF-8: the longest line that RFC 5322, section 2.1.1, allows."""
_MAX_LINE_OCTETS = 78
_MAX_WORD_OCTETS = 66
"""RFC 2047, section 2, allows 75 in a line of 76; this leaves room for the header's name before the first word."""
_MAX_ENCODED_OCTETS = _MAX_WORD_OCTETS - len("=?utf-8?q??=")
_BREAKS = re.compile(r"(?<=\S) (?=\S)")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOMS = re.compile(rf"{_ATOM}( {_ATOM})*")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""The octets that the encoding "q" leaves as they are, wherever the word stands (RFC 2047, section 5)."""


def header_line(name: str, text: str, *, international: bool) -> bytes:
    """Return the lines of a header with free text, such as Subject.

    Args:
        text: on one line, without control characters.
        international: the message may have UTF-8 in its headers (RFC 6532).

    Raises:
        UnicodeError: the text has a lone surrogate.
    """
    return _fold(name, _plain_words(text, international) or _encode(text))


def mailbox_line(name: str, display_name: str, address: str, *, international: bool) -> bytes:
    """Return the lines of a header with one address, such as From. The other arguments are those of `header_line`."""
    if not display_name:
        return _fold(name, [address])
    escaped = re.sub(r'(["\\])', r"\\\1", display_name)
    phrase = display_name if _ATOMS.fullmatch(display_name) else f'"{escaped}"'
    return _fold(name, [*(_plain_words(phrase, international) or _encode(display_name)), f"<{address}>"])


def _plain_words(text: str, international: bool) -> list[str] | None:
    """Return the text in parts between which a line may end; None if it has to be encoded."""
    words = _BREAKS.split(text)
    fits = all(len(word.encode()) <= _MAX_WORD_OCTETS for word in words)
    return words if fits and (text.isascii() or international) and "=?" not in text else None


def _encode(text: str) -> list[str]:
    """Return the text as encoded words (RFC 2047), each of whole characters, in the shorter of the two encodings."""
    octets = text.encode()
    quoted_size = sum(1 if octet in _PLAIN or octet == 32 else 3 for octet in octets)
    if quoted_size <= len(octets) * 4 / 3:
        return [f"=?utf-8?q?{_quote(part)}?=" for part in _parts(text, _MAX_ENCODED_OCTETS, lambda c: len(_quote(c)))]
    parts = _parts(text, _MAX_ENCODED_OCTETS // 4 * 3, lambda character: len(character.encode()))
    return [f"=?utf-8?b?{b64encode(part.encode()).decode()}?=" for part in parts]


def _quote(text: str) -> str:
    quoted = (chr(octet) if octet in _PLAIN else f"={octet:02X}" for octet in text.encode())
    return "".join(quoted).replace("=20", "_")


def _parts(text: str, limit: int, size: Callable[[str], int]) -> Iterator[str]:
    """Yield the text in parts whose characters' sizes add up to `limit` at most."""
    start, total = 0, 0
    for place, character in enumerate(text):
        total += size(character)
        if total > limit:
            yield text[start:place]
            start, total = place, size(character)
    yield text[start:]


def _fold(name: str, words: list[str]) -> bytes:
    """Return a header with its words on lines that are as long as allowed."""
    lines, line = list[str](), f"{name}: {words[0]}"
    for word in words[1:]:
        if len(line.encode()) + 1 + len(word.encode()) > _MAX_LINE_OCTETS:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line, ""]).encode()
