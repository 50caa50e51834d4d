"""How many requests a second each key may send: a token bucket a key, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds that only ever grow."""

BURST_SECONDS = 2.0
_SWEEP_SECONDS = 60.0
_SLACK = 1e-3  # of a request: what rounding may have taken


class RateLimits:
    """Buckets hold two seconds' worth of requests, at least one, and fill steadily.

    A bucket is kept as the instant at which it will be full again. One that is full is as good as none and is dropped,
    so that buckets of keys that are gone do not pile up.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._swept_at = clock()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, id: str, rate: float) -> float:
        """Count one request of a key.

        Args:
            rate: requests a second, more than 0.

        Returns:
            0.0: it may go on. Else the seconds after which the next one may, and this one is not counted.
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
