"""Where commands run if CONNECTOR_API_URL is set: most call the API; those named here cannot, and say why.

Cheap to import: the program checks it before it imports a command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from connector.rules.model.errors import ConnectorError

URL_VARIABLE = "CONNECTOR_API_URL"

REFUSED = {
    "dev": "it starts everything on this machine, and the other commands would call that API instead",
    "worker": "it works on the database and Temporal of its own settings",
    "api": "it serves the database of its own settings",
    "codec-server": "it serves the keys of its own settings",
    "console": "it shows the database of its own settings",
    "setup": "it changes the tables of the database of its own settings",
}
"""Commands about this machine or its own settings; somebody who names an API does not mean them."""

OFFLINE = {
    "demo": "it starts everything in a temporary folder, and reads no settings of this machine",
    **dict.fromkeys(("init", "schema", "simulate", "validate"), "it needs files only"),
    "settings": "it shows what holds in this process",
}
"""Commands that need neither the database nor the API, and do the same with CONNECTOR_API_URL as without."""

_HELP = {"-h", "--help"}


class NotOverHttp(ConnectorError):
    """CONNECTOR_API_URL is set, and the command does not call an API."""


def is_remote() -> bool:
    """Whether commands call the API."""
    return any(value for name, value in os.environ.items() if name.upper() == URL_VARIABLE)


def check_place(command: str, words: Sequence[str]) -> None:
    """Check that a command works here.

    Args:
        words: the command's arguments; its help can be read anywhere.

    Raises:
        NotOverHttp: it does not, because CONNECTOR_API_URL is set; says why.
    """
    why = REFUSED.get(command)
    if why is not None and is_remote() and not _HELP & set(words):
        raise NotOverHttp(f"`connector {command}` does not call {URL_VARIABLE}: {why}; unset it to run this here")
