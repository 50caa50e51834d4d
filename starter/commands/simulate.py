"""`connector simulate`: the rules over a timeline, with no server and no sending."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import track

from connector.definitions import Definitions, read_definitions
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import Verb
from connector.rules.model.errors import ConnectorError, OrderRefused
from connector.simulation import Simulation, SpillStore
from connector.simulation.pictures import TooMuchToDraw, draw
from connector.simulation.timeline import ORDERS, Line, Timeline, read_timeline
from starter.commands.options import JsonOption, parse_time
from starter.terminal import print_result, print_warning, table

_MOST_DRAWN = 1000


class NotDrawn(ConnectorError):
    """The picture could not be written."""


class StepRefused(ConnectorError):
    """A lifecycle step of the timeline was refused, which ends the run."""


def simulate(
    campaigns: Annotated[Path, typer.Option(exists=True, help="A YAML file of definitions, or a folder of them.")],
    timeline: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="JSON lines of what arrives when.")],
    until: Annotated[str | None, typer.Option(help="Where to stop, like 2026-03-09T12:00:00Z; inclusive.")] = None,
    as_json: JsonOption = False,
    picture: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw a small run into this SVG file.")] = None,
) -> None:
    """Play a timeline by the rules of production, with no server and nothing sent.

    Every definition is a draft at the beginning; the timeline publishes. Each line is `at` (when it arrives) and one of
    user, publish, stop, resume, archive, apply, interaction:

      {"at": "2026-03-02T09:00:00Z", "user": {"id": "u-17", "push_tokens": ["p"]}}

      {"at": "2026-03-02T09:00:00Z", "publish": ["cart-reminder", "abandoned-cart"]}

      {"at": "2026-03-02T12:00:00Z", "interaction": {"user": "u-17", "type": "event", "name": "cart_abandoned"}}

    Printed is every follow-up and every refusal, in the order decided, and at the end what still waits.

    Examples:

      connector simulate --campaigns examples --timeline timeline.jsonl --picture timeline.svg

      connector simulate --campaigns campaigns/ --timeline week.jsonl --until 2026-03-09T12:00:00Z --json
    """
    end = None if until is None else parse_time("--until", until)
    definitions = read_definitions(campaigns)
    checked = read_timeline(timeline)
    if not checked.in_order:
        print_warning([f"{timeline}: its lines are not in the order of their times; they are taken in that order"])
    with SpillStore() as scratch:
        simulation = Simulation(Catalogue(), scratch, lambda note: print_warning([note]))
        try:
            with _rare_collections():
                _play(simulation, definitions, checked, end)
        finally:
            _show(simulation.lines(), as_json)
        if picture is not None:
            _draw(picture, checked, simulation.lines(), end)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What a simulation makes lives long: to look through it for garbage as often as usual costs a quarter more."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _play(simulation: Simulation, definitions: Definitions, timeline: Timeline, until: datetime | None) -> None:
    """Live through the timeline; raises StepRefused where an order or an edit is refused."""
    try:
        simulation.apply(*definitions.all)
    except OrderRefused as refusal:
        raise StepRefused(str(refusal)) from None
    for line in _with_progress(timeline):
        if until is not None and line.at > until:
            break
        simulation.run_to(line.at)
        try:
            _take(simulation, line)
        except OrderRefused as refusal:
            step = f"{line.thing} {' '.join(line.value)}" if line.thing in ORDERS else line.thing
            raise StepRefused(f"{timeline.path}: line {line.number}: {step} is refused:\n{refusal}") from None
    simulation.run_to(until)
    simulation.finish()


def _take(simulation: Simulation, line: Line) -> None:
    if line.thing == "interaction":
        simulation.take(line.value)
    elif line.thing == "user":
        simulation.describe(line.value["id"], line.value)
    elif line.thing == "apply":
        simulation.apply(line.value)
    else:
        simulation.order(cast(Verb, line.thing), line.value, allow_missed=line.allow_missed)


def _draw(picture: Path, timeline: Timeline, outcomes: Iterator[str], until: datetime | None) -> None:
    """Draw what was played; raises TooMuchToDraw, or NotDrawn where the file cannot be written."""
    if timeline.count > _MOST_DRAWN:
        raise TooMuchToDraw(f"a picture shows at most {_MOST_DRAWN} lines of a timeline; here are {timeline.count}")
    played = (line for line in timeline.lines() if until is None or line.at <= until)
    drawn = draw(played, [json.loads(outcome) for outcome in outcomes])
    try:
        picture.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise NotDrawn(f"{picture}: cannot be written: {error.strerror}") from None


def _with_progress(timeline: Timeline) -> Iterator[Line]:
    console = Console(stderr=True)
    lines = timeline.lines()
    if not console.is_terminal:
        return lines
    return iter(track(lines, "Simulating", total=timeline.count, console=console, transient=True))


def _show(lines: Iterator[str], as_json: bool) -> None:
    if as_json:
        for line in lines:
            print_result(line)
        return None
    counts: Counter[tuple[str, str, str]] = Counter()
    for outcome in map(json.loads, lines):
        print_result(_words(outcome))
        counts[outcome["campaign"], outcome["state"], outcome["reason"] or ""] += 1
    if not counts:
        return print_result("nothing was triggered")
    rows = [(*what, count) for what, count in sorted(counts.items())]
    return print_result("\n" + table(("campaign", "state", "reason", "count"), rows))


def _words(outcome: dict[str, Any]) -> str:
    """One outcome as a line: when it was decided, whom it is about, what came of it and why."""
    said = [
        outcome["decided_at"] or "in the end",
        outcome["campaign"],
        outcome["user"],
        outcome["state"] + (f" ({outcome['reason']})" if outcome["reason"] else ""),
        *([f"on {', '.join(outcome['channels'])}"] if outcome["channels"] else []),
        *([f"by {outcome['exception']}"] if outcome.get("exception") else []),
        f"triggered {outcome['triggered_at']} by {outcome['trigger']}",
        *([f"key {json.dumps(outcome['key'])}"] if outcome["key"] is not None else []),
        *([f"due {outcome['due_at']}"] if outcome["due_at"] else []),
    ]
    return "  ".join(said)
