"""Title and text of a rendered message in one line, for people who recognise a message by them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any


def title_of(content: Mapping[str, Any]) -> str:
    """Return the title of a rendered message: the subject, or of a webhook its method and URL; else empty."""
    if "url" in content:
        return f"{content.get('method') or 'POST'} {content['url']}"
    return str(content.get("subject") or content.get("title") or "")


def body_of(content: Mapping[str, Any]) -> str:
    """Return the text of a rendered message; of an email, its text part if there is one."""
    return str(content.get("body") or content.get("text") or content.get("html") or "")


def in_one_line(text: str, max_characters: int) -> str:
    """Return a text in one line, shortened to whole words, with spaces in the place of control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.shorten(printable, max_characters, placeholder="…")
