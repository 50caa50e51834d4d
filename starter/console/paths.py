"""Paths of the console's pages, with ids encoded."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def at(*parts: str, **query: str | None) -> str:
    """Return a path of these parts, each encoded, and a query without the parameters that are None."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
