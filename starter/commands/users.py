"""`connector users`: erases users, and splits off ids that were joined into them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from connector.rules.model.values import MAX_TEXT_CHARACTERS
from starter.commands.actor import command_line_actor
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.commands.store_session import open_store, run
from starter.operations.erasure import Erased, erase
from starter.operations.joins import split_user
from starter.terminal import print_json, print_note, print_result

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Any id by which services know the user.", show_default=False)
]

users = typer.Typer(no_args_is_help=True)


@users.callback()
def _describe() -> None:
    """Erase users, or split off an id that was joined into a user.

    Examples:

      connector users erase u-17

      connector users split visitor-5
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
    _check_id("USER", user)
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


@users.command()
def split(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id that was joined into a user.", show_default=False)],
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Undo a join of two ids: this one begins a new user, for what comes after.

    The user whom it was joined into keeps everything that happened until now. The id counts as a user's own from now
    on, so that joining it again needs a key with `manage`.

    Examples:

      connector users split visitor-5

      connector users split visitor-5 --json
    """
    _check_id("ID", id)
    check_reason(reason)
    split_from = run(_split(data, id, reason))
    if as_json:
        print_json({"id": id, "split_from": split_from})
    else:
        print_result(f"{id}: begins a new user, split from {split_from}")


def _check_id(name: str, id: str) -> None:
    if not id or len(id) > MAX_TEXT_CHARACTERS or "\0" in id:
        raise typer.BadParameter(f"{name}: write an id of 1 to {MAX_TEXT_CHARACTERS} characters")


async def _split(data: Path | None, id: str, reason: str | None) -> str:
    async with open_store(data) as context:
        return await split_user(context, id, command_line_actor(), reason=reason)


async def _erase(data: Path | None, user: str, reason: str | None) -> Erased:
    async with open_store(data) as context:
        return await erase(context, user, command_line_actor(), reason=reason)
