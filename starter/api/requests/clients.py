"""Who a request comes from, as far as the network tells: limits and logs count by it."""

from __future__ import annotations

import ipaddress

from starlette.types import Scope

_IPV6_NETWORK = 64
"""The bits of an IPv6 address that one client has to itself: it may choose the rest (RFC 6177)."""
_MAX_CHARACTERS = 45


def client_of(scope: Scope) -> str:
    """Return the address of the client, of its network for IPv6; behind a trusted proxy the forwarded one."""
    client = scope.get("client")
    host: str = client[0].partition("%")[0][:_MAX_CHARACTERS] if client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a socket of this machine, or what a proxy has written
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
