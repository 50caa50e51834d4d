"""Play a timeline to its end, and keep warnings and outcomes until every line has been checked.

ConnectorError
└── StepRefused     an order or edit of the timeline was refused, which ends the run
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from connector.definitions import Definitions
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.campaigns import Workspace
from connector.rules.model.errors import ConnectorError, OrderRefused, Source
from connector.rules.model.printable import escape_line
from connector.simulation.engine import Simulation
from connector.simulation.spill_store import SpillStore
from connector.simulation.timeline import ORDER_KINDS, InvalidTimeline, NotInOrder, Timeline, TimelineStep


class StepRefused(ConnectorError):
    """An order or edit of the timeline was refused, which ends the run."""

    has_lines = True


@dataclass(frozen=True)
class Played(AbstractContextManager["Played"]):
    """A run that has ended, as a context in which its outcomes can be read.

    Args:
        lines: returns the outcomes as JSON, in the order of the decisions.
        failure: what ended the run before its time, such as a StepRefused.
        close: releases what the outcomes are read from.
    """

    warnings: Sequence[str]
    failure: Exception | None
    lines: Callable[[], Iterator[str]]
    close: Callable[[], None]

    def __exit__(self, *_error: object) -> None:
        self.close()


def play_alone(
    definitions: Definitions, timeline: Timeline, until: datetime | None, *, with_messages: bool = False
) -> Played:
    """Play a timeline in the order of time, in this process.

    Args:
        until: when to stop (inclusive); None: when nothing is left to happen.
        with_messages: whether the outcomes also have what went out, as rendered.

    Raises:
        InvalidTimeline: a line cannot be read, even one that would not be played; nothing counts as played.
    """
    if timeline.can_be_read_again:
        try:
            return _play_steps(definitions, timeline, timeline.steps(), until, [], with_messages)
        except NotInOrder:
            pass
    steps = timeline.sorted_steps()
    warnings = [] if timeline.in_order else [str(NotInOrder(timeline.path))]
    return _play_steps(definitions, timeline, iter(steps), until, warnings, with_messages)


def play_step(simulation: Simulation, step: TimelineStep, file: str | None = None) -> None:
    """Play one step of this timeline file as of now. Raises OrderRefused."""
    if step.kind == "interaction":
        simulation.ingest(step.value)
    elif step.kind == "user":
        simulation.change_user(step.value["id"], step.value)
    elif step.kind == "apply":
        name = "" if isinstance(step.value, Workspace) else step.value.id
        simulation.apply(step.value, sources={name: Source(file, step.number)} if file else {})
    else:
        simulation.order(cast(OrderVerb, step.kind), step.value, allow_missed=step.allow_missed)


def _play_steps(
    definitions: Definitions,
    timeline: Timeline,
    steps: Iterator[TimelineStep],
    until: datetime | None,
    warnings: list[str],
    with_messages: bool,
) -> Played:
    store = SpillStore()
    simulation = Simulation(Catalogue(), store, warnings.append, with_messages=with_messages)
    failure = play(simulation, definitions, timeline, steps, until)
    return Played(warnings, failure, store.lines, store.close)


def play(
    simulation: Simulation,
    definitions: Definitions,
    timeline: Timeline,
    steps: Iterator[TimelineStep],
    until: datetime | None,
) -> Exception | None:
    """Play the steps until the end or a failure, which is returned; the steps after a failure are only checked.

    Raises:
        InvalidTimeline, NotInOrder: as `Timeline.steps`.
    """
    failure = None
    with _rare_garbage_collections():
        try:
            _play(simulation, definitions, timeline, steps, until)
        except (InvalidTimeline, NotInOrder):
            raise
        except Exception as ended_by:
            failure = ended_by
        for _ in steps:
            pass
    return failure


def _play(
    simulation: Simulation,
    definitions: Definitions,
    timeline: Timeline,
    steps: Iterator[TimelineStep],
    until: datetime | None,
) -> None:
    """Play the steps. Raises StepRefused if an order or edit is refused."""
    try:
        simulation.apply(*definitions.all, sources=definitions.sources)
    except OrderRefused as refusal:
        raise StepRefused(str(refusal)) from None
    for step in steps:
        if until is not None and step.at > until:
            break
        simulation.run_to_line(step.at, step.number)
        try:
            play_step(simulation, step, str(timeline.path))
        except OrderRefused as refusal:
            order = f"{step.kind} {' '.join(step.value)}" if step.kind in ORDER_KINDS else step.kind
            head = escape_line(f"{timeline.path}: line {step.number}: {order} is refused:")
            raise StepRefused(f"{head}\n{refusal}") from None
    simulation.run_to(until)
    simulation.report_waiting()


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
