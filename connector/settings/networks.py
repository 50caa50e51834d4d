"""Networks in settings, like 10.0.0.0/8 or fd12::/48."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator

from connector.rules.model.values import show_value


def _read_network(value: Any) -> IPv4Network | IPv6Network:
    """Return the network of a text. Raises ValueError with the network that was probably meant."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        meant = ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        raise ValueError(f"{show_value(value)} is not a network; write one like 10.0.0.0/8 or fd12::/48") from None
    if str(meant.network_address) != str(ip_address(value.partition("/")[0])):
        raise ValueError(f"{show_value(value)} is an address of the network {meant}; write the network")
    return meant


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_read_network)]
"""A network in CIDR notation; an address alone is the network of that one address."""
