"""The process of one simulation: reads a story from standard input as JSON, and prints its result as JSON.

It limits its own memory, processor time and files, because whoever sends a story may send any.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.definitions import parse_mappings, parse_texts
from connector.simulation.sharing import play_timeline
from connector.simulation.timeline import InvalidTimeline, Timeline

_MEMORY_BYTES = 512 * 1024**2
"""A tenth is needed to begin. Two run at once, in the memory that an API may have."""
_PROCESSOR_SECONDS = 40
"""Longer than the API waits: it ends a simulation whose API has been killed."""
_FILE_BYTES = 20 * 1024**2
"""A timeline and a store of its own, twice, are within the 64 MiB of `deploy/kubernetes/api.yaml`."""


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
        outcomes, is_cut = _take(played.lines(), story["max_outcomes"], story["max_characters"])
        failure = None if played.failure is None else str(played.failure)
        warnings = [*played.warnings, *([] if timeline.count else ["the timeline is empty: nothing happens"])]
    return {
        "outcomes": outcomes,
        "is_cut": is_cut,
        "warnings": [text.replace(f"{folder}{os.sep}", "") for text in warnings],
        "failure": None if failure is None else failure.replace(f"{folder}{os.sep}", ""),
    }


def _take(lines: Iterator[str], most: int, characters: int) -> tuple[list[Any], bool]:
    """Return the outcomes, and whether they exceed these bounds; then none are returned."""
    outcomes: list[Any] = []
    for line in lines:
        characters -= len(line)
        if len(outcomes) == most or characters < 0:
            return [], True
        outcomes.append(json.loads(line))
    return outcomes, False


def _limit() -> None:
    with suppress(OSError):  # not on Linux: if the memory is short, this process is ended before the API
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(ImportError, OSError, ValueError):  # not on Windows; or a lower limit holds already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))


if __name__ == "__main__":
    _limit()
    print(json.dumps(play_story(json.load(sys.stdin), Path(sys.argv[1]))))
