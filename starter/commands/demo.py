"""`connector demo`: plays three use cases."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.commands.store_session import run
from starter.demo.demo import run_demo


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Start everything in a temporary folder, play three use cases with short delays, and show the outcomes.

    Examples:

      connector demo

      connector demo --stay
    """
    raise typer.Exit(run(run_demo(stay=stay)))
