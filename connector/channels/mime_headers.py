"""Write header lines of an email (RFC 5322), in time linear in their length.

The standard library folds headers in quadratic time (cpython#92081) and breaks some of them (cpython#80222, #144156).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator

from connector.channels.protocol import Rejected

MAX_HEADER_OCTETS = 998
"""The limit of one header's text in UTF-8: the longest line that RFC 5322, section 2.1.1, allows."""
_MAX_LINE_OCTETS = 76
"""RFC 2047, section 2, for lines with encoded words; RFC 5322 recommends 78 for others."""
_MAX_WORD_OCTETS = 66
"""RFC 2047, section 2, allows 75; this leaves room for "Reply-To: " before the first word."""
_MAX_ENCODED_OCTETS = _MAX_WORD_OCTETS - len("=?utf-8?q??=")
_BREAKS = re.compile(r"(?<=\S) (?=\S)")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOMS = re.compile(rf"{_ATOM}( {_ATOM})*")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""The octets that the encoding "q" leaves as they are, wherever the word stands (RFC 2047, section 5)."""
# Encoded words ("=?utf-8?q?=0A?=") may hide a line break, which some programs decode and then write out bare.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]|=\?.*\?=")


def check_line(text: str, header: str) -> str:
    """Return the text trimmed; raises Rejected if it does not fit into one header."""
    trimmed = text.strip()
    if len(trimmed) > MAX_HEADER_OCTETS or _FORBIDDEN.search(trimmed):
        raise Rejected("email_invalid", f"{header} is too long, or holds a control character or an encoded word")
    return trimmed


def header_line(name: str, text: str, *, international: bool, keep_ascii: bool = False) -> bytes:
    """Return the lines of a header with free text, such as Subject.

    Args:
        text: on one line, without control characters.
        international: the message may have UTF-8 in its headers (RFC 6532).
        keep_ascii: text in ASCII is never encoded, however long its words are: programs read it, not people.

    Raises:
        UnicodeError: the text has a lone surrogate.
    """
    limit = MAX_HEADER_OCTETS if keep_ascii and text.isascii() else _MAX_WORD_OCTETS
    return _fold(name, _plain_words(text, international, limit) or _encode(text, _within_a_word))


def mailbox_line(name: str, display_name: str, address: str, *, international: bool) -> bytes:
    """Return the lines of a header with one address, such as From. The other arguments are those of `header_line`."""
    if not display_name:
        return _fold(name, [address])
    escaped = re.sub(r'(["\\])', r"\\\1", display_name)
    phrase = display_name if _ATOMS.fullmatch(display_name) else f'"{escaped}"'
    return _fold(name, [*(_plain_words(phrase, international) or _encode(display_name, _after_a_word)), f"<{address}>"])


def _plain_words(text: str, international: bool, limit: int = _MAX_WORD_OCTETS) -> list[str] | None:
    """Return the text in parts between which a line may end; None if it has to be encoded."""
    words = _BREAKS.split(text)
    fits = all(len(word.encode()) <= limit for word in words)
    return words if fits and (text.isascii() or international) and "=?" not in text else None


def _encode(text: str, cut: Callable[[str, int, int], int]) -> list[str]:
    """Return the text as encoded words (RFC 2047), each of whole characters, in the shorter of the two encodings."""
    octets = text.encode()
    quoted_size = sum(1 if octet in _PLAIN or octet == 32 else 3 for octet in octets)
    if quoted_size <= len(octets) * 4 / 3:
        parts = _parts(text, _MAX_ENCODED_OCTETS, lambda character: len(_quote(character)), cut)
        return [f"=?utf-8?q?{_quote(part)}?=" for part in parts]
    parts = _parts(text, _MAX_ENCODED_OCTETS // 4 * 3, lambda character: len(character.encode()), cut)
    return [f"=?utf-8?b?{b64encode(part.encode()).decode()}?=" for part in parts]


def _within_a_word(text: str, start: int, end: int) -> int:
    """Return where to end a part so that it neither ends with a space nor the next one begins with one.

    Some programs drop white space at the ends of an encoded word.
    """
    place = end
    while place > start + 1 and " " in text[place - 1 : place + 1]:
        place -= 1
    return place if place > start + 1 else end


def _after_a_word(text: str, start: int, end: int) -> int:
    """Return where to end a part so that the next one begins with a word.

    Some programs, such as the standard library, show a space between the encoded words of a name.
    """
    return text.rfind(" ", start, end) + 1 or end


def _quote(text: str) -> str:
    quoted = (chr(octet) if octet in _PLAIN else f"={octet:02X}" for octet in text.encode())
    return "".join(quoted).replace("=20", "_")


def _parts(text: str, limit: int, size: Callable[[str], int], cut: Callable[[str, int, int], int]) -> Iterator[str]:
    """Yield the text in parts whose characters' sizes add up to `limit` at most."""
    start = 0
    while start < len(text):
        end, total = start, 0
        while end < len(text) and (total := total + size(text[end])) <= limit:
            end += 1
        end = cut(text, start, end) if end < len(text) else end
        yield text[start:end]
        start = end


def _fold(name: str, words: list[str]) -> bytes:
    """Return a header with its words on lines that are as long as allowed. A longer word has a line of its own."""
    lines, line = list[str](), f"{name}:"
    for word in words:
        is_first = not lines and line == f"{name}:"
        if len(line.encode()) + 1 + len(word.encode()) > _MAX_LINE_OCTETS and not (is_first and _is_longer(word)):
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line, ""]).encode()


def _is_longer(word: str) -> bool:
    return len(word.encode()) >= _MAX_LINE_OCTETS
