"""`connector explain`: why a user did or did not get a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starter.commands.options import DataOption, JsonOption
from starter.commands.store_session import open_store, run
from starter.explain.explain import explain_user
from starter.explain.explanation import Explanation, render_text
from starter.terminal import print_json, print_result


def explain(
    user: Annotated[str, typer.Argument(help="The user's id, as services report it.")],
    campaign: Annotated[
        str | None, typer.Option(help="Only this campaign; explained even if it made no decision about the user.")
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
    """
    explanation = run(_explain(data, user, campaign))
    if as_json:
        return print_json(explanation.model_dump(mode="json"))
    for line in render_text(explanation):
        print_result(line)
    return None


async def _explain(data: Path | None, user: str, campaign: str | None) -> Explanation:
    async with open_store(data) as context:
        return await explain_user(context, user, campaign)
