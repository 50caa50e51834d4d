"""SQLite behind asyncio with one switch to its thread per statement, rows included.

aiosqlite switches once each for cursor, execute, fetch and close; between threads that share an interpreter, a switch
costs more than a short statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import aiosqlite

_CHUNK = 64


class SingleSwitchCursor:
    """The part of a cursor that SQLAlchemy uses. All rows are fetched when the statement is executed."""

    arraysize = 1

    def __init__(self, connection: SingleSwitchConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None
        self.rowcount, self.lastrowid = -1, 0

    async def __aenter__(self) -> SingleSwitchCursor:
        """Create nothing: the cursor proper lives as long as one statement."""
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> SingleSwitchCursor:
        """Execute one statement and fetch its rows. Raises sqlite3.Error."""
        return await self._run(lambda cursor: cursor.execute(statement, parameters))  # type: ignore[arg-type]

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> SingleSwitchCursor:
        """Execute one statement with many parameters. Raises sqlite3.Error."""
        return await self._run(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self._rows

    async def close(self) -> None:
        """Close nothing: nothing is open."""

    async def _run(self, act: Callable[[sqlite3.Cursor], Any]) -> SingleSwitchCursor:
        self.description, self.rowcount, self.lastrowid, self._rows = await self._connection.run_in_thread(act)
        return self


class SingleSwitchConnection(aiosqlite.Connection):
    """A connection whose cursors switch threads once per statement."""

    def cursor(self) -> SingleSwitchCursor:  # type: ignore[override]
        """Return a cursor, without a switch."""
        return SingleSwitchCursor(self)

    async def run_in_thread(self, act: Callable[[sqlite3.Cursor], Any]) -> tuple[Any, int, Any, list[Any]]:
        """Use a cursor in the connection's thread; return its (description, rowcount, lastrowid, rows)."""

        def run() -> tuple[Any, int, Any, list[Any]]:
            cursor = self._conn.cursor()
            try:
                act(cursor)
                rows = cursor.fetchall() if cursor.description else []
                return cursor.description, cursor.rowcount, cursor.lastrowid, rows
            finally:
                cursor.close()

        result: tuple[Any, int, Any, list[Any]] = await self._execute(run)  # type: ignore[no-untyped-call]
        return result


def connect(database: str, **options: Any) -> SingleSwitchConnection:
    """Return a connection that opens when it is awaited; its thread does not keep the process alive."""
    connection = SingleSwitchConnection(partial(sqlite3.connect, database, **options), _CHUNK)
    connection._thread.daemon = True
    return connection
