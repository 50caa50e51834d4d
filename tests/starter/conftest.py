"""The parts on a real database, with Temporal away unless a test says otherwise.

The command line runs both ways: on the store, and over HTTP against the real API on the same database. A test that uses
`connector` runs twice, unless it or its module is marked `store_only` with the reason.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from connector.app.configuration import read_settings
from connector.app.context import AppContext, build_context
from connector.app.logs import configure_logs
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.cli import run_command
from starter.commands.places import OFFLINE, REFUSED
from tests.support.api import KEY, NOWHERE, Connector, open_client
from tests.support.served_api import serving_api

_LOCAL = {*REFUSED, *OFFLINE}


@pytest.fixture(autouse=True)
def _temporal_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """What the edges work with."""
    return build_context(Settings(), sqlite_database)


@pytest.fixture
async def api(context: AppContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid key."""
    async with open_client(context) as client:
        yield client


@pytest.fixture(autouse=True)
def _logging_restored(logging_restored: None) -> None:
    """The command line configures logging."""


@pytest.fixture
def data(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that has been set up."""
    monkeypatch.setenv("CONNECTOR_DATA", str(tmp_path))
    return tmp_path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the command line both ways."""
    if "connector" in metafunc.fixturenames:
        is_local = metafunc.definition.get_closest_marker("store_only") is not None
        metafunc.parametrize("connector", ["store"] if is_local else ["store", "http"], indirect=True)


@pytest.fixture
def connector(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Connector]:
    """Run the command line in this process: (exit code, standard output, standard error).

    Over HTTP, the API starts with the first command that calls it, with the environment of that moment; commands that
    do not call the API run on the store.
    """
    with ExitStack() as stack:
        served: list[str] = []

        def prepare(words: tuple[str, ...]) -> None:
            if request.param == "store" or not words or words[0] in _LOCAL or words[0].startswith("-"):
                return
            if not served:
                configure_logs("auto", level="ERROR")  # the API's lines would be among the command's
                served.append(stack.enter_context(serving_api(read_settings())))
            os.environ.update(CONNECTOR_API_URL=served[0], CONNECTOR_API_KEY=KEY)

        def run(*words: str) -> tuple[int, str, str]:
            prepare(words)
            capsys.readouterr()
            try:
                code = run_command(words)
            finally:
                for name in ("CONNECTOR_API_URL", "CONNECTOR_API_KEY"):
                    os.environ.pop(name, None)
            printed = capsys.readouterr()
            return code, printed.out, printed.err

        yield run
