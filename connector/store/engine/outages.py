"""Outages of the database: how a driver's error becomes StoreUnavailable, and what an operator can do about it.

ConnectorError
└── StoreUnavailable     the database cannot be reached, or cannot write now
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from connector.rules.model.errors import ConnectorError

_log = logging.getLogger("database")  # not structlog, which takes longer to import than `connector status` runs
_LOG_AGAIN_SECONDS = 60.0
_NO_FIELDS: Mapping[str, object] = {}
_REFUSAL_SECONDS = 10.0
"""How long a refused write makes the process not ready. Then callers may try again: only a write can show recovery."""


class Outage(StrEnum):
    """Why the database cannot be used now; `/readyz` and the metric have these values."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    NO_SLOTS = "no_slots"
    SHUTTING_DOWN = "shutting_down"
    READ_ONLY = "read_only"
    DISK_FULL = "disk_full"
    DENIED = "denied"
    BUSY = "busy"


ADVICE = {
    Outage.UNREACHABLE: "check that the database runs and that CONNECTOR_DATABASE_URL is right",
    Outage.SILENT: "it accepts connections but does not answer: check the server, and proxies and firewalls before it",
    Outage.NO_SLOTS: "raise max_connections of PostgreSQL, or lower CONNECTOR_DATABASE_CONNECTIONS",
    Outage.SHUTTING_DOWN: "the server is starting or stopping: nothing to do if it was restarted on purpose",
    Outage.READ_ONLY: "promote the standby, or connect to the primary: list all hosts in CONNECTOR_DATABASE_URL with "
    "target_session_attrs=read-write; check default_transaction_read_only, or the permissions of the SQLite file",
    Outage.DISK_FULL: "free or add disk space where the database keeps its files",
    Outage.DENIED: "the user of CONNECTOR_DATABASE_URL lacks a privilege: `connector setup` needs USAGE and CREATE on "
    "the schema and owns the tables; workers and APIs need USAGE, and SELECT, INSERT, UPDATE, DELETE on the tables",
    Outage.BUSY: "other transactions hold its locks or connections: look for long ones in pg_stat_activity",
}
WRITE_REFUSALS = (Outage.READ_ONLY, Outage.DISK_FULL)
"""Outages during which reading is possible."""
_ENDED_BY_WRITES = (*WRITE_REFUSALS, Outage.DENIED)
"""Outages that no read ends: the user may lack the privilege to write only."""
DISCONNECTING_OUTAGES = (Outage.UNREACHABLE, Outage.SILENT, Outage.SHUTTING_DOWN, Outage.READ_ONLY)
"""Outages after which a new connection may work, so that the present one must not stay in the pool."""

_SQLSTATES = {
    "08": Outage.UNREACHABLE,
    "0A000": Outage.UNREACHABLE,
    "25006": Outage.READ_ONLY,
    "25P03": Outage.BUSY,
    "25P04": Outage.BUSY,
    "40001": Outage.BUSY,
    "40P01": Outage.BUSY,
    "42501": Outage.DENIED,
    "53": Outage.BUSY,
    "53100": Outage.DISK_FULL,
    "53300": Outage.NO_SLOTS,
    "55P03": Outage.BUSY,
    "57014": Outage.BUSY,
    "57P0": Outage.SHUTTING_DOWN,
    "57P05": Outage.BUSY,
    "58030": Outage.UNREACHABLE,
}
"""By SQLSTATE of PostgreSQL or its beginning, the longest that matches. 0A000 is a prepared plan that a migration made
invalid, or something that a standby cannot do: a new connection can."""

_SQLITE_ERRORS = {
    "SQLITE_BUSY": Outage.BUSY,
    "SQLITE_LOCKED": Outage.BUSY,
    "SQLITE_PROTOCOL": Outage.BUSY,
    "SQLITE_IOERR": Outage.UNREACHABLE,
    "SQLITE_CANTOPEN": Outage.UNREACHABLE,
    "SQLITE_READONLY": Outage.READ_ONLY,
    "SQLITE_FULL": Outage.DISK_FULL,
}


class StoreUnavailable(ConnectorError):
    """The database cannot be reached or cannot write now. Nothing of the transaction was kept; try again later.

    Only a connection that is lost during the commit leaves open whether the transaction was kept.
    """

    def __init__(
        self,
        message: str,
        outage: Outage = Outage.BUSY,
        *,
        advice: str | None = None,
        detail: str | None = None,
        is_permanent: bool = False,
    ) -> None:
        """Create the error.

        Args:
            advice: the way out; None: that of the outage.
            detail: host, port and database, and the reason as it was given; never a password.
            is_permanent: it lasts until somebody changes a setting or grants a privilege.
        """
        super().__init__(message)
        self.outage, self.detail, self.is_permanent = outage, detail, is_permanent
        self.advice = ADVICE[outage] if advice is None else advice


def classify(error: BaseException | None) -> Outage | None:
    """Return the outage by the code of a driver's error; None: it has no code, or no outage's."""
    if isinstance(found := getattr(error, "outage", None), Outage):
        return found
    if sqlstate := getattr(error, "sqlstate", None):
        return next((_SQLSTATES[sqlstate[:n]] for n in range(5, 1, -1) if sqlstate[:n] in _SQLSTATES), None)
    if name := getattr(error, "sqlite_errorname", None):
        return next((outage for start, outage in _SQLITE_ERRORS.items() if name.startswith(start)), None)
    return None


class Health:
    """The last outage that transactions of this process met. It is logged when it begins and when it ends.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._outage: Outage | None = None
        self._is_logged = False
        self._failed_at = 0.0
        self._cause: tuple[Outage, str | None] | None = None
        self._logged_at: dict[tuple[Outage, str | None], float] = {}

    @property
    def refuses_writes(self) -> Outage | None:
        """Why a write of the last ten seconds was refused, if none succeeded since."""
        is_recent = self._clock() - self._failed_at < _REFUSAL_SECONDS
        return self._outage if self._outage in WRITE_REFUSALS and is_recent else None

    def record_failure(
        self, outage: Outage, advice: str | None = None, fields: Mapping[str, object] = _NO_FIELDS
    ) -> None:
        """Remember an outage, and log it with advice unless it was logged in the last minute.

        Args:
            advice: the way out; None: that of the outage.
            fields: more of the line: where it is and what the driver said.
        """
        if outage is Outage.BUSY:
            return
        cause, now = (outage, advice), self._clock()
        if cause != self._cause and now - self._logged_at.get(cause, -_LOG_AGAIN_SECONDS) >= _LOG_AGAIN_SECONDS:
            self._logged_at[cause], self._is_logged = now, True
            extra = {"reason": outage.value, "note": advice or ADVICE[outage], **fields}
            _log.warning("database_unavailable", extra=extra)
        self._outage, self._cause, self._failed_at = outage, cause, now

    def record_success(self, *, writing: bool) -> None:
        """Forget the outage, unless only a write can show its end and this was a read."""
        if self._outage is None or (self._outage in _ENDED_BY_WRITES and not writing):
            return
        if self._is_logged:
            _log.info("database_available", extra={"after": self._outage.value})
        self._outage, self._cause, self._is_logged = None, None, False
