"""The options by which commands select follow-ups: the same as the parameters of `GET /v1/follow-ups`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName
from starter.commands.options import parse_time_option
from starter.operations.follow_ups import Criteria, ListedState

StateOption = Annotated[
    ListedState | None, typer.Option(help="Only this state; overdue: open, and its time has passed.")
]
CampaignOption = Annotated[str | None, typer.Option(help="Only of this campaign.")]
UserOption = Annotated[str | None, typer.Option(help="Only of this user: any id, or the user key.")]
ReasonFilterOption = Annotated[Reason | None, typer.Option("--reason", help="Only with this reason.")]
ChannelOption = Annotated[ChannelName | None, typer.Option(help="Only on this channel.")]
SinceOption = Annotated[
    str | None,
    typer.Option(
        help="Ended since this time; if open, waiting until it or later. With its zone: 2026-03-02T09:00:00Z."
    ),
]
UntilOption = Annotated[str | None, typer.Option(help="Ended before this time; if open, waiting until before it.")]


def parse_criteria(
    *,
    campaign: str | None,
    user: str | None,
    reason: Reason | None,
    since: str | None,
    state: ListedState | None = None,
    channel: ChannelName | None = None,
    until: str | None = None,
) -> Criteria:
    """Return the criteria of the options. Raises BadParameter if a time is not one."""
    from_, to = _parse_time("--since", since), _parse_time("--until", until)
    return Criteria(state, campaign, user, reason, channel, from_, to)


def check_selection(follow_up: str | None, criteria: Criteria) -> None:
    """Raise BadParameter unless either the id of one follow-up is given, or criteria that select many."""
    if (follow_up is None) != (criteria != Criteria()):
        raise typer.BadParameter("give either the id of a follow-up, or --campaign or --user")


def _parse_time(option: str, text: str | None) -> datetime | None:
    return None if text is None else parse_time_option(option, text)
