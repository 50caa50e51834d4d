"""The protocol of a channel: an object that sends one rendered message through one provider and reports the result.

SendError
├── Rejected        the provider will never accept this message (invalid address, refused content): do not retry
├── TryLater        the provider did not accept the message and certainly did not send it: retry after `retry_after`
└── OutcomeUnknown  the response was lost; the message may have been sent, so a retry could send it twice

`Rejected` is only for faults of this message or this address. A fault of the provider, the account, the credentials,
the sender or a quota ends by itself or is fixed by an operator: `TryLater` (W6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from connector.rules.model.addresses import AddressMeaning

LARGE_CHARACTERS = 100_000
"""Working on a longer text blocks the event loop for too long, and is done in a thread."""


@dataclass(frozen=True)
class Address:
    """The addresses of one user. Personal data: it leaves the process only to the provider."""

    user_id: str
    email: str | None = None
    phone: str | None = None
    push_tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutgoingMessage:
    """One rendered message.

    Args:
        delivery_id: the idempotency key, the same in every attempt.
        content: the keys of the channel's model in `connector.rules.model.messages`, rendered to strings (email:
            subject, html, text, from, reply_to, preheader, headers; webhook: url, method, headers, body; …).
        unsubscribe: the address to which a POST withdraws the user's consent to the channel (RFC 8058), if any.
        hosts: the hosts, in lower case, of the addresses that the author wrote into a text message; every other address
            came from user data. None: not known.
    """

    delivery_id: str
    campaign: str
    channel: str
    address: Address
    content: dict[str, Any]
    unsubscribe: str | None = None
    hosts: frozenset[str] | None = None

    @property
    def longest_text(self) -> int:
        """The characters of the longest text of the content."""
        return max((len(text) for text in self.content.values() if isinstance(text, str)), default=0)


@dataclass(frozen=True)
class Accepted:
    """The provider accepted the message.

    Args:
        provider_id: the provider's own id of the message, if it returns one.
        reported: a delivery report will follow, and it, not this result, makes the `receive_*` interaction (M4).
        invalid_tokens: push tokens of the user that no longer reach a device.
    """

    provider_id: str | None = None
    reported: bool = False
    invalid_tokens: tuple[str, ...] = ()


class SendError(Exception):
    """The message did not certainly go out.

    Args:
        code: our own, short and free of personal data.
        detail: for the log only.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class Rejected(SendError):
    """Permanent: the provider refuses this message.

    Args:
        invalid_tokens: as in `Accepted`.
        meaning: the meaning of the refusal for the recipient's address.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        invalid_tokens: tuple[str, ...] = (),
        meaning: AddressMeaning = AddressMeaning.NOTHING,
    ) -> None:
        super().__init__(code, detail)
        self.invalid_tokens, self.meaning = invalid_tokens, meaning


class TryLater(SendError):
    """Transient: certainly not sent. `retry_after` is the wait that the provider requested, None if it did not."""

    def __init__(self, code: str, detail: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class OutcomeUnknown(SendError):
    """The response was lost after the message was handed to the provider."""


class Channel(Protocol):
    """A channel. Implementations are safe for concurrent calls and bound every wait by their own timeout."""

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Send one message through the provider.

        Raises:
            Rejected, TryLater, OutcomeUnknown: see the tree above; nothing else.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
