"""Decide which addresses a webhook may reach: public ones, those of allowed networks, and never a cloud's metadata."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

EVERYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""All networks, private ones included."""
_METADATA: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local: AWS, Azure, Google, Oracle, DigitalOcean, the tasks of ECS
            "fe80::/10",
            "fd00:ec2::/32",  # AWS
            "fd20:ce::/32",  # Google
            "100.100.100.200/32",  # Alibaba
            "192.0.0.192/32",  # Oracle
            "168.63.129.16/32",  # Azure's host
        ),
    )
)
"""Addresses at which a cloud gives its credentials to whoever asks from the machine."""
# Special networks that some Python releases take for global: protocol assignments (RFC 6890), site-local (RFC 3879).
_ALSO_SPECIAL = (ip_network("192.0.0.0/24"), ip_network("fec0::/10"))
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::/96"))
"""IPv6 networks whose addresses end in an IPv4 address: NAT64 (RFC 6052, RFC 8215), IPv4-compatible (RFC 4291)."""


def may_reach(address: str, allowed: Sequence[Network]) -> bool:
    """Return whether a webhook may be sent to `address` (IPv4 or IPv6).

    Args:
        allowed: networks that may be reached besides public ones. An IPv4 address that IPv6 maps counts as itself.
    """
    ip = ip_address(address)
    embedded = _embedded(ip)
    if any(one in network for one in (ip, *embedded) for network in _METADATA):
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return is_public(address) or any((mapped or ip) in network for network in allowed)


def is_public(address: str) -> bool:
    """Return whether `address` (IPv4 or IPv6) is globally reachable (RFC 6890); addresses that wrap others are not."""
    ip = ip_address(address)
    if _embedded(ip):
        return False
    is_special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _ALSO_SPECIAL)
    return ip.is_global and not is_special


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses to which a gateway or the machine itself may translate an IPv6 address."""
    if isinstance(ip, IPv4Address):
        return []
    wrapped = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if any(ip in network for network in _EMBEDDING):
        wrapped.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in wrapped if one is not None]
