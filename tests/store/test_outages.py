"""Which errors of a database are outages, and how readiness and the log report them."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from connector.store.engine.database import Database, database_now
from connector.store.engine.failures import find_outage
from connector.store.engine.outages import ADVICE, Health, Outage, StoreUnavailable
from connector.store.tables import receipts
from tests.support.api import Clock

W = "default"


def wrapped(error: psycopg.Error, statement: str | None) -> DBAPIError:
    """Wrap a driver's error as SQLAlchemy does."""
    return DBAPIError.instance(statement, {}, error, psycopg.Error)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (errors.ReadOnlySqlTransaction, Outage.READ_ONLY),
        (errors.FeatureNotSupported, Outage.UNREACHABLE),
        (errors.DiskFull, Outage.DISK_FULL),
        (errors.OutOfMemory, Outage.BUSY),
        (errors.ConfigurationLimitExceeded, Outage.BUSY),
        (errors.TooManyConnections, Outage.NO_SLOTS),
        (errors.AdminShutdown, Outage.SHUTTING_DOWN),
        (errors.CrashShutdown, Outage.SHUTTING_DOWN),
        (errors.CannotConnectNow, Outage.SHUTTING_DOWN),
        (errors.QueryCanceled, Outage.BUSY),
        (errors.IdleInTransactionSessionTimeout, Outage.BUSY),
        (errors.SerializationFailure, Outage.BUSY),
        (errors.DeadlockDetected, Outage.BUSY),
        (errors.LockNotAvailable, Outage.BUSY),
        (errors.ConnectionFailure, Outage.UNREACHABLE),
        (errors.IoError, Outage.UNREACHABLE),
        (errors.UniqueViolation, None),
        (errors.UndefinedTable, None),
        (errors.InsufficientPrivilege, Outage.DENIED),
    ],
)
def test_outages_by_sqlstate(error: type[psycopg.Error], outage: Outage | None) -> None:
    """An error that ends by itself or by an operator's action is an outage, whatever class the driver gives it."""
    assert find_outage(wrapped(error(), "SELECT 1")) is outage


@pytest.mark.parametrize(
    ("words", "outage"),
    [
        ("FATAL:  sorry, too many clients already", Outage.NO_SLOTS),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", Outage.NO_SLOTS),
        ('FATAL:  too many connections for role "connector"', Outage.NO_SLOTS),
        ("FATAL:  the database system is starting up", Outage.SHUTTING_DOWN),
        ("FATAL:  the database system is shutting down", Outage.SHUTTING_DOWN),
        ("FATAL:  the database system is not yet accepting connections", Outage.SHUTTING_DOWN),
        ("session is read-only", Outage.READ_ONLY),
        ("connection timeout expired", Outage.SILENT),
        ('FATAL:  password authentication failed for user "connector"', Outage.UNREACHABLE),
    ],
)
def test_outages_of_connecting(words: str, outage: Outage) -> None:
    """A refused connection has no SQLSTATE, so its message decides; an unknown message is `unreachable`."""
    assert find_outage(wrapped(psycopg.OperationalError(f"connection failed: {words}"), None)) is outage


def test_every_outage_has_a_way_out() -> None:
    """The log and `/readyz` have advice for each outage."""
    assert set(ADVICE) == set(Outage)


def test_health_logs_an_outage_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A failure of every request is one line; locks that were not free are none."""
    caplog.set_level("INFO")
    health = Health(Clock())
    for outage in (Outage.BUSY, Outage.SILENT, Outage.SILENT):
        health.record_failure(outage)
    health.record_success(writing=False)
    health.record_success(writing=False)
    assert caplog.messages == ["database_unavailable", "database_available"]
    assert caplog.records[0].__dict__["reason"] == "silent"


def test_health_logs_an_outage_that_comes_and_goes_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is short of slots refuses some connections and not others."""
    caplog.set_level("INFO")
    clock = Clock()
    health = Health(clock)
    for _ in range(120):
        health.record_failure(Outage.NO_SLOTS)
        health.record_success(writing=True)
        clock.now += 1
    assert caplog.messages == ["database_unavailable", "database_available"] * 2


def test_a_refused_write_counts_until_a_write_succeeds() -> None:
    """Reads say nothing about writes; after a while callers may try again."""
    clock = Clock()
    health = Health(clock)
    health.record_failure(Outage.DISK_FULL)
    health.record_success(writing=False)
    assert health.refuses_writes is Outage.DISK_FULL
    clock.now += 10
    assert health.refuses_writes is None
    health.record_failure(Outage.DISK_FULL)
    health.record_success(writing=True)
    assert health.refuses_writes is None


def test_a_lacking_privilege_is_logged_until_a_write_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    """Reads that succeed between refused writes are no end of the outage."""
    caplog.set_level("INFO")
    health = Health(Clock())
    for _ in range(3):
        health.record_failure(Outage.DENIED)
        health.record_success(writing=False)
    assert caplog.messages == ["database_unavailable"]
    health.record_success(writing=True)
    assert caplog.messages == ["database_unavailable", "database_available"]


async def _put(database: Database) -> None:
    async with database.write(W) as tx:
        row = {"workspace": W, "campaign": "c", "user_key": "k", "key": "", "received_at": await database_now(tx)}
        await tx.execute(insert(receipts), [row])


async def test_sqlite_that_becomes_read_only_and_writable_again(sqlite_url: str, sqlite_database: Database) -> None:
    """The connection that was refused is replaced, because SQLite opens a file read-only for its whole life."""
    async with sqlite_database.write(W) as tx:
        await tx.execute(text("PRAGMA query_only=ON"))
    with pytest.raises(StoreUnavailable) as caught:
        await _put(sqlite_database)
    assert caught.value.outage is Outage.READ_ONLY
    assert sqlite_database.health.refuses_writes is Outage.READ_ONLY
    await _put(sqlite_database)
    assert sqlite_database.health.refuses_writes is None


async def test_sqlite_without_space(sqlite_database: Database) -> None:
    """A full disk is an outage, and what was committed before it stays."""
    await _put(sqlite_database)
    async with sqlite_database.write(W) as tx:
        await tx.execute(text("CREATE TABLE ballast (bytes BLOB)"))
        pages = (await tx.execute(text("PRAGMA page_count"))).scalar_one()
        await tx.execute(text(f"PRAGMA max_page_count={pages}"))

    async def fill() -> None:
        async with sqlite_database.write(W) as tx:
            await tx.execute(text("INSERT INTO ballast VALUES (zeroblob(1000000))"))

    with pytest.raises(StoreUnavailable) as caught:
        await fill()
    assert caught.value.outage is Outage.DISK_FULL
    with pytest.raises(IntegrityError):
        await _put(sqlite_database)
