"""Rest: the pauses of an outbox to which Temporal refuses every start of a workflow."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from temporalio.service import RPCError, RPCStatusCode

_log = structlog.get_logger("outbox")
REFUSALS = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.UNIMPLEMENTED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.PERMISSION_DENIED,
    }
)
"""If every start gets one of these answers, the cause is the namespace or the credentials, such as a missing search
attribute, and lasts until a person acts."""
_FIRST_SECONDS, _MAX_SECONDS = 1.0, 30.0
_NOTE = "`connector doctor` says what is wrong and what to type; the outbox goes on by itself within half a minute"


class Rest:
    """Grows from a second to half a minute while refusals follow one another; one log line at its begin and its end.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds, self._until = 0.0, 0.0
        self.refusal: str | None = None
        """What Temporal answered last to every start; None: it refuses none."""

    @property
    def is_over(self) -> bool:
        """Whether the outbox may try again."""
        return self._clock() >= self._until

    def begin(self, error: RPCError) -> None:
        """Rest, twice as long as the last time if nothing was started since."""
        # Only the status distinguishes causes: the message names any one of several missing attributes.
        if self.refusal is None or not self.refusal.startswith(f"{error.status.name}: "):
            _log.error("outbox_rests", status=error.status.name, reason=error.message, note=_NOTE)
        self.refusal = f"{error.status.name}: {error.message}"
        self._seconds = min(2 * self._seconds or _FIRST_SECONDS, _MAX_SECONDS)
        self._until = self._clock() + self._seconds

    def end(self) -> None:
        """Stop resting, because Temporal has started a workflow."""
        if self.refusal is not None:
            _log.info("outbox_continues")
        self.refusal, self._seconds = None, 0.0
