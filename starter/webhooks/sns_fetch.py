"""Fetching from Amazon SNS: only URLs of two shapes, without redirects, bounded in size and time.

Each SNS message names the URL of its certificate and the URL that confirms a subscription. Anybody can send us a
message, so a stranger may have chosen these URLs. URL parsers disagree about odd ones; patterns as narrow as these
leave nothing to disagree about: no other host, no user, no port, no fragment, no dots in paths.

The host is SNS's in the topic's own region, and regions have a fixed form: `sns.s3-us-west-2.amazonaws.com` is
somebody's bucket called "sns".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx

from starter.webhooks.protocol import TryAgainLater

MAX_RESPONSE_BYTES = 64 * 1024

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}")
_CERTIFICATE = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem")
_CONFIRMATION = re.compile(r"/\?Action=ConfirmSubscription&[A-Za-z0-9%&=:._~+-]{1,2000}")


def is_certificate_url(url: str, topic: str) -> bool:
    """Return whether SNS's certificate for messages of this topic (an ARN) may be fetched from this URL."""
    return _is_sns_url(url, topic, _CERTIFICATE)


def is_confirmation_url(url: str, topic: str) -> bool:
    """Return whether a subscription to this topic (an ARN) may be confirmed at this URL."""
    return _is_sns_url(url, topic, _CONFIRMATION)


def _is_sns_url(url: str, topic: str, path: re.Pattern[str]) -> bool:
    region = (topic.split(":") + [""] * 4)[3]
    host = f"https://sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    is_at_host = _REGION.fullmatch(region) is not None and url.startswith(host)
    return is_at_host and path.fullmatch(url, len(host)) is not None


class SnsFetch:
    """Fetches one URL per call.

    Args:
        timeout_seconds: the limit for one fetch in all.
        open_transport: opens the transport of a request; default: HTTPS with the usual certificate authorities.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 5.0,
        open_transport: Callable[[], httpx.AsyncBaseTransport] = httpx.AsyncHTTPTransport,
    ) -> None:
        self._timeout_seconds, self._open_transport = timeout_seconds, open_transport

    async def __call__(self, url: str) -> bytes:
        """Return the body of `url`.

        Raises:
            TryAgainLater: the status was not 200, the body longer than 64 KB, or no response came in time.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._get(url)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
            # Without the cause: its text quotes the URL, and a confirmation's URL holds its token.
            raise TryAgainLater("Amazon SNS did not answer; send this again") from None

    async def _get(self, url: str) -> bytes:
        headers = {"User-Agent": "campaign-connector", "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(transport=self._open_transport(), follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise TryAgainLater(f"Amazon SNS answered {response.status_code}; send this again")
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise TryAgainLater(f"Amazon SNS answered more than {MAX_RESPONSE_BYTES} bytes")
            return body
