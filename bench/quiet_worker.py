"""`connector worker` with channels that do nothing: what the connector costs, without any provider.

Run as `python -m bench.quiet_worker`.
"""

from __future__ import annotations

import sys
from typing import Any, get_args
from unittest.mock import patch

from connector.channels.protocol import Accepted, OutgoingMessage
from connector.rules.model.values import ChannelName


class QuietChannel:
    """A channel whose provider accepts every message at once."""

    async def send(self, _message: OutgoingMessage) -> Accepted:
        """Do nothing."""
        return Accepted()

    async def close(self) -> None:
        """Do nothing."""


def open_quiet_channels(*_: Any, **__: Any) -> dict[str, QuietChannel]:
    """Return the channel that does nothing, under every name."""
    return dict.fromkeys(get_args(ChannelName), QuietChannel())


def main() -> None:
    """Run the command with the other channels, and end the process."""
    from starter.cli import main as run_connector

    sys.argv = ["connector", "worker"]
    with patch("worker.open_channels", open_quiet_channels):
        run_connector()


if __name__ == "__main__":
    main()
