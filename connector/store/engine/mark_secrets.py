"""The secrets of this installation that keyed hashes of erased users are made with (guarantee 8)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.store.tables import erasure_secret


class MarkSecrets:
    """The secrets of one database: the configured one, if any, and the one that its migration generated.

    The first makes new marks; marks of all of them count, so that erased users stay erased if a secret is
    configured later.

    Args:
        configured: the setting CONNECTOR_ERASURE_SECRET.
    """

    def __init__(self, configured: str | None = None) -> None:
        self._configured = [] if configured is None else [configured.encode()]
        self._all: Sequence[bytes] = ()

    async def load(self, connection: AsyncConnection) -> Sequence[bytes]:
        """Return all secrets, the one for new marks first; they are read from the database once."""
        if not self._all:
            stored = (await connection.execute(select(erasure_secret.c.secret))).scalars()
            self._all = [*self._configured, *(bytes.fromhex(secret) for secret in stored)]
        return self._all


def make_mark(secret: bytes, text: str) -> str:
    """Return the keyed hash of a text: who does not have the secret can neither compute it nor test a guess."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
