"""The database, SQLite or PostgreSQL: one way to write, one way to read.

ConnectorError
└── StoreUnavailable     the database cannot be reached, or cannot write now
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
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
"""How long a writer of this process waits for its turn before it gives up with StoreUnavailable."""


class StoreUnavailable(ConnectorError):
    """The database cannot be reached or cannot write now. Nothing of the transaction was kept; try again later."""


@dataclass
class StatementCount:
    """The statements sent while counting, in order; one executemany is one statement."""

    statements: list[str] = field(default_factory=list)


class Database:
    """One database of one process and event loop, from `open` to `close`."""

    def __init__(self, dialect: Dialect, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.dialect = dialect
        self._writer = writer
        self._reader = reader
        self._write_turn = asyncio.Lock() if dialect == "sqlite" else None
        self._shared_turn = asyncio.Lock()

    @classmethod
    def open(cls, url: str) -> Database:
        """Prepare a database: nothing is connected yet, but a SQLite file's folder is created.

        Args:
            url: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name`, with or without the driver.

        Raises:
            ValueError: it is another kind of database, or SQLite in memory, which two connections cannot share.
        """
        return cls(*open_engines(url))

    @property
    def max_group_transactions(self) -> int:
        """How many transactions of one group commit run at a time.

        SQLite has one writer; on PostgreSQL, others proceed while one waits for a user's lock.
        """
        return 1 if self.dialect == "sqlite" else 4

    @asynccontextmanager
    async def write(self, workspace: str, *, lock: Lock = "shared") -> AsyncIterator[Transaction]:
        """Begin a transaction under the workspace's catalogue lock; commit it at the end, roll it back on any error.

        Args:
            workspace: whose catalogue is locked.
            lock: `shared` for ingesting and sending, `exclusive` for orders, which then run alone (guarantee 1). SQLite
                has one writer at a time, so that both are the same there.

        Raises:
            StoreUnavailable: the database cannot be reached, or the connection was lost.
        """
        async with self._turn(lock), _begin(self._writer) as connection:
            if self.dialect == "postgresql":
                await connection.execute(select(_catalogue_lock(workspace, lock)))
            yield Transaction(connection, workspace)

    @asynccontextmanager
    async def _turn(self, lock: Lock) -> AsyncIterator[None]:
        """Wait for the turn to write, which one transaction at a time has on SQLite.

        Only the first of the shared writers waits for it, so that an order waits for one transaction, not for a queue.
        """
        if self._write_turn is None:
            yield
            return
        async with AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    if lock == "shared":
                        await turns.enter_async_context(self._shared_turn)
                    await turns.enter_async_context(self._write_turn)
            except TimeoutError:
                raise StoreUnavailable("other writers are first; try again later") from None
            yield

    @asynccontextmanager
    async def read(self, workspace: str) -> AsyncIterator[Transaction]:
        """Begin a read-only snapshot: all of its statements see the same moment. Raises StoreUnavailable."""
        async with _begin(self._reader) as connection:
            yield Transaction(connection, workspace)

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    @contextmanager
    def count_statements(self) -> Iterator[StatementCount]:
        """Collect the statements that this process sends inside the block, for tests and the bench."""
        count = StatementCount()

        def record(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            count.statements.append(statement)

        # On PostgreSQL the reader is the writer's engine with other options, and shares its listeners.
        engines = (self._writer, self._reader) if self.dialect == "sqlite" else (self._writer,)
        for engine in engines:
            event.listen(engine.sync_engine, "before_cursor_execute", record)
        try:
            yield count
        finally:
            for engine in engines:
                event.remove(engine.sync_engine, "before_cursor_execute", record)


@asynccontextmanager
async def _begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.begin() as connection:
            try:
                yield connection
            except (asyncio.CancelledError, AssertionError):
                # Cancelled inside a statement: psycopg can leave it half done, or fail an assertion of its own.
                await connection.invalidate()
                raise
    except PoolTimeoutError as error:
        raise StoreUnavailable("every connection to the database is busy; try again later") from error
    except DBAPIError as error:
        if _means_unavailable(error):
            raise StoreUnavailable(f"the database cannot be used now: {type(error.orig).__name__}") from error
        raise


_TRANSIENT_SQLITE_ERRORS = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_IOERR",
    "SQLITE_FULL",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)

_TRANSIENT_POSTGRESQL_ERRORS = ("40001", "40P01", "55P03")
"""Serialization failure, deadlock, lock timeout: the caller tries again."""


def _means_unavailable(error: DBAPIError) -> bool:
    # An error without a statement was raised by connecting or committing.
    is_lost = error.connection_invalidated or error.statement is None
    if is_lost and isinstance(error, OperationalError | InterfaceError):
        return True
    if getattr(error.orig, "sqlstate", None) in _TRANSIENT_POSTGRESQL_ERRORS:
        return True
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(_TRANSIENT_SQLITE_ERRORS)


def _catalogue_lock(workspace: str, lock: Lock) -> Any:
    digest = hashlib.sha256(f"campaign-connector/catalogue/{workspace}".encode()).digest()
    key = cast(literal(int.from_bytes(digest[:8], "big", signed=True)), BigInteger)
    return func.pg_advisory_xact_lock(key) if lock == "exclusive" else func.pg_advisory_xact_lock_shared(key)
