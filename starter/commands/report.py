"""`connector report`: the results of a campaign as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from starter.commands.calls import open_calls
from starter.commands.files import write_file
from starter.commands.options import DataOption, JsonOption, parse_time_option
from starter.commands.store_session import run
from starter.operations.graph import read_graph
from starter.operations.report_page import write_report
from starter.operations.results import read_results
from starter.terminal import print_json, print_note


def report(
    campaign: Annotated[str, typer.Argument(help="The id of a campaign or card.")],
    html: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    since: Annotated[str | None, typer.Option(help="Users reached from then on, like 2026-03-02T00:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Users reached before then.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the results of a campaign as one HTML file to mail around: funnel, uplift, variants, reasons, days.

    The file has no script and loads nothing from elsewhere. It has numbers only: no user is named in it.

    Examples:

      connector report cart-reminder --html report.html

      connector report cart-reminder --html march.html --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
    """
    begin = None if since is None else parse_time_option("--since", since)
    end = None if until is None else parse_time_option("--until", until)

    async def load() -> tuple[dict[str, Any], dict[str, Any]]:
        async with open_calls(data) as calls:
            graph = await calls.read(read_graph, around=campaign, depth=1)
            return await calls.read(read_results, campaign, since=begin, until=end, by="day"), graph

    results, graph = run(load())
    write_file(html, write_report(results, graph))
    print_note(f"{html} is written")
    if as_json:
        print_json(results)
