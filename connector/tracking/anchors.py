"""Positions of the links in an HTML mail's source, so that links can be replaced and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from itertools import accumulate

from connector.templating.html_source import LinearHtmlParser

_NAME = re.compile(r"<[^\s/>]*")
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?P<name>[^\s/>][^\s/=>]*)"""
    r"""(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>(?!["'])[^>\s]*)))?"""
)


@dataclass(frozen=True)
class Anchor:
    """One `<a>` or `<area>` with a URL.

    `start` and `end` are the offsets of the href's value in the source, without its quotes; `href` is that value with
    its character references resolved, stripped. Of a repeated attribute the first value counts.
    """

    start: int
    end: int
    href: str
    alias: str | None
    track: str | None


def find_anchors(html: str) -> tuple[list[Anchor], int]:
    """Return the links in order, and the offset at which a pixel belongs: the last `</body>`, else the end.

    Takes time linear in the source's length, however broken the source is.
    """
    reader = _Reader(html)
    reader.feed(html)
    reader.close()
    return reader.anchors, len(html) if reader.body_end is None else reader.body_end


class _Reader(LinearHtmlParser):
    """Reads a whole source at once. A construct that is not closed extends to the source's end, as in browsers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._html = html
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]
        self.anchors: list[Anchor] = []
        self.body_end: int | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a link."""
        if tag not in ("a", "area"):
            return
        attributes = {name: value for name, value in reversed(attrs)}
        href, span = attributes.get("href"), self._span_of_href()
        # If the two readings of a broken tag differ, the tag stays unchanged.
        if href is not None and span is not None and unescape(self._html[span[0] : span[1]]) == href:
            track = (attributes.get("data-track") or "").strip().lower() or None
            self.anchors.append(Anchor(*span, href.strip(" \t\r\n\f"), attributes.get("data-alias"), track))

    def handle_endtag(self, tag: str) -> None:
        """Record where the body ends."""
        if tag == "body" and self._html.startswith("</", self._offset):
            self.body_end = self._offset

    @property
    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def _span_of_href(self) -> tuple[int, int] | None:
        tag, base = self.get_starttag_text() or "", self._offset
        name = _NAME.match(tag)
        if name is None or not self._html.startswith(tag, base):
            return None
        at = name.end()
        while match := _ATTRIBUTE.match(tag, at):
            if match["name"].lower() == "href":
                group = next((group for group in ("double", "single", "bare") if match[group] is not None), None)
                return None if group is None else (base + match.start(group), base + match.end(group))
            at = match.end()
        return None
