"""A PostgreSQL server for each test, because the tests stop, fill or starve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from bench.databases import find_binaries
from tests.support.databases import PostgreSQL, migrate_database

StartServer = Callable[..., PostgreSQL]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers with these options, which end with the test."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin")
    with ExitStack() as stack:

        def start(*options: str, standby_of: PostgreSQL | None = None) -> PostgreSQL:
            server = PostgreSQL(binaries, *options, standby_of=standby_of)
            stack.callback(server.stop)
            stack.callback(server.resume)
            return server

        yield start


@pytest.fixture
def server(start_server: StartServer) -> PostgreSQL:
    """A server with the migrated database `connector`."""
    started = start_server()
    migrate_database(started.url(started.create("connector")))
    return started
