"""Interactions accepted over HTTP by a real API, against a server that only inserts them into the same table.

Each is a process of its own, with a database of the same kind and the same settings of uvicorn. The users are known, as
most users are. The API runs its outbox: the workflows that it starts and signals use the same processors as the
requests that are counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx

from bench.figures import Figure, Row, Sample, at_least
from bench.installation import Installation, open_installation, run_server
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on, open_workspace
from connector.rules.model.reasons import State

_BASELINE = "bare insert over HTTP"
ROWS = (
    Row("accepted, touching no campaign", "/s", _BASELINE, (at_least(0.7),)),
    Row("accepted, starting follow-ups", "/s", _BASELINE, (at_least(0.45),)),
    Row("accepted, excepting follow-ups", "/s", _BASELINE, (at_least(0.6),)),
)
_MORE_UNTOUCHED = 3
"""So many times as many of those that touch no campaign: they are accepted so fast."""


async def measure(bench: Bench) -> list[Figure]:
    """Measure each kind of interaction directly after the bare server."""

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed, _run_servers(bench, installed) as servers:
            await servers.measure(bench.sizes.warm_ups)  # compilation and connections do not count
            return await servers.measure(bench.sizes.accepted)

    return await bench.repeat("accepting", ROWS, measure_round)


@dataclass(frozen=True)
class _Servers:
    """A client of the API, and one of the bare server."""

    installed: Installation
    api: httpx.AsyncClient
    bare: httpx.AsyncClient

    async def measure(self, count: int) -> list[Sample]:
        """Return the interactions accepted per second: those that touch nothing, start, and except follow-ups."""
        users, many = _users(count), _users(count * _MORE_UNTOUCHED)
        await report(self.api, "seen", [*users, *many])  # from now on the users are known
        bare = await report(self.bare, "seen", many)
        samples: list[Sample] = [(await report(self.api, "seen", many), bare)]
        for event in ("go", "stop"):
            bare = await report(self.bare, "seen", many)
            samples.append((await report(self.api, event, users), bare))
            await self.installed.workspace.wait_for_outbox()
        if await self.installed.workspace.count("cancelled", State.WAITING):
            raise RuntimeError("the bench's own exceptions cancelled nothing")
        return samples


def _users(count: int) -> list[str]:
    return [f"u-{uuid4()}" for _ in range(count)]


@asynccontextmanager
async def _run_servers(bench: Bench, installed: Installation) -> AsyncIterator[_Servers]:
    await installed.workspace.publish([follow_on("cancelled", event="go", delay="1 day", exception="stop")])
    async with open_workspace(bench) as bare_workspace:
        arguments = ["-m", "bench.bare_server", bare_workspace.url, "PORT"]
        async with installed.run_api() as api, run_server(arguments, {}, bench.folder) as bare:
            yield _Servers(installed, api, bare)
