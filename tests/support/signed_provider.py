"""A provider for tests: signs its calls with a shared secret, and reports events in JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, require_headers

SECRET = b"only the tests know it"
TOLERANCE = timedelta(minutes=5)


class Signed:
    """A webhook provider under any name."""

    max_body_bytes = 1024 * 1024

    def __init__(self, name: str) -> None:
        self.name = name

    def check_head(self, headers: Mapping[str, str]) -> None:
        """By the presence of both headers."""
        require_headers(headers, "x-at", "x-signature")

    async def verify(self, call: WebhookCall) -> None:
        """By the signature over the time and the body."""
        at, given = call.headers.get("x-at", ""), call.headers.get("x-signature", "")
        if not hmac.compare_digest(given.encode(), _signature(at, call.body).encode()):
            raise SignatureInvalid("the signature is not this provider's for this body")
        if not at.isdecimal() or abs(call.at - datetime.fromtimestamp(int(at), UTC)) > TOLERANCE:
            raise SignatureInvalid("the call is too old")

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """A list of objects."""
        try:
            events = json.loads(call.body)
        except ValueError:
            raise BodyInvalid("the body is not JSON") from None
        if not isinstance(events, list):
            raise BodyInvalid("the body is not a list of events")
        return events

    def normalise(self, item: Any) -> ProviderEvent | None:
        """An object with the fields of the common form."""
        if item.get("happened") == "survey":
            return None
        rest = {name: value for name, value in item.items() if name not in ("happened", "at")}
        at = datetime.fromisoformat(item["at"])
        return ProviderEvent(provider=self.name, happened=EventKind(item["happened"]), at=at, **rest)


def signed(body: bytes, *, age: timedelta = timedelta(0)) -> Mapping[str, str]:
    """The headers of a call that was made so long ago."""
    second = str(int(time.time() - age.total_seconds()))
    return {"X-At": second, "X-Signature": _signature(second, body)}


def _signature(at: str, body: bytes) -> str:
    return hmac.digest(SECRET, at.encode() + b"." + body, hashlib.sha256).hex()
