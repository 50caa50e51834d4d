"""Read the tags and texts of HTML as browsers do (HTML Standard, 13.2.5), in time linear in the source's length.

The standard library's parser decodes `&currency=` as "¤cy=", differs between releases of Python, and gives no positions
of attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.entities import html5

_MARKUP = re.compile(r"<(?:(?P<slash>/?)(?P<name>[A-Za-z][^\t\n\f\r />]*)|(?P<comment>!--)|[!?]|/(?=[^A-Za-z]))")
_ATTRIBUTE = re.compile(
    r"[\t\n\f\r /]*(?:(?P<name>=?[^\t\n\f\r />=]+|=)"
    r"(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"(?P<double>[^\"]*)(?P<closed>\"?)|'(?P<single>[^']*)(?P<shut>'?)"
    r"|(?P<bare>[^\t\n\f\r >\"'][^\t\n\f\r >]*))?)?|(?P<end>>))"
)
_RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
"""Elements whose content has no tags."""
_INVISIBLE = frozenset({"script", "style"})
_REFERENCE = re.compile(r"&(?:#[xX](?P<hex>[0-9A-Fa-f]+);?|#(?P<decimal>[0-9]+);?|(?P<name>[A-Za-z][A-Za-z0-9]*;?))")
_LONGEST_NAME = max(map(len, html5))
_MAX_DIGITS = 7
"""A number with more digits is beyond Unicode. `int` fails on thousands of digits."""
_WINDOWS_1252 = {
    code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


@dataclass(frozen=True)
class Attribute:
    """An attribute: its decoded value, and the offsets of the written value without quotes; None if none is written."""

    value: str
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Tag:
    """A tag with the offsets at which it begins and ends. Names are in lower case."""

    name: str
    start: int
    end: int
    is_end: bool
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Return the decoded value of an attribute; None if the tag does not have it."""
        attribute = self.attributes.get(name)
        return None if attribute is None else attribute.value


@dataclass(frozen=True)
class Content:
    """A text between two tags, undecoded, and the raw element that it is in, such as `style`, if any."""

    text: str
    raw: str | None = None


def read_tags(source: str) -> Iterator[Tag]:
    """Yield the tags of a source, without those in comments, scripts and the like."""
    return (piece for piece in read_html(source) if isinstance(piece, Tag))


def read_html(source: str) -> Iterator[Tag | Content]:
    """Yield the tags and texts of a source. A construct that is not closed extends to the source's end."""
    at = text_at = 0
    while match := _MARKUP.search(source, at):
        if match.start() > text_at:
            yield Content(source[text_at : match.start()])
        if match["name"] is None:
            at = text_at = _end_of_comment(source, match)
            continue
        tag = _read_tag(source, match)
        if tag is None:
            return
        yield tag
        at = text_at = tag.end
        if tag.name in _RAW and not tag.is_end:
            at = text_at = _end_of_raw(source, tag)
            yield Content(source[tag.end : at], raw=tag.name)
    if text_at < len(source):
        yield Content(source[text_at:])


def strip_tags(html: str) -> str:
    """Return the text of an HTML source, without its tags, comments, scripts and styles."""
    pieces = (piece for piece in read_html(html) if isinstance(piece, Content))
    return "".join(piece.text for piece in pieces if piece.raw not in _INVISIBLE)


def decode_references(text: str, *, in_attribute: bool = False) -> str:
    """Return a text with its character references decoded (HTML Standard, 13.2.5.72 to 80).

    Args:
        in_attribute: a name without its semicolon before "=", a letter or a digit is no reference, as in `?a=1&copy=2`.
    """

    def decode(match: re.Match[str]) -> str:
        if match["name"] is None:
            digits, base = (match["hex"], 16) if match["hex"] else (match["decimal"], 10)
            return _character(digits.lstrip("0") or "0", base)
        return _decode_name(match, in_attribute)

    return _REFERENCE.sub(decode, text) if "&" in text else text


def _decode_name(match: re.Match[str], in_attribute: bool) -> str:
    written = match["name"]
    lengths = range(min(len(written), _LONGEST_NAME), 1, -1)
    name = next((written[:length] for length in lengths if written[:length] in html5), None)
    if name is None:
        return match[0]
    following = (written[len(name) :] or match.string[match.end() : match.end() + 1])[:1]
    if in_attribute and name[-1] != ";" and (following == "=" or (following.isascii() and following.isalnum())):
        return match[0]
    return html5[name] + written[len(name) :]


def _character(digits: str, base: int) -> str:
    code = int(digits, base) if len(digits) <= _MAX_DIGITS else 0
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return _WINDOWS_1252.get(code) or chr(code)


def _read_tag(source: str, match: re.Match[str]) -> Tag | None:
    """Return the tag that begins at a match; None if it has no end."""
    attributes: dict[str, Attribute] = {}
    at = match.end()
    while found := _ATTRIBUTE.match(source, at):
        at = found.end()
        if found["end"]:
            return Tag(_lower(match["name"]), match.start(), at, bool(match["slash"]), attributes)
        if found["closed"] == "" or found["shut"] == "":
            return None
        group = next((name for name in ("double", "single", "bare") if found[name] is not None), None)
        value = decode_references(found[group], in_attribute=True) if group else ""
        attributes.setdefault(_lower(found["name"]), Attribute(value, found.span(group) if group else None))
    return None


def _lower(name: str) -> str:
    """Return a name in lower case: only letters of ASCII have one in HTML."""
    return name.lower() if name.isascii() else re.sub("[A-Z]+", lambda match: match[0].lower(), name)


def _end_of_comment(source: str, match: re.Match[str]) -> int:
    if match["comment"] is None:
        end = source.find(">", match.start() + 2)
        return len(source) if end < 0 else end + 1
    if source.startswith((">", "->"), match.end()):
        return source.index(">", match.end()) + 1
    found = re.compile("--!?>").search(source, match.end())
    return len(source) if found is None else found.end()


def _end_of_raw(source: str, tag: Tag) -> int:
    found = re.compile(rf"</{tag.name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII).search(source, tag.end)
    return len(source) if found is None else found.start()
