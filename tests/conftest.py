"""Fixtures for all tests: databases, an installation on them, and a Temporal server. Each imports what it needs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer
    from temporalio.testing import WorkflowEnvironment

    from connector.store.engine.database import Database
    from tests.support.databases import PostgreSQL
    from tests.support.installation import Installation
    from tests.support.system import System
    from tests.support.workspace import Workspace

UNFINISHED_HANDLERS = ("UnfinishedUpdateHandlersWarning", "UnfinishedSignalHandlersWarning")
PARTS = ("parallel", "paired", "serial")
SHARED_MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 * 1024**3
_STATUS: list[int] = []

# Each test copies a database of some 300 files, which takes 15 ms in memory and up to 300 ms on a disk.
if "TMPDIR" not in os.environ and SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > ROOM_BYTES:
    os.environ["TMPDIR"] = tempfile.tempdir = str(SHARED_MEMORY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=PARTS, help="only tests with this mark; parallel: those with neither")
    parser.addoption("--part-list", type=Path, help="a file with the tests of each part, written by the first")
    parser.addoption("--parity-stories", type=int, help="how many stories of each theme tests/parity plays")
    parser.addoption("--load", choices=("small", "full"), default="small", help="the load of tests/security")


@pytest.hookimpl(trylast=True)  # after conftest.py files in subfolders, which mark tests, and after -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the part that was asked for; a workflow that ends with unfinished handlers fails its test."""
    if "temporalio.workflow" in sys.modules:  # in pyproject.toml the filters would import it for every test of a rule
        for name in UNFINISHED_HANDLERS:
            config.addinivalue_line("filterwarnings", f"error::temporalio.workflow.{name}")
    if part := config.getoption("part"):
        of_part: dict[str, list[pytest.Item]] = {name: [] for name in PARTS}
        for item in items:
            of_part[_part_of(item)].append(item)
        items[:] = of_part[part]
        config.hook.pytest_deselected(items=[item for name in PARTS if name != part for item in of_part[name]])
        if path := config.getoption("part_list"):
            _compare_parts(config, path, {name: [item.nodeid for item in of_part[name]] for name in PARTS})
    items.sort(key=_timeout, reverse=True)  # tests of minutes first, so that no process waits for another at the end


def _part_of(item: pytest.Item) -> str:
    return next((name for name in PARTS if item.get_closest_marker(name)), "parallel")


def _compare_parts(config: pytest.Config, path: Path, ids: dict[str, list[str]]) -> None:
    """Write down in the parallel part what is left to the others; fail in another one if a test of it is missing."""
    part = config.getoption("part")
    if part != "parallel":
        if missing := {*_read_part(config)} - {*ids[part]}:
            pytest.exit(f"tests that were not collected again: {', '.join(sorted(missing))}", returncode=4)
    elif os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
        left = {name: of_part for name, of_part in ids.items() if name != part}  # few of all: each file asks for them
        path.write_text(json.dumps(left))


def _read_part(config: pytest.Config) -> list[str]:
    """Return the ids of this part's tests; none: they are not known, or every file is read anyway."""
    part, path = config.getoption("part"), config.getoption("part_list")
    if part in (None, "parallel") or path is None or not path.exists():
        return []
    ids: list[str] = json.loads(path.read_text())[part]
    return ids


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import some hundred files again for a part to which the parallel part left none of their tests."""
    if not collection_path.name.startswith("test_") or not (ids := _read_part(config)):
        return None
    files = {id.partition("::")[0] for id in ids}
    return collection_path.relative_to(config.rootpath).as_posix() not in files or None


def _timeout(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return marker.args[0] if marker else 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _STATUS.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Skip the interpreter's own exit, at which Temporal's SDK sometimes aborts on CPython 3.11.

    A worker of pytest-xdist has sent its results by then.
    """
    if _STATUS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_STATUS[-1])


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what a test configures of logging."""
    import structlog

    from starter import terminal

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks
    terminal._is_logged = False
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, one for the session (with pytest-xdist: one for each worker)."""
    from bench.databases import find_binaries
    from tests.support.databases import PostgreSQL

    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin")
    server = PostgreSQL(binaries)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: PostgreSQL) -> str:
    from tests.support.databases import migrate_database

    name = postgresql_server.create("migrated")
    migrate_database(postgresql_server.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.databases import migrate_database

    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate_database(f"sqlite+aiosqlite:///{path}")
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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'connector.db'}"
    server = request.getfixturevalue("postgresql_server")
    return str(server.url(server.create()))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh migrated database, of each kind in turn."""
    from tests.support.databases import open_migrated_database

    async with open_migrated_database(database_url) as opened:
        yield opened


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A fresh migrated SQLite file."""
    from tests.support.databases import open_migrated_database

    async with open_migrated_database(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    """A fresh migrated PostgreSQL database."""
    from tests.support.databases import open_migrated_database

    async with open_migrated_database(postgresql_url) as opened:
        yield opened


@pytest.fixture
def installation(database: Database) -> Installation:
    """An installation, on each of the two databases."""
    from tests.support.installation import Installation

    return Installation(database)


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server with virtual time, set up as `connector setup` does; one for the session or worker."""
    from connector.temporal.client import register_search_attributes
    from tests.support.temporal_server import open_environment

    async with await open_environment() as started:
        await register_search_attributes(started.client)
        yield started


@pytest.fixture
async def workspace(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Workspace]:
    """A workspace with its worker running, in real time."""
    from tests.support.workspace import Workspace, settings_for, working

    opened = Workspace(sqlite_database, environment)
    with environment.with_time_skipping_disabled():
        async with working(environment, settings_for(opened.name, sqlite_url, tmp_path)):
            yield opened


@pytest.fixture
async def system(
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    httpserver: HTTPServer,
) -> AsyncIterator[System]:
    """The whole system, for one test."""
    from tests.support.system import running_system

    async with running_system(environment, sqlite_database, sqlite_url, tmp_path, httpserver) as opened:
        yield opened
