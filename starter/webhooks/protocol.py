"""What a provider's webhook is: something that proves who calls, and reads what is told.

WebhookError
├── SignatureWrong   nobody knows who calls, or the call is an old one told again: 403
├── BodyWrong        it is the provider's, or would be, but cannot be read: 400
└── NotNow           what it takes to judge the call is out of reach just now, so it should come again: 503
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from connector.rules.model.errors import ConnectorError
from connector.rules.provider_events.events import ProviderEvent


@dataclass(frozen=True)
class WebhookCall:
    """One request of a provider's as it came.

    Args:
        query: the address's query, as sent.
        headers: by their names in lower case.
        body: unchanged, since signatures are made over bytes.
        at: when it came, aware, UTC; what is too old is refused by it.
    """

    query: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime


class WebhookError(ConnectorError):
    """A call that is not taken. The words go to the caller: no secrets, and nothing that was sent."""


class SignatureWrong(WebhookError):
    """The signature is missing, not this provider's for these bytes, or too old."""


class BodyWrong(WebhookError):
    """The body is not what this provider sends."""


class NotNow(WebhookError):
    """The call cannot be judged, or its handshake not be done: something that it takes cannot be reached."""


class Provider(Protocol):
    """One provider's webhook: one module each. Nothing here touches the store.

    `most_bytes` bounds the bodies that are read, before anybody knows who calls: as large as this provider's are.
    """

    name: str
    most_bytes: int

    async def verify(self, call: WebhookCall) -> None:
        """Make sure that the provider made this call, lately. Raises SignatureWrong, BodyWrong or NotNow."""
        ...

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """The provider's own events in a verified call; a handshake that it asks for is done here.

        Raises:
            BodyWrong: it cannot be read.
            NotNow: the handshake could not be done.
        """
        ...

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of them in the common form, without ever raising.

        None for what tells of no message, and for what cannot be read: one bad event stops no other of its call.
        """
        ...
