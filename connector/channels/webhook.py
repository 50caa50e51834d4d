"""Send webhooks: one HTTP request per message, signed by Standard Webhooks (standardwebhooks.com) if a secret is set.

The status alone decides; the response body is never read. Every request carries `webhook-id`, the delivery id, by which
a receiver must recognise a repetition: a request that was answered 5xx is repeated, as Standard Webhooks asks of
senders, though the receiver may have done its work. A request without any response is not repeated.

Authors of campaigns need not have access to the internal network, so a webhook reaches only public addresses and the
networks that the operator allows, and never a cloud's metadata. The receiver's name is resolved once, its addresses are
checked, and the connection is pinned to a checked address: a name that resolves differently a moment later (DNS
rebinding) changes nothing. TLS and the Host header keep the name.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from socket import SOCK_STREAM
from typing import Any

import httpx

from connector.channels.http_client import NO_KEEPALIVE, NOT_ACCEPTED, RequestProgress, read_retry_after
from connector.channels.networks import Network, may_reach
from connector.channels.protocol import Accepted, OutgoingMessage, Rejected, TryLater
from connector.settings.signing import WebhookSigner

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host name and port, best first; raises OSError if there are none."""

_TRANSIENT = NOT_ACCEPTED | {401, 402, 403, 407, 421}
"""Credentials, payment, a proxy's credentials, time, a wrong connection, replay protection, load: not the message."""
_RESERVED_HEADERS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"}
)
"""Headers that frame the request or name its receiver: a template that set them could smuggle a second request."""
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the distinct addresses of `host` by the machine's resolver, best first."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))


class WebhookChannel:
    """The webhook channel.

    Args:
        timeout: the bound of one send, from name resolution to the status.
        signer: signs requests; None: they are not signed.
        networks: networks that webhooks may reach besides public addresses.
        tls: trusted authorities; None: the default ones.
        resolve: resolves host names.
        clock: seconds since 1970, for the signature's timestamp and dates in Retry-After.
    """

    def __init__(
        self,
        *,
        timeout: timedelta,
        signer: WebhookSigner | None = None,
        networks: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._timeout_seconds = timeout.total_seconds()
        self._clock = clock
        self._signer = signer or WebhookSigner()
        self._client = httpx.AsyncClient(
            transport=_PinnedTransport(networks=networks, tls=tls, resolve=resolve),
            # A third, so that a host's second and third address get their turn too.
            timeout=httpx.Timeout(self._timeout_seconds, connect=self._timeout_seconds / 3),
            headers={"User-Agent": "campaign-connector"},
            follow_redirects=False,
            trust_env=False,
        )

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Make the request of `message.content` (url, method, headers, body).

        Raises:
            Rejected: the request is invalid, its host is private, or the status was 3xx or another 4xx.
            TryLater: no connection, or a status of `_TRANSIENT` or 5xx (with its Retry-After, at most one hour).
            OutcomeUnknown: the request went out and the response was lost.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        progress = RequestProgress("webhook")
        request = self._request(message, now, progress)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
            # Without the cause: its text may quote the URL, and with it a person.
            raise progress.classify(fault) from None
        _check_status(response, now)
        return Accepted()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _request(self, message: OutgoingMessage, now: datetime, progress: RequestProgress) -> httpx.Request:
        try:
            body = str(message.content.get("body") or "")
            url = _parse_url(message.content["url"])
            signature = self._signature(_host_name(url), message.delivery_id, now, body)
            headers = _headers(message.content, body) | signature
            return self._client.build_request(
                message.content.get("method") or "POST",
                url,
                headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
                content=body.encode() or None,
                extensions={"trace": progress.trace},
            )
        except UnicodeError:
            raise Rejected("webhook_invalid", "a header's name or the body cannot be encoded") from None

    def _signature(self, host: str, delivery_id: str, now: datetime, body: str) -> dict[str, str]:
        signature = self._signer.sign(host, delivery_id, now, body)
        if signature is None:
            return {"webhook-id": delivery_id}
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }


def describe_request(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request of a message as it is sent, without its signature; raises Rejected if it cannot be sent."""
    body = str(content.get("body") or "")
    url, headers = _parse_url(content["url"]), _headers(content, body)
    return {"method": content.get("method") or "POST", "url": str(url), "headers": headers, "body": body or None}


def _parse_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise Rejected("webhook_invalid", "the url is not a valid URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Rejected("webhook_invalid", "the url must begin with http:// or https:// and a host")
    return url


def _headers(content: Mapping[str, Any], body: str) -> dict[str, str]:
    headers = {name.lower(): value for name, value in (content.get("headers") or {}).items()}
    if reserved := _RESERVED_HEADERS & headers.keys():
        raise Rejected("webhook_invalid", f"the header {min(reserved)} is reserved; the connector sets it")
    if any(_FORBIDDEN_IN_HEADER.search(value) for value in headers.values()):
        raise Rejected("webhook_invalid", "a header holds a line break or another control character")
    return ({"content-type": "application/json"} if body else {}) | headers


def _check_status(response: httpx.Response, now: datetime) -> None:
    status = response.status_code
    code = f"http_{status}"
    if status in _TRANSIENT or status >= 500:
        raise TryLater(code, retry_after=read_retry_after(response.headers.get("retry-after"), now))
    if not response.is_success:
        raise Rejected(code)


class _PinnedTransport(httpx.AsyncBaseTransport):
    """Sends each request over its own connection to a checked address.

    Connections are never kept: a kept one is identified by its IP alone, so it could carry another name's request over
    TLS that was verified for the first name.
    """

    def __init__(self, *, networks: Sequence[Network], tls: ssl.SSLContext | None, resolve: Resolve) -> None:
        self._networks, self._resolve = networks, resolve
        self._transport = httpx.AsyncHTTPTransport(verify=tls or True, limits=NO_KEEPALIVE)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the first of its host's addresses that accepts a connection.

        Raises:
            Rejected: one of the addresses may not be reached; nothing was connected.
            OSError: the name did not resolve.
            httpx.TransportError: as any httpx transport.
        """
        fault: httpx.TransportError = httpx.ConnectError("the name has no address")
        for address in await self._checked_addresses(request.url):
            try:
                return await self._transport.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as refused:
                fault = refused
        raise fault

    async def _checked_addresses(self, url: httpx.URL) -> Sequence[str]:
        addresses = await self._resolve(_host_name(url), url.port or _DEFAULT_PORTS[url.scheme])
        if all(may_reach(address, self._networks) for address in addresses):
            return addresses
        raise Rejected("webhook_address_refused", "the host has an address that is neither public nor allowed")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


def _host_name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": _host_name(request.url)},
    )
