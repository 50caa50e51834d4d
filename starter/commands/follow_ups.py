"""`connector send-now`, `postpone` and `cancel`: operator actions on one follow-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from connector import names
from connector.rules.model.values import format_instant
from connector.rules.sending.operating import in_words
from connector.temporal.follow_up_client import FollowUpClient
from connector.wire import MAX_NOTE_CHARACTERS, OperationResult
from starter.commands.actor import command_line_actor
from starter.commands.options import DataOption, JsonOption, check_reason, parse_duration_option, parse_time_option
from starter.commands.session import open_session
from starter.commands.store_session import run
from starter.terminal import print_json, print_result

FollowUpArgument = Annotated[
    str,
    typer.Argument(
        metavar="FOLLOW_UP",
        help="Its id, as `GET /v1/follow-ups` and `connector explain` show it.",
        show_default=False,
    ),
]
NoteOption = Annotated[
    str | None,
    typer.Option(
        help=f"A note for Temporal's UI and the audit trail, at most {MAX_NOTE_CHARACTERS} characters. "
        "Both keep it: do not name users."
    ),
]
Operation = Callable[[FollowUpClient], Awaitable[OperationResult]]


def send_now(
    follow_up: FollowUpArgument, note: NoteOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Evaluate and send one follow-up now, not at its due time.

    The rules of the due time still apply: quiet hours may hold it, and a cap, consent or the audience may drop it.

    Example:

      connector send-now 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    check_reason(note, option="--note")
    _operate(names.SEND_NOW, follow_up, lambda client: client.send_now(follow_up, note=note), data, as_json)


def postpone(
    follow_up: FollowUpArgument,
    until: Annotated[str | None, typer.Option(help="The new time with its zone, like 2026-03-02T09:00:00Z.")] = None,
    by: Annotated[str | None, typer.Option(help='How much later than its current time, like "2 hours".')] = None,
    note: NoteOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the time that one follow-up waits for, even if it is held; exceptions still cancel it until then.

    Examples:

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --until 2026-03-02T09:00:00+01:00

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --by "2 hours"
    """
    check_reason(note, option="--note")
    if (until is None) == (by is None):
        raise typer.BadParameter("give either --until or --by")
    instant = None if until is None else parse_time_option("--until", until)
    later = timedelta() if by is None else parse_duration_option("--by", by)

    async def operate(client: FollowUpClient) -> OperationResult:
        new_time = instant or (await client.find(follow_up)).next_at + later
        return await client.postpone(follow_up, new_time, note=note)

    _operate(names.POSTPONE, follow_up, operate, data, as_json)


def cancel(
    follow_up: FollowUpArgument, note: NoteOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """End one follow-up, as `dropped: cancelled_by_operator`, or as `sent` if one of its channels went out already.

    Example:

      connector cancel 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    check_reason(note, option="--note")
    _operate(names.CANCEL, follow_up, lambda client: client.cancel(follow_up, note=note), data, as_json)


def _operate(verb: str, follow_up: str, operation: Operation, data: Path | None, as_json: bool) -> None:
    actor = command_line_actor()

    async def work() -> OperationResult:
        async with open_session(data) as context:
            client = FollowUpClient(context.database, context.workspace, context.temporal.client, actor)
            return await operation(client)

    operated = run(work())
    if as_json:
        result = {**operated.model_dump(exclude={"done"}), "next_at": format_instant(operated.next_at)}
        return print_json({"id": follow_up, "update": verb, **result})
    print_result(f"{follow_up}: {'due now' if verb == names.SEND_NOW else _format_state(operated)}")
    return print_result(operated.says)


def _format_state(operated: OperationResult) -> str:
    if operated.next_at is not None:
        return f"{operated.state} until {format_instant(operated.next_at)}"
    return in_words(operated.state or "", operated.reason)
