"""Read what a real user did, from the store or over HTTP, for `simulate --like`; a timeline needs neither."""

from __future__ import annotations

from pathlib import Path

from connector.simulation.like import RealUser, read_real_user
from starter.commands.calls import run_operation
from starter.operations.user_logs import read_user_log
from starter.terminal import print_warnings


def load_real_user(data: Path | None, user: str, since: str) -> RealUser:
    """Return what a user did since an instant, or since so long ago, and before."""
    view = run_operation(data, read_user_log, user, since)
    if view["is_cut"]:
        print_warnings([f"only the newest {len(view['before']) + len(view['interactions'])} interactions are played"])
    return read_real_user(view)
