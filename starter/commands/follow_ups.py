"""`connector send-now`, `postpone` and `cancel`: an operator's hands on one follow-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from connector import names
from connector.rules.model.instants import write_instant
from connector.rules.sending.operating import in_words
from connector.temporal.follow_up_client import FollowUpClient
from connector.wire import LONGEST_NOTE, Operated
from starter.commands.options import DataOption, JsonOption, parse_length, parse_time
from starter.commands.session import run, session
from starter.terminal import print_json, print_result

FollowUp = Annotated[
    str,
    typer.Argument(
        metavar="FOLLOW_UP",
        help="Its id, as `GET /v1/follow-ups` and `connector explain` show it.",
        show_default=False,
    ),
]
Note = Annotated[
    str | None,
    typer.Option(help=f"Shown in Temporal's UI, at most {LONGEST_NOTE} characters; name no users, histories keep it."),
]
Ask = Callable[[FollowUpClient], Awaitable[Operated]]


def send_now(follow_up: FollowUp, note: Note = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Judge and send one follow-up now instead of at its due time.

    Every rule of the due time still applies: quiet hours may hold it, and a cap, consent or the audience may drop it.

    Example:

      connector send-now 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    _check_note(note)
    _operate(names.SEND_NOW, follow_up, lambda hands: hands.send_now(follow_up, note=note), data, as_json)


def postpone(
    follow_up: FollowUp,
    until: Annotated[str | None, typer.Option(help="The new time with its zone, like 2026-03-02T09:00:00Z.")] = None,
    by: Annotated[str | None, typer.Option(help='How much later than it waits for now, like "2 hours".')] = None,
    note: Note = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let one follow-up wait for another time, holds included; exceptions still call it off until then.

    Examples:

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --until 2026-03-02T09:00:00+01:00

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --by "2 hours"
    """
    _check_note(note)
    if (until is None) == (by is None):
        raise typer.BadParameter("name one of --until and --by")
    instant = None if until is None else parse_time("--until", until)
    later = timedelta() if by is None else parse_length("--by", by)

    async def move(hands: FollowUpClient) -> Operated:
        to = instant or (await hands.find(follow_up)).next_at + later
        return await hands.postpone(follow_up, to, note=note)

    _operate(names.POSTPONE, follow_up, move, data, as_json)


def cancel(follow_up: FollowUp, note: Note = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """End one follow-up unsent, as `dropped: cancelled_by_operator`, while nothing of it has gone out.

    Example:

      connector cancel 3f1c0a9e5b7d4826a1c4e0b2d9
    """
    _check_note(note)
    _operate(names.CANCEL, follow_up, lambda hands: hands.cancel(follow_up, note=note), data, as_json)


def _operate(verb: str, follow_up: str, ask: Ask, data: Path | None, as_json: bool) -> None:
    async def give() -> Operated:
        async with session(data) as context:
            return await ask(FollowUpClient(context.database, context.workspace, context.temporal.client))

    operated = run(give())
    if as_json:
        told = {**operated.model_dump(exclude={"done"}), "next_at": write_instant(operated.next_at)}
        return print_json({"id": follow_up, "update": verb, **told})
    print_result(f"{follow_up}: {'due now' if verb == names.SEND_NOW else _shown(operated)}")
    return print_result(operated.says)


def _shown(operated: Operated) -> str:
    if operated.next_at is not None:
        return f"{operated.state} until {write_instant(operated.next_at)}"
    return in_words(operated.state or "", operated.reason)


def _check_note(note: str | None) -> None:
    if note is not None and len(note) > LONGEST_NOTE:
        raise typer.BadParameter(f"--note has at most {LONGEST_NOTE} characters")
