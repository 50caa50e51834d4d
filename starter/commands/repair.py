"""`connector resolve` and `connector resend`: settle messages whose result is unknown, and send failed ones again."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from connector.rules.model.values import ChannelName
from connector.rules.sending.operating import in_words
from starter.commands.bulk import DryRunOption, YesOption, run_bulk
from starter.commands.calls import run_act
from starter.commands.filter_options import (
    CampaignOption,
    ReasonFilterOption,
    SinceOption,
    UserOption,
    check_selection,
    parse_criteria,
)
from starter.commands.options import DataOption, JsonOption, check_reason
from starter.operations.bulk_actions import BulkAction
from starter.operations.resending import send_again
from starter.operations.settling import settle
from starter.terminal import print_json, print_result

ChannelOption = Annotated[
    ChannelName | None, typer.Option(help="The message's channel, if the follow-up has several messages.")
]


def resolve(
    follow_up: Annotated[
        str | None, typer.Argument(metavar="FOLLOW_UP", help="Its id; filters select many.", show_default=False)
    ] = None,
    sent: Annotated[
        bool | None, typer.Option("--sent/--not-sent", help="What the provider says about it.", show_default=False)
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="How you know, for the audit trail: kept for good, so do not name users.")
    ] = None,
    channel: ChannelOption = None,
    campaign: CampaignOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle messages whose result is unknown (`send_unknown`): of one follow-up, or of all that match.

    Ask the provider by the delivery's id, which is the follow-up's id, a dot and the channel. A message that was sent
    counts as received; one that was not can be sent again with `connector resend`. With a filter, all that match get
    the same verdict; a result that is known is never changed.

    Examples:

      connector resolve 3f1c0a9e5b7d4826a1c4e0b2d9 --sent --note "in the provider's log"

      connector resolve 3f1c0a9e5b7d4826a1c4e0b2d9 --not-sent --channel push --note "the provider has no such message"

      connector resolve --campaign cart-reminder --since 2026-03-02T00:00:00Z --not-sent --note "they were down"
    """
    check_reason(note, option="--note")
    criteria = parse_criteria(campaign=campaign, user=user, reason=None, channel=channel, since=since)
    check_selection(follow_up, replace(criteria, channel=None))  # also one follow-up may have several channels
    if sent is None:
        raise typer.BadParameter("say --sent or --not-sent")
    if not note:
        raise typer.BadParameter("say how you know, with --note")
    if follow_up is None:
        action = BulkAction("resolve", criteria, note=note, was_sent=sent)
        return run_bulk(action, data, as_json, dry_run=dry_run, yes=yes)
    if dry_run:
        raise typer.BadParameter("--dry-run is for filters; `connector explain` shows what is known of one follow-up")
    settled = run_act(data, settle, follow_up, was_sent=sent, channel=channel, note=note)
    if as_json:
        return print_json(settled)
    before = "" if settled["changed"] else "; it was settled so before, and nothing has changed"
    state = in_words(settled["state"], settled["reason"])
    return print_result(f"{follow_up}: {settled['channel']} was {'sent' if sent else 'not sent'}: {state}{before}")


def resend(
    follow_up: Annotated[
        str | None, typer.Argument(metavar="FOLLOW_UP", help="Its id; filters select many.", show_default=False)
    ] = None,
    channel: ChannelOption = None,
    campaign: CampaignOption = None,
    user: UserOption = None,
    reason: ReasonFilterOption = None,
    since: SinceOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    note: Annotated[str | None, typer.Option(help="Why, for the audit trail: do not name users.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send messages again that failed (`send_failed`): of one follow-up, or of all that match.

    The rules of the due time apply as of now: what consent, a frequency cap or a closed window forbids stays as it is,
    with the reason. Each is a new message for its provider, and goes out once, however often this is repeated.

    Examples:

      connector resend 3f1c0a9e5b7d4826a1c4e0b2d9

      connector resend --campaign cart-reminder --since 2026-03-02T00:00:00Z --dry-run

      connector resend --campaign cart-reminder --since 2026-03-02T00:00:00Z --note "the account works again"
    """
    check_reason(note, option="--note")
    criteria = parse_criteria(campaign=campaign, user=user, reason=reason, channel=channel, since=since)
    check_selection(follow_up, replace(criteria, channel=None))  # also one follow-up may have several channels
    if follow_up is None:
        return run_bulk(BulkAction("resend", criteria, note=note), data, as_json, dry_run=dry_run, yes=yes)
    result = run_act(data, send_again, follow_up, channel=channel, note=note, dry_run=dry_run)
    if as_json:
        return print_json(result)
    return print_result(f"{follow_up}: {_describe(result)}")


def _describe(result: dict[str, Any]) -> str:
    if result["outcome"] == "unchanged":
        return "is being sent again already"
    held = f", held until {result['held_until']}" if result["held_until"] is not None else ""
    left_out = "".join(f"; not on {channel}: {reason}" for channel, reason in result["left_out"].items())
    return f"{'would be' if result['dry_run'] else 'is'} sent again on {', '.join(result['channels'])}{held}{left_out}"
