"""The load of attacks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.support.databases import PostgreSQL

Load = Callable[[int, int], int]
"""Choose one of two sizes of an attack."""


@pytest.fixture
def load(pytestconfig: pytest.Config) -> Load:
    """The size of an attack: the small one shows the principle in CI, the full one (`make attack`) is the real load."""
    return lambda small, full: full if pytestconfig.getoption("load") == "full" else small


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
