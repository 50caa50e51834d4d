"""`connector send-now`, `postpone` and `cancel`: operator actions on one follow-up, or on all that match."""

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
from starter.commands.bulk import DryRunOption, YesOption, run_bulk
from starter.commands.filter_options import (
    CampaignOption,
    ReasonFilterOption,
    SinceOption,
    StateOption,
    UserOption,
    check_selection,
    parse_criteria,
)
from starter.commands.options import DataOption, JsonOption, check_reason, parse_duration_option, parse_time_option
from starter.commands.session import open_session
from starter.commands.store_session import run
from starter.operations.bulk import BulkAction
from starter.terminal import print_json, print_result

FollowUpArgument = Annotated[
    str | None,
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
Operation = Callable[[FollowUpClient, str], Awaitable[OperationResult]]


def send_now(
    follow_up: FollowUpArgument = None,
    campaign: CampaignOption = None,
    state: StateOption = None,
    user: UserOption = None,
    reason: ReasonFilterOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    note: NoteOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate and send follow-ups now, not at their due time: one, or all that match.

    The rules of the due time still apply: quiet hours may hold one, and a cap, consent or the audience may drop it.
    With a filter, if this is interrupted, the same command continues it.

    Examples:

      connector send-now 3f1c0a9e5b7d4826a1c4e0b2d9

      connector send-now --campaign cart-reminder --state waiting --dry-run
    """
    criteria = parse_criteria(state=state, campaign=campaign, user=user, reason=reason, since=since)
    action = BulkAction("send_now", criteria, note=note)
    _act(follow_up, action, lambda client, id: client.send_now(id, note=note), data, as_json, dry_run=dry_run, yes=yes)


def postpone(
    follow_up: FollowUpArgument = None,
    until: Annotated[str | None, typer.Option(help="The new time with its zone, like 2026-03-02T09:00:00Z.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help='How much later than its current time, like "2 hours"; with a filter, how long after its original due '
            "time each waits at least, so that a repetition moves nothing twice."
        ),
    ] = None,
    campaign: CampaignOption = None,
    state: StateOption = None,
    user: UserOption = None,
    reason: ReasonFilterOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    note: NoteOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the time that follow-ups wait for, even if they are held: of one, or of all that match.

    Exceptions still cancel them until then. With a filter, if this is interrupted, the same command continues it.

    Examples:

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --until 2026-03-02T09:00:00+01:00

      connector postpone 3f1c0a9e5b7d4826a1c4e0b2d9 --by "2 hours"

      connector postpone --campaign cart-reminder --until 2026-03-02T09:00:00+01:00 --note "the shop is down"
    """
    if (until is None) == (by is None):
        raise typer.BadParameter("give either --until or --by")
    instant = None if until is None else parse_time_option("--until", until)
    later = timedelta() if by is None else parse_duration_option("--by", by)

    async def operate(client: FollowUpClient, id: str) -> OperationResult:
        new_time = instant or (await client.find(id)).next_at + later
        return await client.postpone(id, new_time, note=note)

    criteria = parse_criteria(state=state, campaign=campaign, user=user, reason=reason, since=since)
    action = BulkAction("postpone", criteria, instant or later, note)
    _act(follow_up, action, operate, data, as_json, dry_run=dry_run, yes=yes)


def cancel(
    follow_up: FollowUpArgument = None,
    campaign: CampaignOption = None,
    state: StateOption = None,
    user: UserOption = None,
    reason: ReasonFilterOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    note: NoteOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """End follow-ups, as `dropped: cancelled_by_operator`, or as `sent` if a channel went out already.

    One, or all that match. With a filter, if this is interrupted, the same command continues it.

    Examples:

      connector cancel 3f1c0a9e5b7d4826a1c4e0b2d9

      connector cancel --campaign cart-reminder --state held --note "wrong price"
    """
    criteria = parse_criteria(state=state, campaign=campaign, user=user, reason=reason, since=since)
    action = BulkAction("cancel", criteria, note=note)
    _act(follow_up, action, lambda client, id: client.cancel(id, note=note), data, as_json, dry_run=dry_run, yes=yes)


def _act(
    follow_up: str | None,
    action: BulkAction,
    operation: Operation,
    data: Path | None,
    as_json: bool,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Run the operation on the one follow-up, or the action on all that match. Raises BadParameter."""
    check_reason(action.note, option="--note")
    check_selection(follow_up, action.criteria)
    if follow_up is None:
        run_bulk(action, data, as_json, dry_run=dry_run, yes=yes)
    elif dry_run:
        raise typer.BadParameter("--dry-run is for filters; `connector explain` shows what one follow-up waits for")
    else:
        _operate(action.verb, follow_up, operation, data, as_json)


def _operate(verb: str, follow_up: str, operation: Operation, data: Path | None, as_json: bool) -> None:
    actor = command_line_actor()

    async def work() -> OperationResult:
        async with open_session(data) as context:
            client = FollowUpClient(context.database, context.workspace, context.temporal.client, actor)
            return await operation(client, follow_up)

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
