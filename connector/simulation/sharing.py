"""Play a timeline in several processes, each with some of the users, with the outcomes and the order of one process.

Users do not influence each other, with few exceptions:

- the users of a scheduled original with `per_minute` compete for its messages;
- what a new follow-on has missed, and whom an order's launches reach, is counted over all users;
- the outcomes are printed in the order of the decisions.

The first is left to one process; for the others, the processes exchange counts and sort keys.
"""

from __future__ import annotations

import heapq
import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from operator import itemgetter
from pathlib import Path
from typing import Any

from connector.definitions import Definitions
from connector.rules.model.errors import ConnectorError
from connector.simulation.playing import Played, StepRefused, play_alone
from connector.simulation.share_process import PlayAlone, ShareResult, can_be_shared, run_share
from connector.simulation.sort_keys import SortKey
from connector.simulation.timeline import Share, Timeline

_BYTES_PER_JOB = 1_000_000
"""A timeline of fewer bytes is played before another process has started."""


class SharesLost(ConnectorError):
    """A process that plays a share has ended before it sent all outcomes."""


def play_timeline(
    definitions: Definitions,
    timeline: Timeline,
    until: datetime | None,
    jobs: int | None,
    *,
    with_messages: bool = False,
) -> Played:
    """Play a timeline in the order of time.

    Args:
        until: when to stop (inclusive); None: when nothing is left to happen.
        jobs: the number of processes; None: one for each processor, but one for a small timeline.
        with_messages: whether the outcomes also have what went out, as rendered; one process plays then.

    Raises:
        InvalidTimeline: a line cannot be read, even one that would not be played; nothing counts as played.
    """
    count = jobs if jobs is not None else _default_jobs(timeline.path)
    if count > 1 and not with_messages and timeline.can_be_read_again and all(map(can_be_shared, definitions.all)):
        shares = _Shares(definitions, timeline, until, count)
        try:
            return shares.played()
        except PlayAlone:
            shares.close()
        except BaseException:
            shares.close()
            raise
    return play_alone(definitions, timeline, until, with_messages=with_messages)


def start_method() -> str:
    """Return how to start a process: by a fast fork if this process has no other thread, which may hold a lock."""
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def _default_jobs(path: Path) -> int:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, path.stat().st_size // _BYTES_PER_JOB)) if path.is_file() else 1


class _Shares:
    """The processes of one run."""

    def __init__(self, definitions: Definitions, timeline: Timeline, until: datetime | None, count: int) -> None:
        self._timeline = timeline
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        context = multiprocessing.get_context(start_method())
        for index in range(count):
            own, other = context.Pipe()
            part = timeline if index == 0 else Timeline(timeline.path)  # the first share shows how far it has read
            arguments = (other, definitions, part, Share(index, count), until)
            process = context.Process(target=run_share, args=arguments, daemon=True)  # type: ignore[attr-defined]
            process.start()
            other.close()
            self._processes.append(process)
            self._connections.append(own)

    def played(self) -> Played:
        """Return the run as one process would have played it. Raises PlayAlone if the shares cannot give that."""
        results = self._results()
        refusals = {result.refusal for result in results}
        if len(refusals) > 1:
            raise PlayAlone
        self._timeline.count = results[0].lines
        refusal = refusals.pop()
        failure = None if refusal is None else StepRefused(refusal)
        return Played(_merged_warnings(results), failure, self._lines, self.close)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()
        for connection in self._connections:
            connection.close()

    def _results(self) -> list[ShareResult]:
        """Answer the questions of the shares until each has played."""
        results: dict[Connection, ShareResult] = {}
        asked: dict[Connection, tuple[str, Any]] = {}
        while len(results) < len(self._connections):
            playing = [own for own in self._connections if own not in asked and own not in results]
            for connection in wait(playing):
                assert isinstance(connection, Connection)  # noqa: S101 - nothing else is waited for
                kind, value = _receive(connection)
                if kind == "played":
                    results[connection] = value
                else:
                    asked[connection] = kind, value
            if asked and len(asked) + len(results) == len(self._connections):
                self._answer(asked)
                asked.clear()
        return [results[connection] for connection in self._connections]

    def _answer(self, asked: Mapping[Connection, tuple[str, Any]]) -> None:
        questions = {kind for kind, _ in asked.values()}
        values = [asked[connection][1] for connection in self._connections if connection in asked]
        if len(questions) > 1 or len(values) < len(self._connections):
            raise PlayAlone
        is_campaigns = questions == {"begun"}
        answer = _merged_campaigns(values) if is_campaigns else sum(values, Counter[Any]())
        for connection in self._connections:
            connection.send(answer)

    def _lines(self) -> Iterator[str]:
        try:
            for _, line in heapq.merge(*map(_received, self._connections), key=itemgetter(0)):
                yield line
        except PlayAlone:
            raise SharesLost(
                "a process of the simulation was ended from outside; the outcomes are incomplete"
            ) from None


def _receive(connection: Connection) -> tuple[str, Any]:
    try:
        kind, value = connection.recv()
    except (EOFError, OSError):
        raise PlayAlone from None
    if kind == "alone":
        raise PlayAlone
    return kind, value


def _received(connection: Connection) -> Iterator[Any]:
    """Yield what a share sends until an `end`."""
    while (message := _receive(connection))[0] != "end":
        yield from message[1]


def _merged_campaigns(begun: Sequence[Mapping[str, SortKey]]) -> list[str]:
    """Return the campaigns in the order in which the first follow-up of each has begun in any share."""
    first = sorted(((key, campaign) for share in begun for campaign, key in share.items()), key=itemgetter(0))
    return list(dict.fromkeys(campaign for _, campaign in first))


def _merged_warnings(results: Sequence[ShareResult]) -> list[str]:
    """Return the warnings in the order of their events: an order's once, and of those given once the first."""
    first: dict[str, SortKey] = {}
    for result in results:
        for warning, key in result.warned_once.items():
            first[warning] = min(key, first.get(warning, key))
    warnings: dict[SortKey, list[str]] = {}
    for result in results:
        own: dict[SortKey, list[str]] = {}
        for key, warning in result.warnings:
            own.setdefault(key, []).append(warning)
        warnings.update(own)
    return [warning for key in sorted(warnings) for warning in warnings[key] if first.get(warning, key) == key]
