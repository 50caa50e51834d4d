"""The stored keys as the API knows them: read as a whole, and not more often than once a second."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from connector.rules.model.api_keys import GivenKey, is_same
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.users.api_keys import LiveKey, LiveKeys, load_live_keys

_AGE_SECONDS = 1.0
"""A key that was revoked is refused, and one that was made is known, within this time."""
_MOST_READS = 10
"""In any second, so that made-up ids, which may be those of keys that were made just now, do not flood the database."""
_PATIENCE_SECONDS = 2.0

_log = structlog.get_logger("api")


@dataclass(frozen=True)
class _Known:
    keys: LiveKeys
    at: float


class ApiKeyCache:
    """The keys of one workspace that hold. However many ask at once, they are read once.

    While the database is away it keeps what it knew; keys expire all the same.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, database: Database, workspace: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._workspace, self._clock = database, workspace, clock
        self._turn = asyncio.Lock()
        self._known: _Known | None = None
        self._tried_at = -math.inf
        self._reads: deque[float] = deque(maxlen=_MOST_READS)

    async def find(self, given: GivenKey) -> LiveKey | None:
        """The key that was given; None where no key that holds is this one.

        Raises:
            StoreUnavailable: the database is away, and has been since this process began.
        """
        known = await self._present()
        if given.id not in known.keys.by_id:
            known = await self._present(since=self._clock())
        found = known.keys.by_id.get(given.id)
        if not is_same(given, found.digest if found else None) or found is None:
            return None
        return found if self._holds(found, known) else None

    async def is_empty(self) -> bool:
        """Whether no key holds. Raises StoreUnavailable as `find` does."""
        known = await self._present()
        return not any(self._holds(key, known) for key in known.keys.by_id.values())

    def _holds(self, key: LiveKey, known: _Known) -> bool:
        """By the database's clock: what it showed as the keys were read, and the time since."""
        if key.expires_at is None or known.keys.read_at is None:
            return True
        return known.keys.read_at + timedelta(seconds=self._clock() - known.at) < key.expires_at

    async def _present(self, since: float = -math.inf) -> _Known:
        """What was read in the last second and, while that is not asked too often, not before `since`.

        Whoever waited for a slow reading takes what it brought, unless that began too long before they came.
        """
        oldest = self._clock() - _AGE_SECONDS
        if self._is_stale(oldest, since):
            async with self._turn:
                if self._is_stale(oldest, since):
                    await self._read()
        if self._known is None:
            raise StoreUnavailable("the database cannot be used now, and no key is known yet")
        return self._known

    def _is_stale(self, oldest: float, since: float) -> bool:
        if self._tried_at <= oldest:
            return True
        return self._tried_at < since and (len(self._reads) < _MOST_READS or self._clock() - self._reads[0] >= 1)

    async def _read(self) -> None:
        began = self._clock()
        self._reads.append(began)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read(self._workspace) as tx:
                self._known = _Known(await load_live_keys(tx), began)
            self._tried_at = began
        except (StoreUnavailable, TimeoutError) as error:
            self._tried_at = self._clock()
            _log.warning("keys_unreadable", error=type(error).__name__, note="the keys known so far go on")
