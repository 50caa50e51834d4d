"""`connector graph`: how campaigns are connected, as a Mermaid flowchart or an SVG picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from connector.definitions import read_definitions
from starter.commands.calls import run_operation
from starter.commands.files import write_file
from starter.commands.options import DataOption, JsonOption
from starter.operations.graph import MAX_DEPTH, MAX_NODES, graph_of_files, read_graph
from starter.operations.graph_picture import draw_graph_picture
from starter.operations.mermaid import draw_mermaid
from starter.terminal import print_json, print_lines, print_note

Format = Literal["mermaid", "svg"]


def graph(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, help="YAML files or folders to draw; by default what the store has."),
    ] = None,
    around: Annotated[str | None, typer.Option(help="Only what is connected with this campaign or card.")] = None,
    depth: Annotated[int, typer.Option(min=0, max=MAX_DEPTH, help="How many connections to follow from there.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=MAX_NODES, help="How many campaigns to draw at most.")] = 100,
    format: Annotated[Format | None, typer.Option(help="By default by the name of the file, else mermaid.")] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The file to write; by default it is printed.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw campaigns and what they listen to: solid arrows for triggers, dashed ones for exceptions.

    With PATHS, the definitions of the files are drawn, and no database is needed. Otherwise those of the store, with
    their states, what waits and what was sent today.

    Examples:

      connector graph examples --out campaigns.svg

      connector graph --around abandoned-cart --depth 2

      connector graph --json
    """
    view = _read(paths, around, depth, limit, data)
    if as_json:
        return print_json(view)
    chosen = format or ("svg" if out is not None and out.suffix.lower() == ".svg" else "mermaid")
    drawn = draw_graph_picture(view) if chosen == "svg" else draw_mermaid(view)
    if view["has_more"]:
        print_note(f"{len(view['nodes'])} are drawn, and more are left out: --limit, or --around ID")
    if out is None:
        return print_lines(drawn.rstrip("\n"))
    write_file(out, drawn)
    return print_note(f"{out} is written")


def _read(paths: list[Path] | None, around: str | None, depth: int, limit: int, data: Path | None) -> dict[str, Any]:
    if paths:
        return graph_of_files(read_definitions(*paths).all, around=around, depth=depth, limit=limit)
    return run_operation(data, read_graph, around=around, depth=depth, limit=limit)
