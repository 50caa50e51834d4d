"""`connector explain`: why a user did or did not get a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from starter.commands.calls import open_calls, run_operation
from starter.commands.files import write_file
from starter.commands.options import DataOption, JsonOption
from starter.commands.store_session import run
from starter.explain.explain import explain_decisions
from starter.explain.explanation import render_explanation
from starter.explain.follow_up import explain_follow_up, render_follow_up
from starter.explain.picture import draw_explanation
from starter.operations.user_logs import read_user_log
from starter.terminal import print_json, print_note, print_result

_ALWAYS = "36000 days"


def explain(
    user: Annotated[
        str | None, typer.Argument(help="The user's id, as services report it, or the user key.", show_default=False)
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Only this campaign; explained even if it made no decision about the user.")
    ] = None,
    follow_up: Annotated[
        str | None,
        typer.Option(help="Only this follow-up, of whichever user: its id, or the id of its workflow in Temporal."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw the user's timeline as this SVG file, instead of a text.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every decision about a user in order: the interaction, the evidence, the outcome and its reason.

    If a campaign made no decision, the nearest interaction is shown with the reason why it did not count. Repeated
    reports of an interaction are not shown: they change nothing. Attributes, consent and settings are those known now.
    At most the newest 1,000 decisions are shown.

    Examples:

      connector explain u-17

      connector explain u-17 --campaign cart-reminder --json

      connector explain u-17 --svg u-17.svg

      connector explain --follow-up 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    if follow_up is not None and user is None and campaign is None and svg is None:
        return _print(run_operation(data, explain_follow_up, follow_up), render_follow_up, as_json)
    if user is None or follow_up is not None:
        raise typer.BadParameter("give a user, with or without --campaign and --svg, or --follow-up alone")
    if svg is not None:
        return _draw(data, user, campaign, svg)
    return _print(run_operation(data, explain_decisions, user, campaign), render_explanation, as_json)


def _draw(data: Path | None, user: str, campaign: str | None, file: Path) -> None:
    """Draw the timeline of a user: interactions, waits, exceptions, sends and refusals."""

    async def work() -> str:
        async with open_calls(data) as calls:
            explanation = await calls.read(explain_decisions, user, campaign)
            log = await calls.read(read_user_log, explanation["user"], _ALWAYS)
            return draw_explanation(explanation, log)

    write_file(file, run(work()))
    print_note(f"the timeline of {user} is in {file}")


def _print(shown: dict[str, Any], render: Callable[[dict[str, Any]], Iterator[str]], as_json: bool) -> None:
    if as_json:
        return print_json(shown)
    for line in render(shown):
        print_result(line)
    return None
