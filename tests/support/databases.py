"""A throwaway PostgreSQL server, and databases that are migrated once and copied for each test."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, delete

from bench.databases import server_account
from connector.store import tables
from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from tests.support.repository import ROOT

_DEFINITIONS = {tables.catalogue, tables.entries, tables.revisions, tables.publications, tables.sequences}
_KEPT = {*_DEFINITIONS, tables.keys, tables.erasure_secret, tables.audit, tables.follow_up_counts}
"""Triggers keep the counts, which become 0 with the rows."""


class PostgreSQL:
    """A PostgreSQL server in a temporary folder, reachable only through a Unix socket unless it has a port.

    Args:
        standby_of: the server of which this one is a hot standby.
        port: on which it listens on loopback too.
    """

    def __init__(
        self, binaries: Path, *options: str, standby_of: PostgreSQL | None = None, port: int | None = None
    ) -> None:
        self._binaries, self._port = binaries, port or 5432
        if port is not None:
            options = ("listen_addresses=127.0.0.1", f"port={port}", *options)
        self.folder = Path(tempfile.mkdtemp(prefix="connector-pg-"))
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._account = server_account()
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        data = str(self.folder / "data")
        if standby_of is None:
            self._run("initdb", "-U", "connector", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        else:
            self._run("pg_basebackup", "-U", "connector", "-h", str(standby_of.folder), "-R", "-N", "-c", "fast")
        options = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200", *options)
        settings = [word for option in options for word in ("-c", option)]
        self._log = (self.folder / "server.log").open("wb")
        self._command = [binaries / "postgres", "-D", data, "-k", str(self.folder), *settings]
        version = self.start()
        self._strategy = " STRATEGY = FILE_COPY" if version >= 150000 else ""  # half the time of the default since 15

    def start(self) -> int:
        """Start the server, also again after `shut_down`, and return its version."""
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log, stderr=self._log, cwd="/", preexec_fn=die_with_parent, **self._account,
        )  # fmt: skip
        return self._wait()

    def shut_down(self) -> None:
        """End every connection and the server; its data stays."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)

    def crash(self) -> None:
        """End the server as a crash does (an immediate shutdown): it recovers when it starts again."""
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    @property
    def socket(self) -> Path:
        """The Unix socket on which it listens."""
        return self.folder / f".s.PGSQL.{self._port}"

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://connector@/{name}?host={self.folder}"

    def create(self, name: str | None = None, *, template: str = "template0", tablespace: str = "pg_default") -> str:
        """Create a database as a copy of `template`, and return its name."""
        name = name or next(self._names)
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" TABLESPACE "{tablespace}"{self._strategy}')
        return name

    def create_tablespace(self, name: str, folder: Path) -> None:
        """Create a tablespace in this folder."""
        place = folder / name
        place.mkdir()
        if self._account:
            os.chown(place, self._account["user"], self._account["group"])
        self._execute(f"CREATE TABLESPACE \"{name}\" LOCATION '{place}'")

    def drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def connect(self, name: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection without transactions to this database."""
        return psycopg.connect(host=str(self.folder), port=self._port, user="connector", dbname=name, autocommit=True)

    def execute(self, statement: str, *, name: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement outside of a transaction, and return its rows."""
        with self.connect(name) as connection:
            found = connection.execute(statement)  # type: ignore[call-overload]
            return found.fetchall() if found.description else []

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote")

    def suspend(self) -> None:
        """Stop every process of the server where it is (SIGSTOP): connections stay open, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let every process go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True
        )
        for pid in children.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def _run(self, program: str, *words: str) -> None:
        command = [self._binaries / program, "-D", str(self.folder / "data"), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._account)

    def stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _execute(self, statement: str) -> int:
        """Execute a statement, and return the server's version."""
        with self.connect() as connection:
            connection.execute(statement)  # type: ignore[call-overload]
            return connection.info.server_version

    def _wait(self) -> int:
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    log = (self.folder / "server.log").read_text()
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start:\n{log}") from None
                time.sleep(0.05)


def die_with_parent() -> None:
    """On Linux, stop the process that begins here when the test process is killed (PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def migrate_database(url: str) -> None:
    """Create the tables in an empty database."""

    async def run() -> None:
        database = Database.open(url)
        await migrate(database)
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # its own event loop, because the session's may be running
        thread.submit(asyncio.run, run()).result()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open the database at this URL until the block ends."""
    opened = Database.open(url)
    try:
        yield opened
    finally:
        await opened.close()


_COMPILED: dict[str, tuple[Any, Any]] = {}
"""For each kind of database SQLAlchemy's dialect and the statements that it has compiled in this process."""


@asynccontextmanager
async def open_migrated_database(url: str) -> AsyncIterator[Database]:
    """Open a migrated database as a process that has worked with it: the statement that is sent once has been sent.

    Statements are compiled once for all databases of a process, which halves the time of most tests with one.
    """
    async with open_database(url) as opened:
        async with opened.read("") as tx:
            await tx.mark_secrets.load(tx.connection)
        engines = [opened._writer.sync_engine, opened._reader.sync_engine]
        dialect, compiled = _COMPILED.setdefault(opened.dialect, (engines[1].dialect, engines[1]._compiled_cache))
        for engine in engines:
            engine.dialect, engine._compiled_cache = dialect, compiled
        yield opened


@asynccontextmanager
async def open_database_at(revision: str, url: str) -> AsyncIterator[Database]:
    """Open an empty database with the tables of an earlier revision."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "connector" / "store" / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with open_database(url) as opened:
        async with opened.write("default", lock="exclusive") as tx:
            await tx.connection.run_sync(upgrade)
        yield opened


async def forget_users(url: str) -> None:
    """Delete every row but those of campaigns, keys, secrets and the audit trail, which can only grow."""
    async with open_database(url) as opened, opened.write("default") as tx:
        for table in reversed(tables.metadata.sorted_tables):
            if table not in _KEPT:
                await tx.execute(delete(table))
