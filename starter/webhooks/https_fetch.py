"""Getting a small thing by https: no redirects, one status, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from starter.webhooks.protocol import NotNow

MOST_BYTES = 64 * 1024


class HttpsFetch:
    """Fetches one address at a time.

    Args:
        seconds: the most that one takes in all.
        connect: opens what carries a request; None: the usual way, with the usual authorities.
    """

    def __init__(
        self, *, seconds: float = 5.0, connect: Callable[[], httpx.AsyncBaseTransport] = httpx.AsyncHTTPTransport
    ) -> None:
        self._seconds, self._connect = seconds, connect

    async def __call__(self, url: str) -> bytes:
        """The body of `url`. Raises NotNow for any answer but 200, a longer body than 64 KB, or none in time."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get(url)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
            # Without the cause: its text quotes the address, and a confirmation's holds its token.
            raise NotNow("Amazon SNS did not answer; send this again") from None

    async def _get(self, url: str) -> bytes:
        headers = {"User-Agent": "campaign-connector", "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(transport=self._connect(), follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise NotNow(f"Amazon SNS answered {answer.status_code}; send this again")
            body = b""
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise NotNow(f"Amazon SNS answered more than {MOST_BYTES} bytes")
            return body
