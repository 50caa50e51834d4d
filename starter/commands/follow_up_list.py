"""`connector follow-ups`: lists follow-ups by state, campaign, user, reason, channel and time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from starter.commands.calls import run_operation
from starter.commands.filter_options import (
    CampaignOption,
    ChannelOption,
    ReasonFilterOption,
    SinceOption,
    StateOption,
    UntilOption,
    UserOption,
    parse_criteria,
)
from starter.commands.options import DataOption, JsonOption
from starter.operations.follow_ups import MAX_PAGE, read_follow_ups
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

_COLUMNS = ("id", "campaign", "user", "triggered_at", "due_at", "state", "reason", "decided_at", "waits")


def follow_ups(
    state: StateOption = None,
    campaign: CampaignOption = None,
    user: UserOption = None,
    reason: ReasonFilterOption = None,
    channel: ChannelOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="How many to list at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="The next page: `next` of the one before, same filters.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List follow-ups, newest trigger first; with overdue, the longest overdue first.

    All options must hold. refused lists the triggers that were refused, noted the late exceptions. With --channel a
    page examines 5,000 follow-ups at most, so that it may be short, or empty, though --after finds more.

    Examples:

      connector follow-ups --state failed --since 2026-03-02T00:00:00Z

      connector follow-ups --state overdue --campaign cart-reminder

      connector follow-ups --user u-17 --json
    """
    criteria = parse_criteria(
        state=state, campaign=campaign, user=user, reason=reason, channel=channel, since=since, until=until
    )
    page = run_operation(data, read_follow_ups, criteria, limit, after)
    if "hint" in page:
        print_note(page["hint"])
    if as_json:
        return print_json(page)
    return _print_page(page)


def _print_page(page: dict[str, Any]) -> None:
    if not page["follow_ups"]:
        print_result("no follow-up matches" if not page["has_more"] else "none of those that were examined matches")
    else:
        rows = [[shown.get(name) for name in _COLUMNS] for shown in page["follow_ups"]]
        print_lines(format_table(_COLUMNS, rows))
    if page["has_more"]:
        print_note(f"there are more: --after {page['next']}")
    return None
