"""SQLAlchemy engines for PostgreSQL: deadlines on every wait, and a pool without dead or silent connections."""

from __future__ import annotations

import math
import time
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from connector.store.engine.outages import DISCONNECTING_OUTAGES, Outage, classify
from connector.store.engine.postgresql_connection import BoundedConnection
from connector.store.engine.transaction import Dialect

_CONNECT_SECONDS = 5
_PING_SECONDS = 2.0
_SILENT_NETWORK_SECONDS = 15
"""How long data may stay unacknowledged until the kernel closes a connection to an unreachable machine."""


def open_postgresql(url: URL, seconds: float, max_connections: int) -> tuple[Dialect, AsyncEngine, AsyncEngine]:
    """Return the dialect, the engine that writes and the engine that reads; for the arguments see `open_engines`."""
    engine = create_async_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=(max_connections + 1) // 2,
        max_overflow=max_connections // 2,
        hide_parameters=True,  # errors end up in logs and in Temporal's histories; parameters hold personal data
        pool_recycle=1800,
        pool_timeout=seconds,
        pool_use_lifo=True,  # so that connections beyond the need fall idle, and the server closes them
        use_native_hstore=False,  # saves a query per connection
        connect_args=_connect_arguments(url, seconds),
    )
    listeners = _Listeners(min(_PING_SECONDS, seconds / 4))
    for name in ("connect", "checkout", "handle_error"):
        event.listen(engine.sync_engine, name, getattr(listeners, name))
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return "postgresql", engine, reader


def _connect_arguments(url: URL, seconds: float) -> dict[str, Any]:
    """Return the arguments of libpq; those in the URL take precedence."""
    timeouts = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    options = [f"-c {name}={seconds * 1000:.0f}" for name in timeouts]
    defaults = {
        "application_name": "campaign-connector",
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": _SILENT_NETWORK_SECONDS,
        "keepalives_interval": _SILENT_NETWORK_SECONDS // 3,
        "keepalives_count": 3,
        "tcp_user_timeout": _SILENT_NETWORK_SECONDS * 1000,
    }
    given = {name: value for name, value in url.query.items() if name in defaults}
    return {
        **defaults,
        **given,
        "options": " ".join([*options, str(url.query.get("options", ""))]),
        "async_creator_fn": BoundedConnection.connect,
    }


class _Listeners:
    """Listeners of an engine's pool, which share the time at which a connection last fell silent.

    Args:
        ping_seconds: how long an idle connection may take to answer.
    """

    def __init__(self, ping_seconds: float) -> None:
        self._ping_seconds = ping_seconds
        self._suspect_since = -math.inf

    def connect(self, connection: Any, _record: Any) -> None:
        """Configure the session of a new connection."""
        connection.run_async(lambda driver: driver.configure())

    def checkout(self, connection: Any, _record: Any, _proxy: Any) -> None:
        """Replace a connection that the server has closed; if it is silent, replace all idle connections."""
        match connection.run_async(lambda driver: driver.check(self._suspect_since, self._ping_seconds)):
            case "closed":
                raise DisconnectionError
            case "silent":
                raise InvalidatePoolError

    def handle_error(self, context: ExceptionContext) -> None:
        """Drop a connection that an outage leaves useless.

        If it met its deadline, the pool keeps the others, because a long wait may be a slow statement; after a silent
        connection, each of them is checked by a query before it is used.
        """
        outage = classify(context.original_exception)
        if outage in DISCONNECTING_OUTAGES:
            context.is_disconnect = True
        if outage in (Outage.SILENT, Outage.BUSY):
            context.invalidate_pool_on_disconnect = False
        if outage is Outage.SILENT:
            self._suspect_since = time.monotonic()
