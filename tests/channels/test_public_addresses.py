"""Which addresses are public, and how names are resolved."""

from __future__ import annotations

import pytest

from connector.channels.networks import is_public
from connector.channels.webhook import resolve


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8",
        "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2001:db8::1", "2001:0:7f00:1::1",
        "2002:7f00:1::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_inner_and_special_addresses_are_not_public(address: str):
    """Loopback, private, link-local, shared, multicast, reserved and wrapped addresses stay out (RFC 6890)."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450::200e"])
def test_public_addresses_are(address: str):
    """What the whole internet knows may be called."""
    assert is_public(address)


async def test_the_machine_resolves():
    """A name gives its addresses, each once; an address gives itself."""
    found = await resolve("localhost", 80)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found)) > 0
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
