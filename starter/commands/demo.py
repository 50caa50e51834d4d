"""`connector demo`: the three use cases, played."""

from __future__ import annotations

from typing import Annotated

import typer

from starter.commands.session import run
from starter.demo import run_demo


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything up afterwards, to look around.")] = False,
) -> None:
    """Start everything in a folder of its own, play three use cases on short delays, and show what came of them.

    Examples:

      connector demo

      connector demo --stay
    """
    raise typer.Exit(run(run_demo(stay=stay)))
