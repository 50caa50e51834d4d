"""The database: SQLite embedded, PostgreSQL where one machine is not enough; one way to write, one to read.

ConnectorError
└── StoreUnavailable     the database cannot be reached, or cannot take anything in now
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import BigInteger, cast, event, func, literal, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.rules.model.errors import ConnectorError
from connector.store.engine.engines import open_engines
from connector.store.engine.transaction import Dialect, Transaction, database_now

__all__ = ["Database", "Lock", "StatementCount", "StoreUnavailable", "database_now"]

Lock = Literal["shared", "exclusive"]

WAIT_SECONDS = 15.0
"""How long a writer of this process waits for its turn before it is told to try again later."""


class StoreUnavailable(ConnectorError):
    """The database cannot be reached or cannot write now. Nothing of the transaction was kept; try again later."""


@dataclass
class StatementCount:
    """The statements sent while counting, in order; one executemany is one statement."""

    statements: list[str] = field(default_factory=list)


class Database:
    """One database of one process and event loop. Open it with `open`, end it with `close`."""

    def __init__(self, dialect: Dialect, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.dialect = dialect
        self._writer = writer
        self._reader = reader
        self._one_at_a_time = asyncio.Lock() if dialect == "sqlite" else None

    @classmethod
    def open(cls, url: str) -> Database:
        """Prepare a database; nothing is connected yet, but a SQLite file's folder is made.

        Args:
            url: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name`, with or without the driver.

        Raises:
            ValueError: another kind of database, or SQLite in memory, which two connections cannot share.
        """
        return cls(*open_engines(url))

    @asynccontextmanager
    async def write(self, workspace: str, *, lock: Lock = "shared") -> AsyncIterator[Transaction]:
        """One transaction under the workspace's catalogue lock; committed at the end, rolled back on any error.

        Args:
            workspace: whose catalogue is locked.
            lock: `shared` for intake and sends, `exclusive` for orders, which then run alone (guarantee 1). SQLite
                knows one writer at a time, so there both are the same.

        Raises:
            StoreUnavailable: the database cannot be reached, or was lost on the way.
        """
        async with self._turn(), _begin(self._writer) as connection:
            if self.dialect == "postgresql":
                await connection.execute(select(_catalogue_lock(workspace, lock)))
            yield Transaction(connection, workspace)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The turn to write, which SQLite gives to one at a time."""
        if self._one_at_a_time is None:
            yield
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            raise StoreUnavailable("others write first; try again later") from None
        try:
            yield
        finally:
            self._one_at_a_time.release()

    @asynccontextmanager
    async def read(self, workspace: str) -> AsyncIterator[Transaction]:
        """One read-only snapshot: every statement in it sees the same moment. Raises StoreUnavailable."""
        async with _begin(self._reader) as connection:
            yield Transaction(connection, workspace)

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    @contextmanager
    def count_statements(self) -> Iterator[StatementCount]:
        """Collect the statements that this process sends meanwhile, for tests and the bench."""
        count = StatementCount()

        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            count.statements.append(statement)

        # On PostgreSQL the reader is the writer with other options, and hears what the writer hears.
        engines = (self._writer, self._reader) if self.dialect == "sqlite" else (self._writer,)
        for engine in engines:
            event.listen(engine.sync_engine, "before_cursor_execute", note)
        try:
            yield count
        finally:
            for engine in engines:
                event.remove(engine.sync_engine, "before_cursor_execute", note)


@asynccontextmanager
async def _begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.begin() as connection:
            try:
                yield connection
            except (asyncio.CancelledError, AssertionError):
                # Cancelled in a statement: psycopg can leave it in the middle, or say so by an assertion of its own.
                await connection.invalidate()
                raise
    except PoolTimeoutError as error:
        raise StoreUnavailable("every connection to the database is busy; try again later") from error
    except DBAPIError as error:
        if _means_unavailable(error):
            raise StoreUnavailable(f"the database cannot be used now: {type(error.orig).__name__}") from error
        raise


_SQLITE_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_READONLY")

_POSTGRESQL_PASSING = ("40001", "40P01", "55P03")
"""Serialization failure, deadlock, a lock waited for too long: we give way, and trying again is the answer."""


def _means_unavailable(error: DBAPIError) -> bool:
    # An error without a statement came while connecting or committing.
    lost = error.connection_invalidated or error.statement is None
    if lost and isinstance(error, OperationalError | InterfaceError):
        return True
    if getattr(error.orig, "sqlstate", None) in _POSTGRESQL_PASSING:
        return True
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(_SQLITE_PASSING)


def _catalogue_lock(workspace: str, lock: Lock) -> Any:
    digest = hashlib.sha256(f"campaign-connector/catalogue/{workspace}".encode()).digest()
    key = cast(literal(int.from_bytes(digest[:8], "big", signed=True)), BigInteger)
    return func.pg_advisory_xact_lock(key) if lock == "exclusive" else func.pg_advisory_xact_lock_shared(key)
