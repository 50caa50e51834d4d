"""The table of measurements, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench import (
    accepting,
    asking,
    cleaning,
    commands,
    consoles,
    draining,
    ingesting,
    late_items,
    latency,
    launching,
    simulating,
    sizing,
    starting,
    stopping,
    waiting,
)
from bench.figures import Figure
from bench.rounds import Bench

ALL = frozenset({"sqlite", "postgresql"})


@dataclass(frozen=True)
class Measurement:
    """One measurement: what it measures, in a few words, and the function that does."""

    describe: str
    measure: Callable[[Bench], Awaitable[list[Figure]]]
    databases: frozenset[str] = ALL


MEASUREMENTS = {
    "accepting": Measurement("interactions accepted over HTTP", accepting.measure),
    "starting": Measurement("follow-ups started", starting.measure),
    "draining": Measurement("follow-ups from trigger to sent", draining.measure),
    "launching": Measurement("messages that a launch sends", launching.measure),
    "ingesting": Measurement("time per interaction with many campaigns", ingesting.measure),
    "waiting": Measurement("memory of a worker while follow-ups wait", waiting.measure),
    "latency": Measurement("from trigger to the provider's call, without a delay", latency.measure),
    "stopping": Measurement("time of a stop while thousands are due", stopping.measure),
    "late": Measurement("one late item and a long log", late_items.measure),
    "cleaning": Measurement("ingest while a million old rows are deleted", cleaning.measure),
    "asking": Measurement("the console's pages and the questions behind them", asking.measure),
    "consoles": Measurement("what a hundred open pages of the console cost the API", consoles.measure),
    "simulating": Measurement("time of simulate", simulating.measure, frozenset({"sqlite"})),
    "sizing": Measurement("bytes per row and per history", sizing.measure, frozenset({"postgresql"})),
    "commands": Measurement("how long commands take to start", commands.measure),
}
