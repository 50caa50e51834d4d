"""`connector explain`: why a user did or did not get a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starter.commands.options import DataOption, JsonOption
from starter.commands.store_session import open_store, run
from starter.explain.explain import explain_user
from starter.explain.explanation import Decision, Explanation, render_text
from starter.explain.follow_up import Explained, explain_follow_up, render_follow_up
from starter.terminal import print_json, print_result


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

      connector explain --follow-up 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    if follow_up is not None and user is None and campaign is None:
        return _print_follow_up(*run(_explain_follow_up(data, follow_up)), as_json)
    if user is None or follow_up is not None:
        raise typer.BadParameter("give a user, with or without --campaign, or --follow-up alone")
    explanation = run(_explain(data, user, campaign))
    if as_json:
        return print_json(explanation.model_dump(mode="json"))
    for line in render_text(explanation):
        print_result(line)
    return None


async def _explain(data: Path | None, user: str, campaign: str | None) -> Explanation:
    async with open_store(data) as context:
        return await explain_user(context, user, campaign)


async def _explain_follow_up(data: Path | None, follow_up: str) -> Explained:
    async with open_store(data) as context:
        return await explain_follow_up(context, follow_up)


def _print_follow_up(shown: dict[str, Any], decision: Decision | None, as_json: bool) -> None:
    if as_json:
        return print_json({**shown, "decision": None if decision is None else decision.model_dump(mode="json")})
    for line in render_follow_up(shown, decision):
        print_result(line)
    return None
