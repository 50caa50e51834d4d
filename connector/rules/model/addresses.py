"""Addresses that take no messages any more, as providers told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.rules.model.users import User

SuppressedAddresses = Mapping[str, str]
"""By channel the address that is dead. Another address is not, so whoever gets a new one is reachable by itself."""

_SEPARATORS = str.maketrans("", "", " -().")


def canonical_address(channel: str, address: str) -> str:
    """The address as it is compared: email without regard to case, numbers without what stands between their digits."""
    return address.translate(_SEPARATORS) if channel == "sms" else address.casefold()


def address_of(user: User, channel: str) -> str | None:
    """Where messages of a channel reach the user; None where there is no such address, or the channel has none."""
    return {"email": user.email, "sms": user.phone}.get(channel)


def is_suppressed(user: User, unreachable: SuppressedAddresses, channel: str) -> bool:
    """Whether the user's present address on a channel is the one that is known to be dead."""
    dead, address = unreachable.get(channel), address_of(user, channel)
    return (
        dead is not None
        and address is not None
        and canonical_address(channel, dead) == canonical_address(channel, address)
    )


def suppressed_channels(user: User, unreachable: SuppressedAddresses) -> Iterator[str]:
    """The channels whose present address is dead."""
    return (channel for channel in sorted(unreachable) if is_suppressed(user, unreachable, channel))
