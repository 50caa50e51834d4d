"""What a channel is: something that hands one rendered message to one provider, and says plainly what came of it.

SendError
├── Rejected        the provider will never take this message (bad address, refused content): do not try again
├── TryLater        it did not take it this time, and surely did not send it: try again, after `retry_after` if told
└── OutcomeUnknown  it may have taken it: the answer was lost, so trying again could send twice
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol


@dataclass(frozen=True)
class Address:
    """Where one user can be reached. Personal data: never leaves the process but to the provider."""

    user_id: str
    email: str | None = None
    phone: str | None = None
    push_tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutgoingMessage:
    """One rendered message. `delivery_id` is the idempotency key; `content` is the channel's message, rendered.

    `content` has the keys of the channel's model in `connector.rules.model.messages`, as strings (email: subject, html,
    text, from; webhook: url, method, headers, body; …). `unsubscribe` is the address that takes the user's consent to
    the channel back by a POST (RFC 8058), where there is one. `hosts` are those of the addresses that the author wrote
    out in a text message, in lower case; other addresses came with somebody's data. None: it is not known.
    """

    delivery_id: str
    campaign: str
    channel: str
    address: Address
    content: dict[str, Any]
    unsubscribe: str | None = None
    hosts: frozenset[str] | None = None


@dataclass(frozen=True)
class Accepted:
    """The provider took the message.

    `provider_id` is its own id for it, where it gives one. `reported`: it will tell by a delivery report whether the
    message arrived, and that report, not this, makes the `receive_*` interaction (M4). `invalid_tokens` are push tokens
    of the user that lead nowhere any more.
    """

    provider_id: str | None = None
    reported: bool = False
    invalid_tokens: tuple[str, ...] = ()


class SendError(Exception):
    """A message did not surely go out. `code` is ours, short and free of personal data; texts go to the log only."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class Rejected(SendError):
    """Permanent: the provider refuses this message. `invalid_tokens`: as in `Accepted`."""

    def __init__(self, code: str, detail: str = "", *, invalid_tokens: tuple[str, ...] = ()) -> None:
        super().__init__(code, detail)
        self.invalid_tokens = invalid_tokens


class TryLater(SendError):
    """Passing: surely not sent. `retry_after` is what the provider asked for, None where it did not."""

    def __init__(self, code: str, detail: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class OutcomeUnknown(SendError):
    """The answer was lost after the message was handed over."""


class Channel(Protocol):
    """One way out. Implementations are safe to call concurrently and bound every wait by their own timeout."""

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Hand one message to the provider.

        Raises:
            Rejected, TryLater, OutcomeUnknown: see the tree above; nothing else.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
