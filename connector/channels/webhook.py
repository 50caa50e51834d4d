"""Webhooks: one HTTP request a message, signed as Standard Webhooks asks (standardwebhooks.com) where a secret is set.

The status alone decides, the answer's body is never read. Every request carries `webhook-id`, the delivery id, so a
receiver can tell a repetition; by default we make none: a request whose answer was lost may have done its work.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connector.channels.destinations import PinnedTransport, Resolve, resolve
from connector.channels.http_client import RequestProgress
from connector.channels.protocol import Accepted, OutgoingMessage, Rejected, TryLater
from connector.channels.retry_after import read_retry_after
from connector.settings.signing import create_signer

_PASSING = frozenset({408, 425, 429})
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"})
"""Headers that frame the request or say where it goes: a template that set them could smuggle a second request."""


class Webhook:
    """The webhook channel.

    Args:
        timeout: the most that one send takes in all, from the name's resolution to the status.
        secret: signs requests, "whsec_" and base64; None: they go unsigned.
        allow_private: let webhooks reach addresses that are not public.
        tls: what to trust; None: the usual authorities.
        resolve: where names are looked up.
        clock: seconds since 1970 for the signature's timestamp and Retry-After's dates.

    Raises:
        ValueError: `secret` is not base64.
    """

    def __init__(
        self,
        *,
        timeout: timedelta,
        secret: str | None = None,
        allow_private: bool = False,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = timeout.total_seconds()
        self._clock = clock
        self._signer = None if secret is None else create_signer(secret)
        self._client = httpx.AsyncClient(
            transport=PinnedTransport(allow_private=allow_private, tls=tls, resolve=resolve),
            # A third, so that a host's second and third address get their turn too.
            timeout=httpx.Timeout(self._seconds, connect=self._seconds / 3),
            headers={"User-Agent": "campaign-connector"},
            follow_redirects=False,
            trust_env=False,
        )

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Make the request of `message.content` (url, method, headers, body).

        Raises:
            Rejected: it is no request we make, its host is private, or it was answered 3xx or 4xx.
            TryLater: no connection, or an answer of 408, 425, 429 or 5xx (with its Retry-After, at most one hour).
            OutcomeUnknown: the request went out, its answer was lost.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        progress = RequestProgress("webhook")
        request = self._request(message, now, progress)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
            # Without the cause: its text may quote the URL, and with it a person.
            raise progress.judge(fault) from None
        _check_status(response, now)
        return Accepted()

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    def _request(self, message: OutgoingMessage, now: datetime, progress: RequestProgress) -> httpx.Request:
        try:
            body = str(message.content.get("body") or "")
            headers = _headers(message.content, body) | self._signature(message.delivery_id, now, body)
            return self._client.build_request(
                message.content.get("method") or "POST",
                _url(message.content["url"]),
                headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
                content=body.encode() or None,
                extensions={"trace": progress.note},
            )
        except UnicodeError:
            raise Rejected("webhook_invalid", "a header's name or the body cannot be encoded") from None

    def _signature(self, delivery_id: str, now: datetime, body: str) -> dict[str, str]:
        if self._signer is None:
            return {"webhook-id": delivery_id}
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(delivery_id, now, body),
        }


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise Rejected("webhook_invalid", "the url is not one") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Rejected("webhook_invalid", "the url must begin with http:// or https:// and a host")
    return url


def _headers(content: Mapping[str, Any], body: str) -> dict[str, str]:
    given = {name.lower(): value for name, value in (content.get("headers") or {}).items()}
    if refused := _OURS & given.keys():
        raise Rejected("webhook_invalid", f"the header {min(refused)} is ours to set")
    return ({"content-type": "application/json"} if body else {}) | given


def _check_status(response: httpx.Response, now: datetime) -> None:
    status = response.status_code
    code = f"http_{status}"
    if status in _PASSING or status >= 500:
        raise TryLater(code, retry_after=read_retry_after(response.headers.get("retry-after"), now))
    if not response.is_success:
        raise Rejected(code)
