"""Checks before a process starts its work: the data folder, the tables, the ports.

ConnectorError
├── NotSetUp   the data folder is missing
└── PortTaken  a port is in use
"""

from __future__ import annotations

import socket

from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.engine.revision import WrongTables, load_revision_fault


class NotSetUp(ConnectorError):
    """The settings name a data folder that does not exist."""


class PortTaken(ConnectorError):
    """Another program listens on the port, or the address does not belong to this machine."""


def check_data_folder(settings: Settings) -> None:
    """Check that the data folder exists, so that no command creates an empty one by accident. Raises NotSetUp."""
    if settings.database_url is None and not settings.data.exists():
        raise NotSetUp(
            f"there is no folder {settings.data}; begin with `connector dev` or `connector setup`, "
            "or name the folder with --data"
        )


async def check_tables(database: Database) -> None:
    """Check that this program can work with the tables. Raises WrongTables, and StoreUnavailable during an outage."""
    if fault := await load_revision_fault(database):
        raise WrongTables(fault.sentence)


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Open a listening socket; port 0 means any free port.

    Args:
        option: the command line option that chooses another port, for the error's message.

    Raises:
        PortTaken: the message has the reason, and names the option.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise PortTaken(f"cannot listen on {host}:{port}: {why}; choose another port with {option}") from None


def find_free_port(port: int, *, option: str) -> int:
    """Return the port if it is free on loopback, for port 0 any free one. Raises PortTaken as `listen` does."""
    with listen("127.0.0.1", port, option=option) as probe:
        chosen: int = probe.getsockname()[1]
        return chosen
