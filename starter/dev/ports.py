"""Ports of this machine: taken before anything else begins, so that a clash has a clear end."""

from __future__ import annotations

import socket

from connector.rules.model.errors import ConnectorError


class PortTaken(ConnectorError):
    """Another program listens there, or the address is not one of this machine's."""


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """A listening socket; port 0 is any free one.

    Args:
        option: the command's option that chooses another port, for the error's words.

    Raises:
        PortTaken: with the way out.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise PortTaken(f"cannot listen on {host}:{port}: {why}; choose another port with {option}") from None


def free_port(port: int, *, option: str) -> int:
    """The port itself if it is free on loopback, another where it is 0. Raises PortTaken."""
    with listen("127.0.0.1", port, option=option) as probe:
        chosen: int = probe.getsockname()[1]
        return chosen
