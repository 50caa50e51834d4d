"""`connector campaigns`: lists campaigns and cards, prints the definition of one, or reviews one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from connector.definitions.yaml_writing import write_document
from connector.rules.catalogue.catalogue import Lifecycle
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption
from starter.commands.plan import format_difference
from starter.operations.campaigns import MAX_PAGE, list_campaigns, read_campaign
from starter.operations.review import review_campaign
from starter.terminal import format_table, print_each, print_json, print_lines, print_note, print_result

_COLUMNS = ("id", "kind", "state", "live_revision", "newest_revision", "effective_at", "name")


def campaigns(
    campaign: Annotated[
        str | None,
        typer.Argument(help="The id of a campaign or card, whose definition is printed.", show_default=False),
    ] = None,
    review: Annotated[
        bool,
        typer.Option("--review", help="Of one: show its draft as a diff, and what publish, stop and resume would do."),
    ] = False,
    state: Annotated[Lifecycle | None, typer.Option(help="Only in this state.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those whose id or name contains this text.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="How many to list at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="The next page: `next` of the one before.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List campaigns and cards with their revisions, or print the newest definition of one as YAML.

    With --review, show what deciding about one needs: its newest draft key by key, what publishing it would do, alone
    and with the draft follow-ons that listen to it, what resuming would do, and whose waits a stop would end.

    Examples:

      connector campaigns --state active --search cart

      connector campaigns cart-reminder > cart-reminder.yaml

      connector campaigns cart-reminder --review
    """
    if review:
        if campaign is None:
            raise typer.BadParameter("--review is about one campaign or card; give its id")
        reviewed = run_operation(data, review_campaign, campaign)
        return print_json(reviewed) if as_json else print_each(_describe_review(reviewed))
    if campaign is not None:
        shown = run_operation(data, read_campaign, campaign)
        return print_json(shown) if as_json else print_lines(write_document(shown["definition"]).rstrip("\n"))
    page = run_operation(data, list_campaigns, state=state, search=search, after=after, limit=limit)
    return print_json(page) if as_json else _print_page(page)


def _describe_review(review: dict[str, Any]) -> Iterator[str]:
    revision = review["live_revision"]
    live = f"revision {revision} since {review['effective_at']}" if revision else "nothing"
    yield f"{review['kind']} {review['id']}: {review['state']}; live: {live}; newest: {review['newest_revision']}"
    if review["draft"] is not None:
        yield f"the draft, revision {review['draft']['revision']}:"
        yield from map(format_difference, review["draft"]["differences"])
    publications = review["publish"] or {}
    for words, name in (("publish alone", "alone"), ("publish with its draft follow-ons", "together")):
        if publications.get(name) is not None:
            yield from _describe_order(words, publications[name])
    if review["resume"] is not None:
        yield from _describe_order("resume", {"order": review["resume"]["changed"], "refusals": [], **review["resume"]})
    for wait in review["open"]:
        yield f"stop would end {wait['waiting'] + wait['held']} follow-ups of revision {wait['revision']}"


def _describe_order(words: str, order: dict[str, Any]) -> Iterator[str]:
    yield f"{words} would be refused:" if order["refusals"] else f"{words}: {', '.join(order['order']) or 'nothing'}"
    yield from (f"  {refusal}" for refusal in order["refusals"])
    yield from (f"  warning: {warning}" for warning in order["warnings"])
    for one in order["launches"]:
        yield f"  {one['campaign']}: {one['at_once']} at once, {one['stale']} stale, {one['later']} later"


def _print_page(page: dict[str, Any]) -> None:
    if not page["campaigns"]:
        return print_result("no campaign or card matches")
    rows = [[shown[name] for name in _COLUMNS] for shown in page["campaigns"]]
    header = ("id", "kind", "state", "live", "newest", "since", "name")
    print_lines(format_table(header, rows))
    if page["has_more"]:
        print_note(f"there are more: --after {page['next']}")
    return None
