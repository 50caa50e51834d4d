"""Rate limits: one token bucket per key, and one per user of a client, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Monotonic seconds."""

BURST_SECONDS = 2.0
_SWEEP_SECONDS = 60.0
_SLACK = 1e-3  # of a request, for rounding


class RateLimits:
    """Token buckets that hold two seconds' worth of requests, at least one.

    A bucket is stored as the time at which it will be full again. Full buckets are dropped, so that keys that are no
    longer used take no memory.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._swept_at = clock()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, id: str, rate: float) -> float:
        """Count one request of a key or user.

        Args:
            rate: requests per second, more than 0.

        Returns:
            0.0 if the request is allowed; else the seconds to wait, and the request is not counted.
        """
        now = self._clock()
        self._sweep(now)
        full_at = max(self._full_at.get(id, now), now)
        over = (full_at - now) * rate + 1 - max(1.0, BURST_SECONDS * rate)
        if over > _SLACK:
            return over / rate
        self._full_at[id] = full_at + 1 / rate
        return 0.0

    def _sweep(self, now: float) -> None:
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            self._full_at = {id: full_at for id, full_at in self._full_at.items() if full_at > now}
