"""A cache of the stored keys: read as a whole, at most once a second."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from connector.rules.model.api_keys import PresentedKey, has_secret
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.users.api_keys import LiveKey, LiveKeys, load_live_keys

_MAX_AGE_SECONDS = 1.0
"""A revoked key is refused, and a new key accepted, within this time."""
_MAX_READS_PER_SECOND = 10
"""The bound on reads for unknown ids, which may be new keys, so that invented ids do not flood the database."""
_TIMEOUT_SECONDS = 2.0

_log = structlog.get_logger("api")


@dataclass(frozen=True)
class _Snapshot:
    keys: LiveKeys
    at: float


class ApiKeyCache:
    """The valid keys of one workspace. Concurrent callers share one read.

    While the database is unreachable the last snapshot stays in use; keys expire all the same.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, database: Database, workspace: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._workspace, self._clock = database, workspace, clock
        self._lock = asyncio.Lock()
        self._current: _Snapshot | None = None
        self._tried_at = -math.inf
        self._reads: deque[float] = deque(maxlen=_MAX_READS_PER_SECOND)

    async def find(self, given: PresentedKey, *, may_be_new: bool = True) -> LiveKey | None:
        """Return the stored key that matches; None if no valid key does.

        Args:
            may_be_new: read an unknown id at once; else a new key is found within a second.

        Raises:
            StoreUnavailable: the keys have never been read, and the database cannot be read now.
        """
        snapshot = await self._snapshot()
        if may_be_new and given.id not in snapshot.keys.by_id:
            snapshot = await self._snapshot(since=self._clock())
        found = snapshot.keys.by_id.get(given.id)
        if not has_secret(given, found.digest if found else None) or found is None:
            return None
        return found if self._is_valid(found, snapshot) else None

    async def is_empty(self) -> bool:
        """Whether there is no valid key. Raises StoreUnavailable as `find` does."""
        snapshot = await self._snapshot()
        return not any(self._is_valid(key, snapshot) for key in snapshot.keys.by_id.values())

    def _is_valid(self, key: LiveKey, snapshot: _Snapshot) -> bool:
        """Compare with the database's clock: its time at the snapshot plus the time since."""
        if key.expires_at is None or snapshot.keys.read_at is None:
            return True
        return snapshot.keys.read_at + timedelta(seconds=self._clock() - snapshot.at) < key.expires_at

    async def _snapshot(self, since: float = -math.inf) -> _Snapshot:
        """Return a snapshot of the last second; if reads are not too frequent, one not older than `since`.

        Callers that waited for a slow read use its snapshot, unless the read began too long before they asked.
        """
        oldest = self._clock() - _MAX_AGE_SECONDS
        if self._is_stale(oldest, since):
            async with self._lock:
                if self._is_stale(oldest, since):
                    await self._read()
        if self._current is None:
            raise StoreUnavailable("the database cannot be used now, and no key has been read yet")
        return self._current

    def _is_stale(self, oldest: float, since: float) -> bool:
        if self._tried_at <= oldest:
            return True
        return self._tried_at < since and (
            len(self._reads) < _MAX_READS_PER_SECOND or self._clock() - self._reads[0] >= 1
        )

    async def _read(self) -> None:
        began = self._clock()
        self._reads.append(began)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._database.read(self._workspace) as tx:
                self._current = _Snapshot(await load_live_keys(tx), began)
            self._tried_at = began
        except (StoreUnavailable, TimeoutError) as error:
            self._tried_at = self._clock()
            _log.warning("keys_unreadable", error=type(error).__name__, note="the keys read last stay in use")
