"""One HTTP request to a provider and its answer, with what a fault on the way means for the message.

Only 429 and 503 say that a provider did not take a message: any other answer of 5xx may come from a machine in between,
after the provider has done its work, so nobody knows.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx

from connector.channels.protocol import OutcomeUnknown, Rejected, SendError, TryLater
from connector.channels.retry_after import read_retry_after

_LONGEST_ANSWER = 64 * 1024
# A kept connection that just died makes an outcome unknown that need not be.
_NONE_KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=0)
_NOT_TAKEN = frozenset({429, 503})


class RequestProgress:
    """Whether any of a request may have left, as httpcore's trace tells it.

    Args:
        name: what codes begin with.
    """

    def __init__(self, name: str) -> None:
        self._name, self._begun = name, False

    async def note(self, event: str, _: Mapping[str, Any]) -> None:
        """Hear of a step; to be given as the request's extension `trace`."""
        self._begun = self._begun or event == "http11.send_request_headers.started"

    def judge(self, fault: Exception) -> SendError:
        """What a request that ended in `fault` (httpx's or the system's) means for the message."""
        if isinstance(fault, httpx.LocalProtocolError):
            return Rejected(f"{self._name}_invalid", "a header holds what HTTP does not allow")
        if self._begun:
            return OutcomeUnknown(f"{self._name}_no_answer", type(fault).__name__)
        if isinstance(fault, httpx.ConnectError) and _caused_by_tls(fault):
            return TryLater(f"{self._name}_tls", "the other side's certificate or TLS is not accepted")
        return TryLater(f"{self._name}_connect", type(fault).__name__)


@dataclass(frozen=True)
class ProviderResponse:
    """What a provider said. `told` is its JSON object, empty where there is none that can be read."""

    status: int
    told: Mapping[str, Any]
    retry_after: str | None = None


class ProviderHttpClient:
    """Makes requests to one provider, each over a connection of its own.

    Args:
        name: what the codes of faults begin with.
        seconds: the most that one request takes, from the name's resolution to the end of the answer.
        tls: what to trust; None: the usual authorities.
    """

    def __init__(self, name: str, seconds: float, *, tls: ssl.SSLContext | None = None) -> None:
        self._name, self._seconds = name, seconds
        self._client = httpx.AsyncClient(
            verify=tls or True,
            limits=_NONE_KEPT,
            timeout=httpx.Timeout(seconds, connect=seconds / 3),
            headers={"User-Agent": "campaign-connector"},
            follow_redirects=False,
            trust_env=False,
        )

    async def post(self, url: str, *, deadline: float | None = None, **request: Any) -> ProviderResponse:
        """Post to `url`; `request` is as httpx takes it (data, json, auth, headers).

        Args:
            deadline: the loop's time at which the wait ends; None: after this exchange's seconds.

        Raises:
            TryLater: no connection. OutcomeUnknown: the request went out, its answer was lost.
        """
        until = asyncio.get_running_loop().time() + self._seconds if deadline is None else deadline
        progress = RequestProgress(self._name)
        answer: ProviderResponse | None = None
        try:
            async with asyncio.timeout_at(until):
                stream = self._client.stream("POST", url, extensions={"trace": progress.note}, **request)
                async with stream as response:
                    answer = ProviderResponse(response.status_code, {}, response.headers.get("retry-after"))
                    answer = replace(answer, told=await _read_object(response))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
            if answer is None:
                # Without the cause: its text may quote the request, and with it a person.
                raise progress.judge(fault) from None
        return answer  # once the status is heard, a body that breaks off changes nothing

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


def check_provider_status(name: str, answer: ProviderResponse, now: datetime) -> None:
    """Let an answer pass unless it is about the provider's own state.

    Args:
        now: aware, for a Retry-After that is a date.

    Raises:
        TryLater: 429 or 503, with the wait that was asked for. OutcomeUnknown: any other 5xx.
    """
    code = f"{name}_http_{answer.status}"
    if answer.status in _NOT_TAKEN:
        raise TryLater(code, retry_after=read_retry_after(answer.retry_after, now))
    if answer.status >= 500:
        raise OutcomeUnknown(code)


async def _read_object(response: httpx.Response) -> Mapping[str, Any]:
    read = b""
    async for chunk in response.aiter_bytes():
        read += chunk
        if len(read) > _LONGEST_ANSWER:
            return {}
    try:
        told = json.loads(read)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _caused_by_tls(fault: BaseException | None) -> bool:
    while fault is not None and not isinstance(fault, ssl.SSLError):
        fault = fault.__cause__ or fault.__context__
    return fault is not None
