"""Time of one late item for a user with a long log, against a short one: it costs what it touches, not the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

import httpx

from bench.figures import Figure, Row, Sample, at_most
from bench.installation import open_installation
from bench.reporting import create_item, send_bodies
from bench.rounds import Bench
from bench.workspace import follow_on

_FEW = 100
_BATCH = 1000
_LOGGED_FOR, _LATE_BY = timedelta(hours=1), timedelta(hours=2)
_EVENTS = ("stop", "idle")
"""What the log has in turn: an exception of the follow-on, and an event to which nothing listens."""


async def measure(bench: Bench) -> list[Figure]:
    """Measure triggers that come later than everything logged, and before it by their own time."""
    sizes = bench.sizes
    row = Row(f"one late item, {sizes.logged:,} logged", "ms", f"{_FEW} logged", (at_most(1.5),))

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            await installed.workspace.publish([follow_on("later", event="go", delay="1 day", exception="stop")])
            async with installed.run_api() as api:
                for user, count in (("few", _FEW), ("many", sizes.logged), ("warm-up", _FEW)):
                    await _log(api, user, count)
                few, many = [], []
                for number in range(sizes.late_items):
                    await _milliseconds_of_late_item(api, "warm-up", number)
                    few.append(await _milliseconds_of_late_item(api, "few", number))
                    many.append(await _milliseconds_of_late_item(api, "many", number))
                return [(median(many), median(few))]

    return await bench.repeat("late items", [row], measure_round)


async def _log(api: httpx.AsyncClient, user: str, count: int) -> None:
    """Report events over the last hour."""
    now = datetime.now(UTC)  # noqa: TID251 - the time that a service would report
    items = [
        create_item(_EVENTS[number % len(_EVENTS)], user, now - _LOGGED_FOR * (1 - number / count))
        for number in range(count)
    ]
    for start in range(0, count, _BATCH):
        batch = items[start : start + _BATCH]
        await send_bodies(api, [json.dumps({"interactions": batch}).encode()], len(batch))


async def _milliseconds_of_late_item(api: httpx.AsyncClient, user: str, number: int) -> float:
    """Return the time of a request with one trigger that precedes everything logged, the first with the number 0."""
    now = datetime.now(UTC)  # noqa: TID251 - the time that a service would report
    body = json.dumps({"interactions": [create_item("go", user, now - _LATE_BY + timedelta(seconds=number))]})
    started_at = perf_counter()
    await send_bodies(api, [body.encode()], 1)
    return (perf_counter() - started_at) * 1000
