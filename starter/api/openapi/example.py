"""An example request and response of one operation, and the values that several examples share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

AT = "2026-03-02T12:00:00Z"
SEND_AT = "2026-03-03T12:00:00Z"
"""A day later, which is the delay of the campaign of the examples."""
FOLLOW_UP = "9d6ba237df2924d1c36d4f7db3"
LIVE: Mapping[str, Any] = {
    "id": "cart-reminder",
    "kind": "campaign",
    "state": "active",
    "live_revision": 1,
    "newest_revision": 1,
    "effective_at": AT,
}
"""The campaign of the examples, as lists and reviews begin."""
WINDOWS: Sequence[Mapping[str, Any]] = [{"opened_at": AT, "closed_at": None}]
COUNTS: Mapping[str, Any] = {
    "enrolled": 0,
    "sent": 40,
    "opened": 21,
    "opened_by_people": 18,
    "clicked": 7,
    "converted": {},
}
"""Numbers of users."""


@dataclass(frozen=True)
class Example:
    """A request, by parameter names and body, and its response as JSON; None: no body.

    `view` is the model of the response if the route does not declare one.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    answer: Any = None
    view: type[BaseModel] | None = None


def receipt_of(verb: str, *changed: str) -> dict[str, Any]:
    """Return the response to an order."""
    return {
        "order_id": "a8453037909240d59102b85b70371b5b",
        "verb": verb,
        "changed": list(changed),
        "unchanged": [],
        "effective_at": AT,
        "version": 3,
        "warnings": [],
    }
