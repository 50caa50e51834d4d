"""`connector simulate`: applies the rules to a timeline, without a server and without sending."""

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
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.errors import ConnectorError, OrderRefused
from connector.simulation import Simulation, SpillStore
from connector.simulation.pictures import NotDrawable, draw
from connector.simulation.timeline import ORDER_KINDS, Timeline, TimelineStep, read_timeline
from starter.commands.options import JsonOption, parse_time_option
from starter.terminal import format_table, print_result, print_warnings

_MAX_DRAWN_LINES = 1000


class NotDrawn(ConnectorError):
    """The picture could not be written."""


class StepRefused(ConnectorError):
    """An order or edit of the timeline was refused, which ends the run."""


def simulate(
    campaigns: Annotated[Path, typer.Option(exists=True, help="A YAML file of definitions, or a folder of them.")],
    timeline: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="JSON lines: what arrives when.")],
    until: Annotated[str | None, typer.Option(help="When to stop, like 2026-03-09T12:00:00Z (inclusive).")] = None,
    as_json: JsonOption = False,
    picture: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw a small run as this SVG file.")] = None,
) -> None:
    """Play a timeline by the rules of production, without a server and without sending.

    Every definition begins as a draft; the timeline publishes it. Each line has `at` (the time of arrival) and one of
    user, publish, stop, resume, archive, apply, interaction:

      {"at": "2026-03-02T09:00:00Z", "user": {"id": "u-17", "push_tokens": ["p"]}}

      {"at": "2026-03-02T09:00:00Z", "publish": ["cart-reminder", "abandoned-cart"]}

      {"at": "2026-03-02T12:00:00Z", "interaction": {"user": "u-17", "type": "event", "name": "cart_abandoned"}}

    The output lists every follow-up and every refusal in the order of the decisions, then what still waits.

    Examples:

      connector simulate --campaigns examples --timeline timeline.jsonl --picture timeline.svg

      connector simulate --campaigns campaigns/ --timeline week.jsonl --until 2026-03-09T12:00:00Z --json
    """
    end = None if until is None else parse_time_option("--until", until)
    definitions = read_definitions(campaigns)
    played = read_timeline(timeline)
    if not played.in_order:
        print_warnings([f"{timeline}: the lines are not in order of time; they are played in that order"])
    with SpillStore() as store:
        simulation = Simulation(Catalogue(), store, lambda warning: print_warnings([warning]))
        try:
            with _rare_garbage_collections():
                _play(simulation, definitions, played, end)
        finally:
            _print_outcomes(simulation.lines(), as_json)
        if picture is not None:
            _draw(picture, played, simulation.lines(), end)


@contextmanager
def _rare_garbage_collections() -> Iterator[None]:
    """Collect garbage rarely: the objects of a simulation live long, and the default costs a quarter more time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _play(simulation: Simulation, definitions: Definitions, timeline: Timeline, until: datetime | None) -> None:
    """Play the timeline. Raises StepRefused if an order or edit is refused."""
    try:
        simulation.apply(*definitions.all)
    except OrderRefused as refusal:
        raise StepRefused(str(refusal)) from None
    for line in _lines_with_progress(timeline):
        if until is not None and line.at > until:
            break
        simulation.run_to(line.at)
        try:
            _play_line(simulation, line)
        except OrderRefused as refusal:
            step = f"{line.kind} {' '.join(line.value)}" if line.kind in ORDER_KINDS else line.kind
            raise StepRefused(f"{timeline.path}: line {line.number}: {step} is refused:\n{refusal}") from None
    simulation.run_to(until)
    simulation.report_waiting()


def _play_line(simulation: Simulation, line: TimelineStep) -> None:
    if line.kind == "interaction":
        simulation.ingest(line.value)
    elif line.kind == "user":
        simulation.change_user(line.value["id"], line.value)
    elif line.kind == "apply":
        simulation.apply(line.value)
    else:
        simulation.order(cast(OrderVerb, line.kind), line.value, allow_missed=line.allow_missed)


def _draw(picture: Path, timeline: Timeline, outcomes: Iterator[str], until: datetime | None) -> None:
    """Draw what was played. Raises TooMuchToDraw, and NotDrawn if the file cannot be written."""
    if timeline.count > _MAX_DRAWN_LINES:
        raise NotDrawable(
            f"a picture shows at most {_MAX_DRAWN_LINES} lines of a timeline; this one has {timeline.count}"
        )
    played = (line for line in timeline.lines() if until is None or line.at <= until)
    drawn = draw(played, [json.loads(outcome) for outcome in outcomes])
    try:
        picture.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise NotDrawn(f"{picture}: cannot be written: {error.strerror}") from None


def _lines_with_progress(timeline: Timeline) -> Iterator[TimelineStep]:
    console = Console(stderr=True)
    lines = timeline.lines()
    if not console.is_terminal:
        return lines
    return iter(track(lines, "Simulating", total=timeline.count, console=console, transient=True))


def _print_outcomes(lines: Iterator[str], as_json: bool) -> None:
    if as_json:
        for line in lines:
            print_result(line)
        return None
    counts: Counter[tuple[str, str, str]] = Counter()
    for outcome in map(json.loads, lines):
        print_result(_format_outcome(outcome))
        counts[outcome["campaign"], outcome["state"], outcome["reason"] or ""] += 1
    if not counts:
        return print_result("nothing was triggered")
    rows = [(*key, count) for key, count in sorted(counts.items())]
    return print_result("\n" + format_table(("campaign", "state", "reason", "count"), rows))


def _format_outcome(outcome: dict[str, Any]) -> str:
    """Return one outcome as a line: the time of the decision, campaign, user, state, reason and trigger."""
    parts = [
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
    return "  ".join(parts)
