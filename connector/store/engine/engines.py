"""SQLAlchemy engines: how each database is connected to, and how its transactions begin."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from connector.store.engine.outages import DISCONNECTING_OUTAGES, classify
from connector.store.engine.sqlite_connection import connect
from connector.store.engine.transaction import Dialect

_DRIVERS: dict[str, str] = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_WAL_ATTEMPTS = 20
_CACHE_PRAGMAS = ("PRAGMA cache_size=-65536", "PRAGMA temp_store=MEMORY", "PRAGMA wal_autocheckpoint=8000")
"""A page cache of 64 MiB: with the default of 2, most pages would be read again for each batch. 32 MiB of WAL before a
checkpoint: with the default of 4, every other commit would make one. Durability does not change."""


_ERASING_PRAGMAS = ("PRAGMA secure_delete=ON",)
"""Deleted values are overwritten with zeros, also in pages that stay in use (guarantee 8)."""


def open_engines(url: str, seconds: float, max_connections: int) -> tuple[Dialect, AsyncEngine, AsyncEngine]:
    """Return the dialect, the engine that writes and the engine that reads.

    Args:
        seconds: how long to wait for a connection of the pool, for a lock, for a statement, and how long a transaction
            may stay idle; SQLite waits as long for the writer of another process.
        max_connections: to PostgreSQL.

    Raises:
        ValueError: the URL names neither a SQLite file nor a PostgreSQL database.
    """
    parsed = make_url(url)
    if parsed.drivername not in _DRIVERS:
        raise ValueError(f"{parsed.drivername!r} is not supported; write sqlite:///FILE or postgresql://HOST/NAME")
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.drivername.startswith("sqlite"):
        return _open_sqlite(parsed, seconds)
    from connector.store.engine.postgresql_engines import open_postgresql  # here, because SQLite does not need psycopg

    return open_postgresql(parsed, seconds, max_connections)


def _open_sqlite(url: URL, seconds: float) -> tuple[Dialect, AsyncEngine, AsyncEngine]:
    if url.database in (None, "", ":memory:"):
        raise ValueError("SQLite in memory is not supported; write sqlite:///FILE")
    Path(str(url.database)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connect_args = {"timeout": seconds, "async_creator_fn": connect}
    options: dict[str, Any] = {"connect_args": connect_args, "hide_parameters": True, "json_deserializer": _read_json}
    writer = create_async_engine(url, pool_size=1, max_overflow=0, **options)
    reader = create_async_engine(url, pool_size=4, pool_timeout=seconds, **options)
    event.listen(writer.sync_engine, "connect", _switch_to_wal)
    event.listen(writer.sync_engine, "invalidate", _roll_back_invalidated)
    for engine in (writer, reader):
        event.listen(engine.sync_engine, "handle_error", _drop_useless)
    _begin_with(writer, "BEGIN IMMEDIATE", ("PRAGMA synchronous=FULL", *_ERASING_PRAGMAS, *_CACHE_PRAGMAS))
    _begin_with(reader, "BEGIN", ("PRAGMA query_only=ON",))
    return "sqlite", writer, reader


def _read_json(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:  # half a surrogate pair
        return json.loads(text)


def _switch_to_wal(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for attempt in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            # SQLite refuses at once while another process switches a new file; beginning a transaction waits.
            if attempt == _WAL_ATTEMPTS - 1:
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
    cursor.close()


def _roll_back_invalidated(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """Roll back before closing a connection whose task was cancelled inside a statement.

    Closing alone keeps the transaction open, and every other writer locked out, while a cursor of it is referenced.
    """
    with suppress(Exception):
        connection.run_async(lambda driver: driver.rollback())


def _drop_useless(context: ExceptionContext) -> None:
    """Drop a connection after such an outage: a file that was opened read-only stays read-only."""
    if classify(context.original_exception) in DISCONNECTING_OUTAGES:
        context.is_disconnect = True


def _begin_with(engine: AsyncEngine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Let SQLAlchemy begin transactions: the driver would begin them deferred, and not before DDL."""

    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("PRAGMA foreign_keys=ON", *pragmas):
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine.sync_engine, "connect", connect)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
