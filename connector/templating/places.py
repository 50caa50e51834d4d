"""What the templates of a message write, by which their values are encoded."""

from __future__ import annotations

from functools import lru_cache

from liquid.token import TOKEN_CONTENT
from pydantic import BaseModel

from connector.rules.model.mail_headers import JSON_HEADERS
from connector.rules.model.messages import Email, Webhook
from connector.templating.lexing import find_pieces
from connector.templating.liquid_bounds import Place

_PLACES_BY_TYPE: tuple[tuple[str, Place], ...] = (
    ("json", "json"),
    ("urlencoded", "form"),
    ("xml", "html"),
    ("html", "html"),
)
"""Parts of content types, and what a body of that type is."""


def place_of(message: BaseModel, field: str) -> Place:
    """Return what the template of a message's field, by its dotted name, writes."""
    if isinstance(message, Email) and field == "html":
        return "html"
    if isinstance(message, Email) and field.lower().removeprefix("headers.") in JSON_HEADERS:
        return "json"
    if isinstance(message, Webhook) and field == "url":
        return "url"
    return _place_of_body(message) if isinstance(message, Webhook) and field == "body" else "text"


def _place_of_body(message: Webhook) -> Place:
    """Return the place by the content type; without one, a body is JSON unless it clearly is plain text."""
    types = [value.lower() for name, value in message.headers.items() if name.lower() == "content-type"]
    if types:
        return next((place for part, place in _PLACES_BY_TYPE if part in types[0]), "text")
    return "text" if _is_plain(message.body or "") else "json"


@lru_cache(maxsize=2048)
def _is_plain(template: str) -> bool:
    """Return whether a template has texts between its markup, none of which begins as JSON does."""
    texts = [piece.group().strip() for piece in find_pieces(template) if piece.lastgroup == TOKEN_CONTENT]
    return any(texts) and not any(text.startswith(("{", "[", '"')) for text in texts)
