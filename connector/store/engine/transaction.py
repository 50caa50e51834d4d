"""The transaction object that every function of the store takes first, and the database's clock (guarantee 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVarTuple, cast, overload

from sqlalchemy import ColumnElement, CursorResult, Executable, FromClause, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TypedReturnsRows

from connector.store.engine.mark_secrets import MarkSecrets
from connector.store.tables import Instant

Dialect = Literal["sqlite", "postgresql"]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
_Ts = TypeVarTuple("_Ts")


@dataclass(frozen=True)
class Head:
    """The catalogue's version, and when it last changed (UTC). Version 0: nothing was ever saved.

    `read_at` is the database's clock when the head was read, under the lock that the transaction held then.
    """

    version: int
    changed_at: datetime | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction, or one read-only snapshot, of one workspace.

    Args:
        mark_secrets: the secrets of the database, for the marks of erased users.
        head: the catalogue's head as read in this transaction; None unless `with_current_catalogue` began it.
        after_commit: called when the transaction is committed, to count what it did.
    """

    connection: AsyncConnection
    workspace: str
    mark_secrets: MarkSecrets
    head: Head | None = None
    after_commit: list[Callable[[], None]] = field(default_factory=list)

    @property
    def dialect(self) -> Dialect:
        """The database's kind."""
        return cast(Dialect, self.connection.dialect.name)

    @property
    def now(self) -> datetime:
        """The database's clock when the head was read (UTC), never before the catalogue's last change.

        A clock that was set back could otherwise date an interaction before the order that it comes after.

        Raises:
            RuntimeError: this transaction has read no head.
        """
        if self.head is None:
            raise RuntimeError("only a transaction of with_current_catalogue has a time; use database_now()")
        return max(self.head.read_at, self.head.changed_at or self.head.read_at)

    def as_of(self, at: datetime) -> Transaction:
        """Return the same transaction with the database's clock read again, at `at` (UTC)."""
        return self if self.head is None else replace(self, head=replace(self.head, read_at=at))

    def in_workspace(self, table: FromClause) -> ColumnElement[bool]:
        """Return the condition that a row of `table` belongs to the transaction's workspace."""
        condition: ColumnElement[bool] = table.c.workspace == self.workspace
        return condition

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*_Ts], parameters: Parameters | None = None
    ) -> CursorResult[*_Ts]: ...
    @overload
    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement; with a sequence of parameters, once for each of them (executemany)."""
        return await self.connection.execute(statement, parameters)


def clock(tx: Transaction, *, ahead: timedelta = timedelta()) -> ColumnElement[datetime]:
    """Return the present time, not the transaction's begin, as a column of a statement. SQLite has milliseconds.

    Args:
        ahead: by how much later than the present.
    """
    if tx.dialect == "postgresql":
        now: Any = func.clock_timestamp() + ahead
    else:
        now = func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{ahead.total_seconds()} seconds")
    return type_coerce(now, Instant)


async def database_now(tx: Transaction) -> datetime:
    """Return the database's present time, in aware UTC."""
    now: datetime = (await tx.execute(select(clock(tx)))).scalar_one()
    return now
