"""`connector users`: finds, shows and erases users, and splits off ids that were joined into them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from connector.definitions.yaml_writing import write_document
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from starter.commands.calls import run_act, run_operation
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.explain.timeline import MAX_ENTRIES, read_timeline, render_timeline
from starter.operations.erasure import erase
from starter.operations.joins import split_user
from starter.operations.users import find_users, read_user
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Any id by which services know the user.", show_default=False)
]
_COLUMNS = ("id", "user_key", "email", "phone", "first_name", "time_zone", "matched")

users = typer.Typer(no_args_is_help=True)


@users.callback()
def _describe() -> None:
    """Find users, show or erase them, or split off an id that was joined into a user.

    Examples:

      connector users find ada@shop.example

      connector users history u-17

      connector users erase u-17

      connector users split visitor-5
    """


@users.command("find")
def find(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="An id, a user key, an email or a phone number.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find users by an id, the user key, the email or the phone number; exit code 1 if there is none.

    An id is compared exactly, an email without the case of its letters, and a number without its separators. Of those
    who share an address at most 50 are shown. Of a user who was erased nothing is shown.

    Examples:

      connector users find ada@shop.example

      connector users find "+49 170 1234567" --json
    """
    found = run_operation(data, find_users, text=text)
    if as_json:
        print_json(found)
    elif found["users"]:
        print_lines(format_table(_COLUMNS, [[one[name] for name in _COLUMNS] for one in found["users"]]))
    if found["is_cut"]:
        print_note("there are more users with this address")
    if not found["users"]:
        print_note("the user was erased" if found["erased"] else f"no user has the id or address {text.strip()}")
        raise typer.Exit(1)


@users.command()
def show(user: UserArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show a profile with consent and its history, the suppressed addresses and the joined ids, as YAML.

    Examples:

      connector users show u-17

      connector users show u-17 --json
    """
    _check_id("USER", user)
    shown = run_operation(data, read_user, user)
    return print_json(shown) if as_json else print_lines(write_document(shown).rstrip("\n"))


@users.command()
def history(
    user: Annotated[str, typer.Argument(metavar="USER", help="Any id of the user, or the user key.")],
    limit: Annotated[int, typer.Option(min=1, max=MAX_ENTRIES, help="How many entries to list at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="The next page: `next` of the one before.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a user did, what was decided about it, the messages, and changes of consent, newest first.

    `connector explain` shows the same decisions by campaign, and the nearest misses.

    Examples:

      connector users history u-17

      connector users history u-17 --limit 10 --json
    """
    _check_id("USER", user)
    page = run_operation(data, read_timeline, user, limit=limit, after=after)
    if as_json:
        return print_json(page)
    for line in render_timeline(page):
        print_result(line)
    if page["has_more"]:
        print_note(f"there are more: --after {page['next']}")
    return None


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
    erased = run_act(data, erase, user, reason=reason)
    _print_erased(erased, as_json)


def _print_erased(erased: dict[str, Any], as_json: bool) -> None:
    user, result = erased["user"], erased["result"]
    if as_json:
        print_json(erased)
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
    result = run_act(data, split_user, id, reason=reason)
    if as_json:
        print_json(result)
    else:
        print_result(f"{id}: begins a new user, split from {result['split_from']}")


def _check_id(name: str, id: str) -> None:
    if not id or len(id) > MAX_TEXT_CHARACTERS or "\0" in id:
        raise typer.BadParameter(f"{name}: write an id of 1 to {MAX_TEXT_CHARACTERS} characters")
