"""`connector users`: erases users."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from starter.commands.actor import command_line_actor
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.commands.store_session import open_store, run
from starter.operations.erasure import Erased, erase
from starter.terminal import print_json, print_note, print_result

MAX_ID_CHARACTERS = 255

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Any id by which services know the user.", show_default=False)
]

users = typer.Typer(no_args_is_help=True)


@users.callback()
def _describe() -> None:
    """Erase users.

    Example:

      connector users erase u-17
    """


@users.command("erase")
def erase_user(
    user: UserArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a user for good: everything that names or re-identifies the person is deleted.

    Waiting follow-ups end as `dropped: erased`, and late reports about the user are refused. Counts stay. On a terminal
    it asks for confirmation. Erasing a user again changes nothing.

    Examples:

      connector users erase u-17

      connector users erase u-17 --yes --json
    """
    if not user or len(user) > MAX_ID_CHARACTERS or "\0" in user:
        raise typer.BadParameter(f"USER: write an id of 1 to {MAX_ID_CHARACTERS} characters")
    check_reason(reason)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Erase the user {user!r} for good?", abort=True, err=True)
    result = run(_erase(data, user, reason))
    if as_json:
        print_json({"user": user, "result": result})
    elif result != "unknown":
        print_result(f"{user}: erased" if result == "erased" else f"{user}: was erased before; nothing has changed")
    if result == "unknown":
        print_note(f"the user {user} is not known: no report and no description names them")
        raise typer.Exit(1)


async def _erase(data: Path | None, user: str, reason: str | None) -> Erased:
    async with open_store(data) as context:
        return await erase(context, user, command_line_actor(), reason=reason)
