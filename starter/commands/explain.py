"""`connector explain`: why a user did or did not get a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.explain.explain import explain_user
from starter.explain.explanation import Explanation
from starter.explain.text import render_text
from starter.terminal import print_json, print_result


def explain(
    user: Annotated[str, typer.Argument(help="The user, by the id that services know.")],
    campaign: Annotated[
        str | None, typer.Option(help="One campaign; it is told too where nothing happened, and why.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell every decision about a user in order: what came in, what was looked at, what came of it and why.

    Where nothing happened, it names the interaction that came nearest, and why it did not count. An interaction that
    was reported again is not shown: a repeat changes nothing and leaves no decision. Attributes, consent and settings
    are those known now. At most the newest 1,000 decisions are told.

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
    async with session(data) as context:
        return await explain_user(context, user, campaign)
