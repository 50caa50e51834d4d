"""All pages: importing a module here registers its pages."""

from __future__ import annotations

from nicegui import app

from starter.console.pages import (
    audit,  # noqa: F401
    campaign,  # noqa: F401
    campaigns,  # noqa: F401
    compose,  # noqa: F401
    follow_up,  # noqa: F401
    follow_ups,  # noqa: F401
    overview,  # noqa: F401
    user,  # noqa: F401
    users,  # noqa: F401
)
from starter.console.state import Console


def install(console: Console) -> None:
    """Give the pages, which are registered once per process, the objects that they work with."""
    app.state.console = console
