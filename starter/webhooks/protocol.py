"""The interface of a provider's webhook: verify the caller, parse the body, normalise the events.

WebhookError
├── SignatureInvalid   the caller is not proven, or the call is an old one replayed: HTTP 403
├── BodyInvalid        the body cannot be read: HTTP 400
└── TryAgainLater      something that verification or a handshake needs is unreachable: HTTP 503
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from connector.rules.model.errors import ConnectorError
from connector.rules.provider_events.events import ProviderEvent


@dataclass(frozen=True)
class WebhookCall:
    """One HTTP request of a provider, as received.

    Args:
        query: the URL's query string, as sent.
        headers: by name in lower case.
        body: unchanged bytes, since signatures cover bytes.
        at: when the request was received, aware, UTC; signed times are compared with it.
    """

    query: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


class WebhookError(ConnectorError):
    """The call is refused. The message goes to the caller: it holds no secret and quotes nothing of the request."""


class SignatureInvalid(WebhookError):
    """The signature is missing, too old, or not this provider's for these bytes."""


class BodyInvalid(WebhookError):
    """The body is not what this provider sends."""


class TryAgainLater(WebhookError):
    """The call cannot be verified, or its handshake completed, because something that it needs is unreachable."""


class WebhookProvider(Protocol):
    """One provider's webhook, in a module of its own. It touches no store.

    `max_body_bytes` bounds the bodies that are read before the caller is verified: as large as this provider's are.
    """

    name: str
    max_body_bytes: int

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Refuse a call that its headers alone rule out: its body is not read. Raises SignatureInvalid.

        Args:
            headers: by name in lower case.
        """
        ...

    async def verify(self, call: WebhookCall) -> None:
        """Check that the provider made this call, recently. Raises SignatureInvalid, BodyInvalid or TryAgainLater."""
        ...

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return the provider's own events in a verified call, and complete a handshake that it requests.

        Raises:
            BodyInvalid: the body cannot be read.
            TryAgainLater: the handshake could not be completed.
        """
        ...

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of the parsed events in the common form, without ever raising.

        Returns None for an event that is about no message or cannot be read: one bad event stops no other of its call.
        """
        ...


def require_headers(headers: Mapping[str, str], *names: str) -> None:
    """Raise SignatureInvalid unless a call has all of these headers, without which it is not signed."""
    if missing := [name for name in names if not headers.get(name)]:
        raise SignatureInvalid(f"the signature is missing: there is no header {' and no '.join(missing)}")


def check_age(call: WebhookCall, signed_at: datetime | None, *, past: timedelta, future: timedelta) -> None:
    """Raise SignatureInvalid if a call's signed time is missing, or outside these limits around its receipt."""
    if signed_at is None:
        raise SignatureInvalid("the signed time is missing or not a time")
    if call.at - signed_at > past:
        raise SignatureInvalid(f"the signature is older than {past}; is this an old call, replayed?")
    if signed_at - call.at > future:
        raise SignatureInvalid("the signed time is in the future; is this machine's clock right?")
