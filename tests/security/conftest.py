"""What attacks need: their load, and the whole system for those that go through all of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from tests.support.databases import PostgreSQL
from tests.support.system import System, running_system

Load = Callable[[int, int], int]
"""Choose one of two sizes of an attack."""


@pytest.fixture
def load(pytestconfig: pytest.Config) -> Load:
    """The size of an attack: the small one shows the principle in CI, the full one (`make attack`) is the real load."""
    return lambda small, full: full if pytestconfig.getoption("load") == "full" else small


@pytest.fixture
async def system(
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    httpserver: HTTPServer,
) -> AsyncIterator[System]:
    """The whole system, for one test."""
    async with running_system(environment, sqlite_database, sqlite_url, tmp_path, httpserver) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a migrated database, of each kind in turn, for a process that serves all tests of a module."""
    template = request.getfixturevalue(f"_{request.param}_template")
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path_factory.mktemp('sqlite') / 'connector.db')}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    name = server.create(template=template)
    yield server.url(name)
    server.drop(name)
