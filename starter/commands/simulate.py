"""`connector simulate`: applies the rules to a timeline, without a server and without sending."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import wrap_file

from connector.definitions import read_definitions
from connector.rules.model.values import format_instant
from connector.simulation.like import play_like
from connector.simulation.pictures import NotDrawable, draw
from connector.simulation.sharing import play_timeline
from connector.simulation.timeline import Timeline, TimelineStep
from starter.commands.files import write_file
from starter.commands.options import DataOption, JsonOption, parse_time_option
from starter.explain.texts import describe_content
from starter.terminal import format_table, print_lines, print_result, print_warnings

_MAX_DRAWN_LINES = 1000


def simulate(
    campaigns: Annotated[Path, typer.Option(exists=True, help="A YAML file of definitions, or a folder of them.")],
    timeline: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON lines, or YAML (.yaml): what arrives when."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Instead of a timeline: what this real user did, from the store.", metavar="USER")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help='With --like: since when, like 2026-03-02T00:00:00Z, or how long ago: "7 days".'),
    ] = None,
    until: Annotated[str | None, typer.Option(help="When to stop, like 2026-03-09T12:00:00Z (inclusive).")] = None,
    as_json: JsonOption = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the users (default: one per processor).")
    ] = None,
    picture: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw a small run as this SVG file.")] = None,
    messages: Annotated[
        bool, typer.Option("--messages", help="Also show what went out, as rendered; with --json the key messages.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Play a timeline by the rules of production, without a server and without sending.

    Every definition begins as a draft; the timeline publishes it. Each line has `at` (the time of arrival) and one of
    user, publish, stop, resume, archive, apply, interaction:

      {"at": "2026-03-02T09:00:00Z", "user": {"id": "u-17", "push_tokens": ["p"]}}

      {"at": "2026-03-02T09:00:00Z", "publish": ["cart-reminder", "abandoned-cart"]}

      {"at": "2026-03-02T12:00:00Z", "interaction": {"user": "u-17", "type": "event", "name": "cart_abandoned"}}

    In a file that ends in .yaml, the same lines are a list or documents. The output lists every follow-up and every
    refusal in the order of the decisions, then what still waits.

    With --like, what a real user did is played against follow-ons as they are in the files, as if they had been
    published at --since: with the profile and consent as known now, and the messages of other campaigns as they were
    really sent. It is read from the store, or with CONNECTOR_API_URL over HTTP; nothing is changed.

    Examples:

      connector simulate --campaigns examples --timeline timeline.jsonl --picture timeline.svg

      connector simulate --campaigns campaigns/ --timeline week.yaml --until 2026-03-09T12:00:00Z --json --messages

      connector simulate --campaigns campaigns/ --like u-17 --since "7 days"
    """
    end = None if until is None else parse_time_option("--until", until)
    if (timeline is None) == (like is None):
        raise typer.BadParameter("name either --timeline or --like")
    if (like is None) != (since is None):
        raise typer.BadParameter("--like and --since go together")
    definitions = read_definitions(campaigns)
    if timeline is not None:
        lines = Timeline(timeline, _progress)
        played = play_timeline(definitions, lines, end, 1 if picture else jobs, with_messages=messages)
        warnings = [] if lines.count else [f"{timeline} is empty: nothing happens"]
        steps: Callable[[], Sequence[TimelineStep]] = lines.sorted_steps
    else:
        from starter.commands.real_users import load_real_user  # a timeline needs no store

        user = load_real_user(data, str(like), str(since))
        played = play_like(definitions, user, end, with_messages=messages)
        warnings = [] if user.arrivals else [f"{like} did nothing since {format_instant(user.since)}"]
        steps = partial(user.steps, definitions)
    with played:
        print_warnings([*played.warnings, *warnings])
        _print_outcomes(played.lines(), as_json)
        if played.failure is not None:
            raise played.failure
        if picture is not None:
            _draw(picture, steps(), played.lines(), end)


def _draw(picture: Path, steps: Sequence[TimelineStep], outcomes: Iterator[str], until: datetime | None) -> None:
    """Draw what was played. Raises NotDrawable, and NotWritten if the file cannot be written."""
    if len(steps) > _MAX_DRAWN_LINES:
        raise NotDrawable(f"a picture shows at most {_MAX_DRAWN_LINES} lines of a timeline; this one has {len(steps)}")
    played = (step for step in steps if until is None or step.at <= until)
    write_file(picture, draw(played, [json.loads(outcome) for outcome in outcomes]))


@contextmanager
def _progress(file: BinaryIO) -> Iterator[BinaryIO]:
    """Show on a terminal how far a file was read."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield file
        return
    size = os.fstat(file.fileno()).st_size
    with wrap_file(file, size, description="Simulating", console=console, transient=True) as watched:
        yield watched


def _print_outcomes(lines: Iterator[str], as_json: bool) -> None:
    if as_json:
        for line in lines:
            print_result(line)
        return None
    counts: Counter[tuple[str, str, str]] = Counter()
    for outcome in map(json.loads, lines):
        print_result(_format_outcome(outcome))
        for channel, content in outcome.get("messages", {}).items():
            print_result(f"    {channel}: {describe_content(content)}")
        counts[outcome["campaign"], outcome["state"], outcome["reason"] or ""] += 1
    if not counts:
        return print_result("nothing was triggered")
    rows = [(*key, count) for key, count in sorted(counts.items())]
    return print_lines("\n" + format_table(("campaign", "state", "reason", "count"), rows))


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
