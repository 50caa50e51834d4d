"""Read what a real user did, from the store or over HTTP, for `simulate --like`; a timeline needs neither."""

from __future__ import annotations

from pathlib import Path

from connector.rules.model.errors import ConnectorError
from connector.simulation.like import RealUser, read_real_user
from starter.commands.calls import run_operation
from starter.commands.places import URL_VARIABLE, is_remote
from starter.operations.user_logs import read_user_log
from starter.terminal import print_warnings


class LogNotReadable(ConnectorError):
    """The answer of an API is not a user's log."""


def load_real_user(data: Path | None, user: str, since: str) -> RealUser:
    """Return what a user did since an instant, or since so long ago, and before."""
    view = run_operation(data, read_user_log, user, since)
    if view["is_cut"]:
        print_warnings([f"only the newest {len(view['before']) + len(view['interactions'])} interactions are played"])
    try:
        return read_real_user(view)
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # pydantic's errors are ValueErrors
        if not is_remote():
            raise
        raise LogNotReadable(f"{URL_VARIABLE}: its answer for {user} is not a user's log ({error})") from None
