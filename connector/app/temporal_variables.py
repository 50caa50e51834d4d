"""Warn of variables that were probably meant for Temporal's SDK, which ignores names that it does not know."""

from __future__ import annotations

import os

import structlog

from connector.settings.temporal_names import find_temporal_slips

_log = structlog.get_logger("settings")


def warn_of_slips() -> None:
    """Log a warning for each variable of the environment that nearly has the name of one of the SDK's."""
    for note in find_temporal_slips(os.environ):
        _log.warning("temporal_variable_unknown", note=note)
