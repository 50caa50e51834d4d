"""The text of HTML, in time linear in its length."""

from __future__ import annotations

from connector.rules.model.html_source import Content, read_html

_INVISIBLE = frozenset({"script", "style"})


def strip_tags(html: str) -> str:
    """Return the text of an HTML source, without its tags, comments, scripts and styles."""
    pieces = (piece for piece in read_html(html) if isinstance(piece, Content))
    return "".join(piece.text for piece in pieces if piece.raw not in _INVISIBLE)
