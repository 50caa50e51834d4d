"""The process that plays one share of a timeline, and its messages to the process that started it.

A message is a pair of a kind and a value: questions to all shares (`missed`, `launched`, `begun`), then `played` with
the result, then the outcomes in chunks (`some`) and an `end`. `alone` means that the timeline must be played by one
process.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from connector.definitions import Definitions
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign, Scheduled
from connector.rules.sending.launch_times import Share as LaunchShare
from connector.simulation.engine import Simulation
from connector.simulation.playing import StepRefused, play
from connector.simulation.sort_keys import SortKey
from connector.simulation.spill_store import MAX_IDS_IN_MEMORY, MAX_USERS_IN_MEMORY, SpillStore
from connector.simulation.timeline import Share, Timeline, TimelineStep

_CHUNK = 1000


class PlayAlone(Exception):
    """The users cannot be shared out, or a process has ended: one process must play the timeline."""


@dataclass(frozen=True)
class ShareResult:
    """The result of one share, apart from its outcomes.

    Args:
        warnings: each with the sort key of its event.
        warned_once: as `Simulation.warned_once`.
        refusal: the StepRefused that ended the run before its time.
        lines: how many lines the timeline has.
    """

    warnings: Sequence[tuple[SortKey, str]]
    warned_once: Mapping[str, SortKey]
    refusal: str | None
    lines: int


def can_be_shared(definition: object) -> bool:
    """Return whether the users of a definition can be shared out: with `per_minute` they compete for its messages."""
    delivery = definition.delivery if isinstance(definition, Campaign) else None
    return not isinstance(delivery, Scheduled) or delivery.per_minute is None


def run_share(
    connection: Connection, definitions: Definitions, timeline: Timeline, share: Share, until: datetime | None
) -> None:
    """Play a share, send its result, and end the process. Its starter handles interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        _play_share(connection, definitions, timeline, share, until)
    except BrokenPipeError:
        pass
    except Exception:  # one process meets the same error again, and reports it
        connection.send(("alone", None))
    os._exit(0)  # at once: taking the simulation apart costs time


def _play_share(
    connection: Connection, definitions: Definitions, timeline: Timeline, share: Share, until: datetime | None
) -> None:
    store = SpillStore(
        max_users_in_memory=MAX_USERS_IN_MEMORY // share.count, max_ids_in_memory=MAX_IDS_IN_MEMORY // share.count
    )
    warnings: list[tuple[SortKey, str]] = []
    simulation = Simulation(
        Catalogue(),
        store,
        lambda warning: warnings.append((simulation.sort_key, warning)),
        peers=_Questions(connection),
    )
    failure = play(simulation, definitions, timeline, _shareable(timeline.steps(share)), until)
    if failure is not None and not isinstance(failure, StepRefused):
        raise PlayAlone
    refusal = None if failure is None else str(failure)
    connection.send(("played", ShareResult(warnings, simulation.warned_once, refusal, timeline.count)))
    _send_all(connection, store.lines_with_sort_keys())


class _Questions:
    """Asks about all shares. The process that started them answers when each of them has asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def missed(self, own: Counter[str]) -> Counter[str]:
        self._connection.send(("missed", own))
        return Counter(self._connection.recv())

    def launched(self, own: Counter[tuple[str, LaunchShare]]) -> Counter[tuple[str, LaunchShare]]:
        self._connection.send(("launched", own))
        return Counter(self._connection.recv())

    def begun(self, own: Mapping[str, SortKey]) -> Sequence[str]:
        self._connection.send(("begun", own))
        return list(self._connection.recv())


def _shareable(steps: Iterator[TimelineStep]) -> Iterator[TimelineStep]:
    for step in steps:
        if step.kind == "apply" and not can_be_shared(step.value):
            raise PlayAlone
        yield step


def _send_all(connection: Connection, items: Iterable[Any]) -> None:
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        connection.send(("some", chunk))
    connection.send(("end", None))


def _end_with_parent() -> None:
    """End this process as soon as the process that started it has ended, for whatever reason."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
