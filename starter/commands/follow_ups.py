"""`connector send-now`, `postpone` and `cancel`: operator actions on one follow-up, or on all that match."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import names
from connector.rules.sending.operating import in_words
from connector.wire import MAX_NOTE_CHARACTERS
from starter.commands.bulk import DryRunOption, YesOption, run_bulk
from starter.commands.calls import run_act
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
from starter.operations.acts import cancel as cancel_one
from starter.operations.acts import postpone as postpone_one
from starter.operations.acts import send_now as send_one_now
from starter.operations.bulk_actions import BulkAction
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
Act = Callable[[str], dict[str, Any]]
"""Acts on the follow-up with this id, and returns what became of it."""


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

    def act(id: str) -> dict[str, Any]:
        return run_act(data, send_one_now, id, note=note)

    _act(follow_up, action, act, data, as_json, dry_run=dry_run, yes=yes)


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
    later = None if by is None else parse_duration_option("--by", by)

    def act(id: str) -> dict[str, Any]:
        return run_act(data, postpone_one, id, until=instant, by=later, note=note)

    criteria = parse_criteria(state=state, campaign=campaign, user=user, reason=reason, since=since)
    action = BulkAction("postpone", criteria, instant or later, note)
    _act(follow_up, action, act, data, as_json, dry_run=dry_run, yes=yes)


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

    def act(id: str) -> dict[str, Any]:
        return run_act(data, cancel_one, id, note=note)

    _act(follow_up, action, act, data, as_json, dry_run=dry_run, yes=yes)


def _act(
    follow_up: str | None, action: BulkAction, act: Act, data: Path | None, as_json: bool, *, dry_run: bool, yes: bool
) -> None:
    """Act on the one follow-up, or on all that match. Raises BadParameter."""
    check_reason(action.note, option="--note")
    check_selection(follow_up, action.criteria)
    if follow_up is None:
        run_bulk(action, data, as_json, dry_run=dry_run, yes=yes)
    elif dry_run:
        raise typer.BadParameter("--dry-run is for filters; `connector explain` shows what one follow-up waits for")
    else:
        _print_operated(act(follow_up), as_json)


def _print_operated(operated: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(operated)
    is_due_now = operated["update"] == names.SEND_NOW
    print_result(f"{operated['id']}: {'due now' if is_due_now else _format_state(operated)}")
    return print_result(operated["says"])


def _format_state(operated: dict[str, Any]) -> str:
    if operated["next_at"] is not None:
        return f"{operated['state']} until {operated['next_at']}"
    return in_words(operated["state"] or "", operated["reason"])
