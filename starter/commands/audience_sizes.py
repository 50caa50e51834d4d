"""The sizes of audiences, as `connector plan` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def format_audience(size: Mapping[str, Any]) -> str:
    """Return one audience as a line: who is in it now, and reachable by channel; a sample says that it is one."""
    channels = ", ".join(f"{channel} {count:,}" for channel, count in size["by_channel"].items())
    users = f"{'' if size['is_exact'] else 'more than '}{size['users']:,}"
    among = (
        f"of a sample of {size['looked_at']:,} of {users} users" if size["is_sample"] else f"of {_count(size['users'])}"
    )
    by_channel = f" ({channels})" if channels else ""
    is_are = "is" if size["in_audience"] == 1 else "are"
    return (
        f"{size['campaign']}: {among}, {size['in_audience']:,} {is_are} in the audience now, and {size['reachable']:,} "
        f"can be reached{by_channel}"
    )


def _count(users: int) -> str:
    return "1 user" if users == 1 else f"{users:,} users"
