"""Rendered messages in one line, as a reader would recognise them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

_MAX_CHARACTERS = 120


def describe_content(content: Mapping[str, Any]) -> str:
    """Return the title and the text of a rendered message, shortened."""
    title = f"{content.get('method') or 'POST'} {content['url']}" if "url" in content else _title(content)
    text = content.get("body") or content.get("text") or content.get("html") or ""
    line = " · ".join(part for part in (title, str(text)) if part)
    printable = "".join(letter if letter.isprintable() else " " for letter in line)
    return textwrap.shorten(printable, _MAX_CHARACTERS, placeholder="…")


def _title(content: Mapping[str, Any]) -> str:
    return str(content.get("subject") or content.get("title") or "")
