"""Failed sign-ins, counted per client: whoever tries keys gets 429, and causes no reads of the database."""

from __future__ import annotations

import math
import time

import structlog
from starlette.types import Scope

from starter.api.access.rate_limits import Clock
from starter.api.requests.clients import client_of
from starter.api.requests.errors import ApiError

MAX_FAILURES = 20
SECONDS_PER_FAILURE = 3.0
"""A client may fail 20 times at once, and again every 3 seconds."""
_MAX_CLIENTS = 10_000

_log = structlog.get_logger("api")


class FailedSignIns:
    """A bucket of failures per client, stored as the time at which it will be empty again.

    A correct key always works, because other clients may have the same address: behind a proxy, or in one office. So
    this bounds the work for wrong keys, not the guessing, which the length of keys makes hopeless.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._empty_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._empty_at)

    def is_throttled(self, scope: Scope) -> bool:
        """Return whether the client of a request has failed too often of late."""
        return self._seconds_to_wait(client_of(scope)) > 0

    def refuse(self, scope: Scope, error: ApiError) -> ApiError:
        """Count a failure; return what to answer: `error`, or 429 once there are too many."""
        client, now = client_of(scope), self._clock()
        if (seconds := self._seconds_to_wait(client)) > 0:
            return _too_many(math.ceil(seconds))
        self._empty_at[client] = max(self._empty_at.pop(client, now), now) + SECONDS_PER_FAILURE
        if len(self._empty_at) > _MAX_CLIENTS:
            del self._empty_at[next(iter(self._empty_at))]  # whoever failed longest ago
        if self._seconds_to_wait(client) > 0:
            _log.warning("sign_ins_throttled", client=client)
        return error

    def _seconds_to_wait(self, client: str) -> float:
        full = (MAX_FAILURES - 1) * SECONDS_PER_FAILURE
        return self._empty_at.get(client, 0.0) - self._clock() - full


def _too_many(seconds: int) -> ApiError:
    message = f"too many requests without a valid key from this address; try again in {seconds} s"
    return ApiError(429, "too_many_failures", message, headers={"Retry-After": str(seconds)})
