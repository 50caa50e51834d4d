"""The process of one simulation: reads a story from standard input as JSON, and prints its result as JSON.

It limits its own memory and processor time, because whoever sends a story may send any.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from connector.definitions import parse_mappings, parse_texts
from connector.simulation.sharing import play_timeline
from connector.simulation.timeline import InvalidTimeline, Timeline

_MEMORY_BYTES = 2 * 1024**3
_PROCESSOR_SECONDS = 120


def play_story(story: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Play a story; the timeline is written into the folder, whose path no message shows."""
    definitions = parse_texts(story["texts"]) if story["texts"] is not None else parse_mappings(story["mappings"])
    is_yaml = not story["timeline"].lstrip("\ufeff \t\r\n").startswith("{")
    file = folder / ("timeline.yaml" if is_yaml else "timeline.jsonl")
    file.write_text(story["timeline"], encoding="utf-8")
    until = None if story["until"] is None else datetime.fromisoformat(story["until"])
    timeline = Timeline(file)
    try:
        played = play_timeline(definitions, timeline, until, 1, with_messages=story["with_messages"])
    except InvalidTimeline as error:
        return {"faults": [line.replace(f"{folder}{os.sep}", "") for line in str(error).split("\n")]}
    with played:
        outcomes = [json.loads(line) for line in islice(played.lines(), story["max_outcomes"] + 1)]
        failure = None if played.failure is None else str(played.failure)
        warnings = [*played.warnings, *([] if timeline.count else ["the timeline is empty: nothing happens"])]
    return {
        "outcomes": outcomes[: story["max_outcomes"]],
        "is_cut": len(outcomes) > story["max_outcomes"],
        "warnings": [text.replace(f"{folder}{os.sep}", "") for text in warnings],
        "failure": None if failure is None else failure.replace(f"{folder}{os.sep}", ""),
    }


def _limit() -> None:
    with suppress(ImportError, OSError, ValueError):  # not on Windows; or a lower limit holds already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))


if __name__ == "__main__":
    _limit()
    with TemporaryDirectory(prefix="connector-simulation-") as own:
        print(json.dumps(play_story(json.load(sys.stdin), Path(own))))
