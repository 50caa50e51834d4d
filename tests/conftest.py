"""Databases for the tests: SQLite files, and a throwaway PostgreSQL server that lives as long as the session."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from tests.support.installation import House

_STATUS: list[int] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _STATUS.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without the interpreter's own end, in which Temporal's SDK sometimes aborts on CPython 3.11."""
    if _STATUS and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_STATUS[-1])


class PostgreSQL:
    """A PostgreSQL server of our own in a temporary folder, reachable through a Unix socket only."""

    def __init__(self, binaries: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="connector-pg-"))
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._account = _account()
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        data = str(self.folder / "data")
        initdb = [binaries / "initdb", "-D", data, "-U", "connector", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._account)
        options = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200")
        settings = [word for option in options for word in ("-c", option)]
        self._log = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", str(self.folder), *settings],
            stdout=self._log, stderr=self._log, cwd="/", preexec_fn=_die_with_parent, **self._account,
        )  # fmt: skip
        self._wait()

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://connector@/{name}?host={self.folder}"

    def create(self, name: str | None = None, *, template: str = "template0") -> str:
        """Make a database, as a copy of `template`; gives back its name."""
        name = name or next(self._names)
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="connector", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    log = (self.folder / "server.log").read_text()
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start:\n{log}") from None
                time.sleep(0.05)


def _binaries() -> Path | None:
    """Where `initdb` and `postgres` are: on the PATH, else in the newest of the distribution's folders."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: the account to run it as then, else nothing."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    """On Linux a killed test session takes its server with it (PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _migrated(url: str) -> None:
    async def run() -> None:
        database = Database.open(url)
        await migrate(database)
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # a loop of its own, whether or not the session's is running
        thread.submit(asyncio.run, run()).result()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin")
    server = PostgreSQL(binaries)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: PostgreSQL) -> str:
    name = postgresql_server.create("migrated")
    _migrated(postgresql_server.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrated(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL, _postgresql_template: str) -> Iterator[str]:
    """The URL of a fresh migrated PostgreSQL database."""
    name = postgresql_server.create(template=_postgresql_template)
    yield postgresql_server.url(name)
    postgresql_server.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The URL of a fresh migrated SQLite file."""
    path = shutil.copy(_sqlite_template, tmp_path / "connector.db")
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh migrated database, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh migrated database, of each kind in turn."""
    async for opened in _opened(database_url):
        yield opened


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    async for opened in _opened(sqlite_url):
        yield opened


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    async for opened in _opened(postgresql_url):
        yield opened


async def _opened(url: str) -> AsyncIterator[Database]:
    opened = Database.open(url)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def house(database: Database) -> House:
    """A small running house, on each of the two databases."""
    return House(database)
