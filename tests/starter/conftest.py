"""The parts on a real database, with Temporal away unless a test says otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.cli import run_command
from tests.support.api import NOWHERE, Connector, open_client


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


@pytest.fixture
def connector(capsys: pytest.CaptureFixture[str]) -> Connector:
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
