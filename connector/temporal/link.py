"""The link to Temporal: made when it is first needed, so that nothing waits for a server that is not there yet."""

from __future__ import annotations

import asyncio
import os

from temporalio.client import Client

from connector.rules.model.errors import ConnectorError
from connector.temporal.client import connect

PATIENCE_SECONDS = 5.0


class TemporalUnavailable(ConnectorError, ConnectionError):
    """Temporal cannot be reached. What needs only the store goes on."""


class TemporalLink:
    """One client for this process, shared by all who ask.

    Args:
        client: where there is one already.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        """The client; a failed attempt is not remembered, the next caller tries again.

        Raises:
            TemporalUnavailable: with the address that was tried.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await _connect()
            return self._client


async def _connect() -> Client:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await connect(attempts=1)
    except (RuntimeError, TimeoutError) as error:
        address = os.environ.get("TEMPORAL_ADDRESS", "localhost:7233 (or as its profile says)")
        raise TemporalUnavailable(
            f"Temporal cannot be reached at {address}; start `connector dev`, or set TEMPORAL_ADDRESS to where it runs"
        ) from error
