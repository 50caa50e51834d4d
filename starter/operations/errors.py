"""Errors of operations: each has a status over HTTP, and the exit code 1 at the command line."""

from __future__ import annotations

from connector.rules.model.errors import ConnectorError


class NotKnown(ConnectorError):
    """Nothing has that id. Over HTTP: 404, `not_found`."""


class NotAllowedNow(ConnectorError):
    """What was asked for is not possible as things are; nothing was changed. Over HTTP: 409, `refused`."""
