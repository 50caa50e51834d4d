"""The report of a run: a table for terminals, the same in Markdown for docs/load.md, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.figures import Aim, Figure

_HEADINGS = ("figure", "connector", "baseline", "ratio", "±", "aim", "met")


def print_table(figures: Sequence[Figure], hardware: str, seconds: float) -> None:
    """Print a table for a terminal."""
    table = Table(title=hardware, title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in ("connector", "ratio", "±") else "left")
    colours = {"yes": "[green]yes[/]", "no": "[red]no[/]"}
    for figure in figures:
        *cells, met = _cells(figure)
        table.add_row(*cells, colours.get(met, met))
    Console().print(table)
    Console().print(_summary(figures, seconds))


def print_markdown(figures: Sequence[Figure], hardware: str, seconds: float) -> None:
    """Print the table as docs/load.md has it."""
    print(f"{hardware}; {seconds / 60:.1f} minutes:\n")
    print("| " + " | ".join(_HEADINGS) + " |")
    print("|---|---|---|---|---|---|---|")
    for figure in figures:
        print("| " + " | ".join(_cells(figure)) + " |")


def print_json(figures: Sequence[Figure], hardware: str, seconds: float) -> None:
    """Print one object."""
    rows = [figure.as_dict() for figure in figures]
    print(json.dumps({"hardware": hardware, "seconds": round(seconds, 1), "figures": rows}, indent=2))


def in_short(figure: Figure) -> str:
    """Return the figure in a few words, for whoever watches the run."""
    ratio = "" if figure.ratio is None else f", ratio {figure.ratio:.2f}"
    return f"{figure.name} {_number(figure.ours)} {figure.unit}{ratio}"


def _cells(figure: Figure) -> list[str]:
    baseline = "" if figure.baseline is None else f"{_number(figure.baseline)} {figure.unit} ({figure.baseline_is})"
    return [
        figure.name,
        f"{_number(figure.ours)} {figure.unit}",
        baseline,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        f"{figure.spread:.0%}" if figure.rounds > 1 else "",
        ", ".join(_in_words(aim, figure.unit) for aim in figure.aims),
        "" if not figure.aims else "no" if figure.missed else "yes",
    ]


def _in_words(aim: Aim, unit: str) -> str:
    return f"{aim.sign} {aim.bound:g}" + (f" {unit}" if aim.of == "ours" else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _summary(figures: Sequence[Figure], seconds: float) -> str:
    aimed = [figure for figure in figures if figure.aims]
    missed = [figure.name for figure in aimed if figure.missed]
    summary = f"{len(aimed) - len(missed)} of {len(aimed)} aims met in {seconds / 60:.1f} minutes"
    return summary + (f"; missed: {', '.join(missed)}" if missed else "")
