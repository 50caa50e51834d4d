"""The command line both ways: on the store, and over HTTP against the real API on the same database.

A test that uses `connector` runs twice, unless it or its module is marked `store_only` with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from connector.app.configuration import read_settings
from connector.app.logs import configure_logs
from starter.commands.places import OFFLINE, REFUSED
from tests.support.api import KEY, Connector
from tests.support.served_api import serving_api

_LOCAL = {*REFUSED, *OFFLINE}


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
    from starter.cli import run_command

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


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> str:
    """The caller to whom idempotency keys of `connector` belong."""
    return "command line" if request.node.callspec.params["connector"] == "store" else "env-1"
