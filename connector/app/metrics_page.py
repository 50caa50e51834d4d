"""The page `/metrics` of a process: its own counters, the database's facts, and the metrics of Temporal's SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from connector.app.installation_gauges import InstallationGauges

__all__ = ["CONTENT_TYPE_LATEST", "MetricsPage"]

_log = structlog.get_logger("metrics")
_SDK_SECONDS = 1.0
_NO_KEPT_CONNECTIONS = httpx.Limits(max_keepalive_connections=0)


class MetricsPage:
    """Renders the page; with `sdk`, `close` ends it.

    It has one client for the SDK's page, because to create one takes as long as several scrapes: it reads certificates.

    Args:
        sdk: the URL of the SDK's own page on loopback; None: this process has none.
    """

    def __init__(self, gauges: InstallationGauges, *, sdk: str | None = None) -> None:
        self._gauges, self._sdk = gauges, sdk
        self._client = None if sdk is None else httpx.AsyncClient(trust_env=False, limits=_NO_KEPT_CONNECTIONS)

    async def close(self) -> None:
        """Close the client for the SDK's page."""
        if self._client is not None:
            await self._client.aclose()

    async def render(self) -> bytes:
        """Return the page, beside the event loop; what does not answer in time is left out."""
        facts, sdk = await asyncio.gather(self._gauges.read(), self._read_sdk())
        return await asyncio.to_thread(_render, [REGISTRY, facts]) + sdk

    async def _read_sdk(self) -> bytes:
        if self._client is None or self._sdk is None:
            return b""
        try:
            async with asyncio.timeout(_SDK_SECONDS):
                return (await self._client.get(self._sdk)).raise_for_status().content
        except (httpx.HTTPError, TimeoutError) as error:
            _log.warning("sdk_metrics_unavailable", error=type(error).__name__)
            return b""


def _render(registries: Sequence[CollectorRegistry]) -> bytes:
    return b"".join(generate_latest(registry) for registry in registries)
