"""Positions of the links in an HTML mail's source, so that links can be replaced and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from connector.rules.model.html_source import Tag, read_tags

_C0_AND_SPACE = "".join(map(chr, range(0x21)))
"""The characters that browsers strip from both ends of a URL (URL Standard, 4.4)."""


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


@dataclass(frozen=True)
class MailParts:
    """The parts of a mail's source.

    Args:
        anchors: the links in their order.
        body_start: the offset after the first `<body>`, at which a preheader belongs; None without one.
        body_end: the offset of the last `</body>`, before which a pixel belongs; else the source's end.
    """

    anchors: list[Anchor]
    body_start: int | None
    body_end: int


def find_parts(html: str) -> MailParts:
    """Return the links and the place of the body, in time linear in the source's length, however broken it is."""
    anchors, body_start, body_end = list[Anchor](), None, len(html)
    for tag in read_tags(html):
        if tag.name == "body" and tag.is_end:
            body_end = tag.start
        elif tag.name == "body" and body_start is None:
            body_start = tag.end
        elif tag.name in ("a", "area") and not tag.is_end and (anchor := _anchor(tag)):
            anchors.append(anchor)
    return MailParts(anchors, body_start, body_end)


def _anchor(tag: Tag) -> Anchor | None:
    href = tag.attributes.get("href")
    if href is None or href.span is None:
        return None
    track = (tag.value("data-track") or "").strip().lower() or None
    return Anchor(*href.span, href.value.strip(_C0_AND_SPACE), tag.value("data-alias"), track)
