"""`connector campaigns`: lists campaigns and cards, or prints the definition of one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.definitions.yaml_writing import write_document
from connector.rules.catalogue.catalogue import Lifecycle
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption
from starter.operations.campaigns import MAX_PAGE, list_campaigns, read_campaign
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

_COLUMNS = ("id", "kind", "state", "live_revision", "newest_revision", "effective_at", "name")


def campaigns(
    campaign: Annotated[
        str | None,
        typer.Argument(help="The id of a campaign or card, whose definition is printed.", show_default=False),
    ] = None,
    state: Annotated[Lifecycle | None, typer.Option(help="Only in this state.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those whose id or name contains this text.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_PAGE, help="How many to list at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="The next page: `next` of the one before.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List campaigns and cards with their revisions, or print the newest definition of one as YAML.

    Examples:

      connector campaigns --state active --search cart

      connector campaigns cart-reminder > cart-reminder.yaml
    """
    if campaign is not None:
        shown = run_operation(data, read_campaign, campaign)
        return print_json(shown) if as_json else print_lines(write_document(shown["definition"]).rstrip("\n"))
    page = run_operation(data, list_campaigns, state=state, search=search, after=after, limit=limit)
    return print_json(page) if as_json else _print_page(page)


def _print_page(page: dict[str, Any]) -> None:
    if not page["campaigns"]:
        return print_result("no campaign or card matches")
    rows = [[shown[name] for name in _COLUMNS] for shown in page["campaigns"]]
    header = ("id", "kind", "state", "live", "newest", "since", "name")
    print_lines(format_table(header, rows))
    if page["has_more"]:
        print_note(f"there are more: --after {page['next']}")
    return None
