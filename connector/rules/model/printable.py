"""Escape characters that a terminal obeys or hides, so that no value changes how other text is shown."""

from __future__ import annotations

import json
import re

_NOT_PRINTABLE = re.compile(
    # Control characters (C0, DEL, C1), formats (bidirectional marks, zero width, tags), separators, lone surrogates.
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
    # Characters that are shown as nothing.
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]"
)


def escape_line(text: str) -> str:
    r"""Return the text with such characters as JSON writes them, like \u001b and \n; JSON stays the same JSON."""
    return _NOT_PRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def escape_lines(text: str) -> str:
    """Return the text as `escape_line` does, but keep its line breaks."""
    return "\n".join(map(escape_line, text.split("\n")))
