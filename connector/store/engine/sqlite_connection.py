"""SQLite behind asyncio with one trip to its thread for a statement and its rows.

aiosqlite makes a trip for each of cursor, execute, fetch and close; among threads that share an interpreter, each of
them costs more than a short statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import aiosqlite

_CHUNK = 64


class OneTripCursor:
    """What SQLAlchemy asks of a cursor; all rows are there as soon as the statement was executed."""

    arraysize = 1

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None
        self.rowcount, self.lastrowid = -1, 0

    async def __aenter__(self) -> OneTripCursor:
        """Nothing is made before there is a statement."""
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> OneTripCursor:
        """Execute one statement and fetch its rows. Raises sqlite3.Error."""
        return await self._carry_out(lambda cursor: cursor.execute(statement, parameters))  # type: ignore[arg-type]

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> OneTripCursor:
        """Execute one statement with many parameters. Raises sqlite3.Error."""
        return await self._carry_out(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchall(self) -> list[Any]:
        """The rows."""
        return self._rows

    async def close(self) -> None:
        """Nothing is open."""

    async def _carry_out(self, act: Callable[[sqlite3.Cursor], Any]) -> OneTripCursor:
        self.description, self.rowcount, self.lastrowid, self._rows = await self._connection.carry_out(act)
        return self


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors make one trip a statement."""

    def cursor(self) -> OneTripCursor:  # type: ignore[override]
        """A cursor; making it is no trip."""
        return OneTripCursor(self)

    async def carry_out(self, act: Callable[[sqlite3.Cursor], Any]) -> tuple[Any, int, Any, list[Any]]:
        """Do something with a cursor in the connection's thread: (description, rowcount, lastrowid, rows)."""

        def run() -> tuple[Any, int, Any, list[Any]]:
            cursor = self._conn.cursor()
            try:
                act(cursor)
                rows = cursor.fetchall() if cursor.description else []
                return cursor.description, cursor.rowcount, cursor.lastrowid, rows
            finally:
                cursor.close()

        found: tuple[Any, int, Any, list[Any]] = await self._execute(run)  # type: ignore[no-untyped-call]
        return found


def connect(database: str, **options: Any) -> OneTripConnection:
    """A connection, opened as it is awaited; its thread does not keep the process."""
    connection = OneTripConnection(partial(sqlite3.connect, database, **options), _CHUNK)
    connection._thread.daemon = True
    return connection
