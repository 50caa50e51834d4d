"""Make one HTTP request to a provider, and classify what a failure means for the message.

Only 408, 425, 429 and 503 mean that a provider did not accept a message: any other 5xx response may come from a proxy
after the provider did its work, so the outcome is unknown.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from connector.channels.protocol import OutcomeUnknown, Rejected, SendError, TryLater

MAX_RETRY_AFTER = timedelta(hours=1)
"""The longest wait that one Retry-After header can impose."""
# A kept connection that has just died would turn a message that was not sent into an unknown outcome.
NO_KEEPALIVE = httpx.Limits(max_connections=None, max_keepalive_connections=0)
_MAX_RESPONSE_BYTES = 64 * 1024
NOT_ACCEPTED = frozenset({408, 425, 429, 503})
"""The statuses by which a provider certainly did not accept a request, for now."""


class RequestProgress:
    """Records whether any byte of a request may have left, from httpcore's trace.

    Args:
        name: the prefix of error codes.
    """

    def __init__(self, name: str) -> None:
        self._name, self._has_begun = name, False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Record one step; passed to httpx as the request's extension `trace`."""
        self._has_begun = self._has_begun or event == "http11.send_request_headers.started"

    def classify(self, fault: Exception) -> SendError:
        """Return what a request that ended in `fault` (an httpx or system error) means for the message."""
        if isinstance(fault, httpx.LocalProtocolError):
            return Rejected(f"{self._name}_invalid", "a header holds characters that HTTP does not allow")
        if self._has_begun:
            return OutcomeUnknown(f"{self._name}_no_answer", type(fault).__name__)
        if isinstance(fault, httpx.ConnectError) and _caused_by_tls(fault):
            return TryLater(f"{self._name}_tls", "the server's certificate or TLS version is not accepted")
        return TryLater(f"{self._name}_connect", type(fault).__name__)


@dataclass(frozen=True)
class ProviderResponse:
    """A provider's response. `data` is its JSON object, empty if there is none or it cannot be read."""

    status: int
    data: Mapping[str, Any]
    retry_after: str | None = None


class ProviderHttpClient:
    """Makes requests to one provider, each over its own connection.

    Args:
        name: the prefix of error codes.
        timeout_seconds: the bound of one request, from name resolution to the end of the response.
        tls: trusted authorities; None: the default ones.
    """

    def __init__(self, name: str, timeout_seconds: float, *, tls: ssl.SSLContext | None = None) -> None:
        self._name, self._timeout_seconds = name, timeout_seconds
        self._client = httpx.AsyncClient(
            verify=tls or True,
            limits=NO_KEEPALIVE,
            timeout=httpx.Timeout(timeout_seconds, connect=timeout_seconds / 3),
            headers={"User-Agent": "campaign-connector"},
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, url: str, *, deadline: float | None = None, **request: Any) -> ProviderResponse:
        """Post to `url`; `request` has httpx's arguments (data, json, auth, headers).

        Args:
            deadline: the event loop's time at which to give up; None: after the client's timeout.

        Raises:
            TryLater: no connection. OutcomeUnknown: the request went out and the response was lost.
        """
        until = asyncio.get_running_loop().time() + self._timeout_seconds if deadline is None else deadline
        progress = RequestProgress(self._name)
        answer: ProviderResponse | None = None
        try:
            async with asyncio.timeout_at(until):
                stream = self._client.stream("POST", url, extensions={"trace": progress.trace}, **request)
                async with stream as response:
                    answer = ProviderResponse(response.status_code, {}, response.headers.get("retry-after"))
                    answer = replace(answer, data=await _read_object(response))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
            if answer is None:
                # Without the cause: its text may quote the request, and with it a person.
                raise progress.classify(fault) from None
        return answer  # once the status has arrived, a body that breaks off changes nothing

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def check_provider_status(name: str, answer: ProviderResponse, now: datetime) -> None:
    """Raise an error if a response concerns the state of the provider instead of the message.

    Args:
        name: the prefix of error codes.
        now: aware, for a Retry-After that is a date.

    Raises:
        TryLater: 408, 425, 429 or 503, with the requested wait. OutcomeUnknown: any other 5xx.
    """
    code = f"{name}_http_{answer.status}"
    if answer.status in NOT_ACCEPTED:
        raise TryLater(code, retry_after=read_retry_after(answer.retry_after, now))
    if answer.status >= 500:
        raise OutcomeUnknown(code)


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Convert a Retry-After header (RFC 9110, section 10.2.3) to a wait within [0, MAX_RETRY_AFTER].

    Args:
        value: seconds or an HTTP date.
        now: aware, for a date.

    Returns:
        None if the header is missing or cannot be read.
    """
    if value is None:
        return None
    try:
        wait = _parse_seconds(value) if value.strip().isdecimal() else _parse_date(value) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), MAX_RETRY_AFTER)


def _parse_seconds(value: str) -> timedelta:
    return timedelta(seconds=min(int(value), MAX_RETRY_AFTER.total_seconds()))


def _parse_date(value: str) -> datetime:
    date = parsedate_to_datetime(value)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


async def _read_object(response: httpx.Response) -> Mapping[str, Any]:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_RESPONSE_BYTES:
            return {}
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _caused_by_tls(fault: BaseException | None) -> bool:
    while fault is not None and not isinstance(fault, ssl.SSLError):
        fault = fault.__cause__ or fault.__context__
    return fault is not None
