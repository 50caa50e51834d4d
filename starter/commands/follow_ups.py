"""`connector send-now`, `postpone` and `cancel`: an operator's hands on one follow-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from connector import names
from connector.follow_up_client import FollowUpClient
from connector.rules.instants import write_instant
from connector.rules.operating import in_words
from connector.rules.values import Duration, Instant
from connector.wire import Operated
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.terminal import say, say_json

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
    typer.Option(help="Shown in Temporal's UI, at most 200 characters; name no users, histories keep it."),
]
Ask = Callable[[FollowUpClient], Awaitable[Operated]]

_MOST_NOTED = 200


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
    instant = _parsed(Instant, until, "--until")
    delay = _parsed(Duration, by, "--by")

    async def move(hands: FollowUpClient) -> Operated:
        to: datetime = instant or (await hands.find(follow_up)).next_at + delay
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
        async with session(data) as parts:
            return await ask(FollowUpClient(parts.database, parts.workspace, parts.temporal.client))

    operated = run(give())
    if as_json:
        told = {**operated.model_dump(exclude={"done"}), "next_at": write_instant(operated.next_at)}
        return say_json({"id": follow_up, "update": verb, **told})
    say(f"{follow_up}: {'due now' if verb == names.SEND_NOW else _shown(operated)}")
    return say(operated.says)


def _shown(operated: Operated) -> str:
    if operated.next_at is not None:
        return f"{operated.state} until {write_instant(operated.next_at)}"
    return in_words(operated.state or "", operated.reason)


def _parsed(kind: Any, text: str | None, option: str) -> Any:
    if text is None:
        return None
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option}: {words}") from None


def _check_note(note: str | None) -> None:
    if note is not None and len(note) > _MOST_NOTED:
        raise typer.BadParameter(f"--note has at most {_MOST_NOTED} characters")
