"""Where a webhook may go: the receiver's name is resolved once, checked, and the connection pinned to what was checked.

Campaigns are written by people who need not see the inner network, so a webhook reaches public addresses alone unless
the operator allows more. A name that resolves differently a moment later (DNS rebinding) changes nothing: nobody asks
a second time. TLS and the Host header keep the name.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from socket import SOCK_STREAM

import httpx

from connector.channels.protocol import Rejected

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host name and a port to IP addresses, best first; raises OSError where there are none."""

# Special ones that some of Python's releases take for global: protocol assignments (RFC 6890), site-local (RFC 3879).
_ALSO_SPECIAL = (ip_network("192.0.0.0/24"), ip_network("fec0::/10"))
_DEFAULT_PORTS = {"http": 80, "https": 443}
# A kept connection is known by its IP alone, so it could carry another name's request over TLS that was checked for
# the first; and a kept one that just died makes an outcome unknown that need not be.
_NONE_KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=0)


def is_public(address: str) -> bool:
    """Say whether the whole internet knows `address` (IPv4 or IPv6, RFC 6890); addresses that wrap others are not."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo):
        return False
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _ALSO_SPECIAL)
    return ip.is_global and not special


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver for the addresses of `host`, without doubles, best first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class PinnedTransport(httpx.AsyncBaseTransport):
    """Carries each request over a connection of its own to an address that was checked.

    Args:
        allow_private: let requests go to addresses that are not public.
        tls: what to trust; None: the authorities that httpx brings, or SSL_CERT_FILE.
        resolve: asked exactly once for each request.
    """

    def __init__(
        self, *, allow_private: bool = False, tls: ssl.SSLContext | None = None, resolve: Resolve = resolve
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._wire = httpx.AsyncHTTPTransport(verify=tls or True, limits=_NONE_KEPT)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the first of its host's addresses that takes the connection.

        Raises:
            Rejected: one of the addresses is not public; nothing was connected.
            OSError: the name did not resolve.
            httpx.TransportError: as any httpx transport.
        """
        fault: httpx.TransportError = httpx.ConnectError("the name has no address")
        for address in await self._checked_addresses(request.url):
            try:
                return await self._wire.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as refused:
                fault = refused
        raise fault

    async def _checked_addresses(self, url: httpx.URL) -> Sequence[str]:
        port = url.port or _DEFAULT_PORTS[url.scheme]
        addresses = await self._resolve(_name(url), port)
        if self._allow_private or all(map(is_public, addresses)):
            return addresses
        raise Rejected("webhook_address_refused", "the host has an address that is not public")

    async def aclose(self) -> None:
        """Close what is still open."""
        await self._wire.aclose()


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": _name(request.url)},
    )
