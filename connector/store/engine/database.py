"""The database, SQLite or PostgreSQL: one way to write, one way to read, and no wait without a bound (guarantee 9)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import BigInteger, cast, event, func, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.metrics import LOCK_WAITS, OUTAGES
from connector.store.engine.engines import open_engines
from connector.store.engine.failures import Place, describe_failure, find_outage
from connector.store.engine.mark_secrets import MarkSecrets
from connector.store.engine.outages import Health, Outage, StoreUnavailable
from connector.store.engine.sqlite_log import truncate_log
from connector.store.engine.transaction import Dialect, Transaction, database_now

__all__ = ["Database", "Lock", "StatementCount", "StoreUnavailable", "database_now"]

Lock = Literal["shared", "exclusive", "none"]

WAIT_SECONDS = 15.0
"""The deadline of a transaction, and of the wait for a turn or a connection before it, unless the caller gives one."""
LONG_SECONDS = 600.0
"""The deadline for work on many rows, such as results and erasure."""
MAX_CONNECTIONS = 20
"""Connections of one process to PostgreSQL, unless the settings say otherwise."""
_GRACE_SECONDS = 1.0
"""How much longer this process waits than the server: a server that is alive ends a slow statement itself."""
_SLOT_PAUSE_SECONDS = 0.25
"""How often to try again while the server has no slot for another connection."""


@dataclass
class StatementCount:
    """The statements sent while counting, in order; one executemany is one statement."""

    statements: list[str] = field(default_factory=list)


class Database:
    """One database of one process and event loop, from `open` to `close`."""

    def __init__(
        self,
        dialect: Dialect,
        writer: AsyncEngine,
        reader: AsyncEngine,
        seconds: float,
        max_connections: int,
        mark_secrets: MarkSecrets,
    ) -> None:
        self.dialect = dialect
        self._mark_secrets = mark_secrets
        self.health = Health()
        self._writer = writer
        self._reader = reader
        self._place = Place.of(writer.url)
        self._seconds, self._max_connections = seconds, max_connections
        self._write_turn = asyncio.Lock() if dialect == "sqlite" else None
        self._shared_turn = asyncio.Lock()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        seconds: float = WAIT_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        erasure_secret: str | None = None,
    ) -> Database:
        """Prepare a database: nothing is connected yet, but a SQLite file's folder is created.

        Args:
            url: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name`, with or without the driver.
            seconds: the deadline of transactions that are begun without one.
            max_connections: to PostgreSQL.
            erasure_secret: makes the marks of erased users; None: the secret that the database keeps.

        Raises:
            ValueError: it is another kind of database, or SQLite in memory, which two connections cannot share.
        """
        engines = open_engines(url, seconds, max_connections)
        return cls(*engines, seconds, max_connections, MarkSecrets(erasure_secret))

    @property
    def max_group_transactions(self) -> int:
        """How many transactions of one group commit run at a time.

        SQLite has one writer; on PostgreSQL, others proceed while one waits for a user's lock.
        """
        return 1 if self.dialect == "sqlite" else 4

    @asynccontextmanager
    async def write(
        self, workspace: str, *, lock: Lock = "shared", seconds: float | None = None
    ) -> AsyncIterator[Transaction]:
        """Begin a transaction under the workspace's catalogue lock; commit it at the end, roll it back on any error.

        Args:
            workspace: whose catalogue is locked.
            lock: `shared` for ingesting and sending, `exclusive` for orders, which then run alone (guarantee 1). SQLite
                has one writer at a time, so that both are the same there. `none` for what no order affects, such as the
                audit trail: it waits for no order, and for no queue of shared writers.
            seconds: the deadline on PostgreSQL; None: that of the database. Waits for a lock end by then as well.

        Raises:
            StoreUnavailable: the database cannot be reached, cannot write, or did not answer before the deadline.
        """
        after_commit: list[Callable[[], None]] = []
        async with self._turn(lock), self._begin(self._writer, seconds, writing=True) as connection:
            if self.dialect == "postgresql" and lock != "none":
                with LOCK_WAITS.labels("catalogue").time():
                    await connection.execute(select(_catalogue_lock(workspace, lock)))
            yield Transaction(connection, workspace, self._mark_secrets, after_commit=after_commit)
        for act in after_commit:
            act()

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
                with LOCK_WAITS.labels("writer").time():
                    async with asyncio.timeout(self._seconds):
                        if lock == "shared":
                            await turns.enter_async_context(self._shared_turn)
                        await turns.enter_async_context(self._write_turn)
            except TimeoutError:
                raise StoreUnavailable("the database is busy with other writers; try again later") from None
            yield

    @asynccontextmanager
    async def read(self, workspace: str, *, seconds: float | None = None) -> AsyncIterator[Transaction]:
        """Begin a read-only snapshot: all its statements see the same moment. Raises StoreUnavailable like `write`."""
        async with self._begin(self._reader, seconds, writing=False) as connection:
            yield Transaction(connection, workspace, self._mark_secrets)

    async def truncate_log(self) -> bool:
        """Empty SQLite's write-ahead log, so that it keeps no deleted values; return whether that was possible now.

        It waits some seconds at most, for readers of an old snapshot, and delays no transaction. PostgreSQL's log is
        the server's: there it does nothing.
        """
        path = self._writer.url.database
        return self.dialect == "postgresql" or path is None or await truncate_log(path)

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
    async def _begin(
        self, engine: AsyncEngine, given: float | None, *, writing: bool
    ) -> AsyncIterator[AsyncConnection]:
        """Begin a transaction that ends before its deadline; translate the errors of an outage to StoreUnavailable."""
        seconds = self._seconds if given is None else given
        try:
            connection = await self._connect(engine, min(seconds, self._seconds))
            async with aclosing(connection), connection.begin():
                try:
                    await self._set_deadline(connection, seconds)
                    yield connection
                except (asyncio.CancelledError, AssertionError):
                    # Cancelled inside a statement: the driver can leave it half done, or fail an assertion of its own.
                    await connection.invalidate()
                    raise
        except DBAPIError as error:
            outage = find_outage(error)
            if outage is None or (outage is Outage.READ_ONLY and not writing):
                raise
            raise self._unavailable(outage, error) from error
        self.health.record_success(writing=writing)

    async def _connect(self, engine: AsyncEngine, seconds: float) -> AsyncConnection:
        """Take a connection of the pool; while the server has no slot for another, try again until the deadline."""
        refused: DBAPIError | None = None
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                while True:
                    try:
                        return await engine.connect().start()
                    except DBAPIError as error:
                        if (outage := find_outage(error)) is not Outage.NO_SLOTS:
                            raise self._unavailable(outage or Outage.UNREACHABLE, error) from error
                        refused = error
                    await asyncio.sleep(_SLOT_PAUSE_SECONDS)
        except PoolTimeoutError as error:
            raise self._unavailable(Outage.BUSY, error) from error
        except TimeoutError as error:
            raise self._unavailable(Outage.NO_SLOTS if refused else self._why_waited(engine), error) from error

    def _why_waited(self, engine: AsyncEngine) -> Outage:
        is_exhausted = engine.pool.checkedout() >= self._max_connections  # type: ignore[attr-defined]
        return Outage.BUSY if is_exhausted or self.dialect == "sqlite" else Outage.SILENT

    async def _set_deadline(self, connection: AsyncConnection, seconds: float) -> None:
        """Set the deadline of this transaction in the driver, and on the server if it is longer than the session's."""
        if self.dialect == "sqlite" or connection.sync_connection is None:
            return
        driver: Any = connection.sync_connection.connection.driver_connection
        driver.deadline = asyncio.get_running_loop().time() + seconds + _GRACE_SECONDS
        if seconds > self._seconds:
            names = ("statement_timeout", "idle_in_transaction_session_timeout")
            await connection.execute(select(*(func.set_config(name, f"{seconds:.0f}s", True) for name in names)))

    def _unavailable(self, outage: Outage, error: BaseException) -> StoreUnavailable:
        failure = describe_failure(error, outage, self._place)
        self.health.record_failure(outage, failure.advice, failure.fields)
        OUTAGES.labels(outage.value).inc()
        return failure.as_error()


def _catalogue_lock(workspace: str, lock: Lock) -> Any:
    digest = hashlib.sha256(f"campaign-connector/catalogue/{workspace}".encode()).digest()
    key = cast(literal(int.from_bytes(digest[:8], "big", signed=True)), BigInteger)
    return func.pg_advisory_xact_lock(key) if lock == "exclusive" else func.pg_advisory_xact_lock_shared(key)
