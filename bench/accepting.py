"""Interactions accepted over HTTP by a real API, against a server that inserts them into the same table and no more.

Both are processes of their own, with a SQLite file each, the same settings of uvicorn and the same pragmas. The users
are known, as most are. The API has its outbox on: what it starts and signals in Temporal costs the same two cores as
the answers that are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import httpx
from sqlalchemy import func, select
from temporalio.client import Client

from bench import bare
from bench.callers import KEY, accepted_per_second, bodies_of, serving
from bench.figures import Figure, Sizes, figure
from bench.ground import BATCH, Ground, laid
from bench.progress import Progress
from connector.rules.model.campaigns import Campaign
from connector.rules.model.reasons import State
from connector.store.follow_ups.pending import claim_to_signal, claim_to_start
from connector.store.tables import follow_ups

_POLL_SECONDS = 0.05
_BARE_INSERT = "bare insert over HTTP"
_AIMS = {"touching no campaign": 0.5, "starting follow-ups": None, "excepting them": 0.5}
"""What is accepted of each kind, in the order of a round; those that start are measured by their starts."""
Round = tuple[float, float]


@dataclass(frozen=True)
class _Stage:
    """The API that is measured and the bare one beside it, each with a client."""

    ground: Ground
    temporal: Client
    api: httpx.AsyncClient
    inserting: httpx.AsyncClient

    async def bare_insert(self, count: int) -> float:
        """Interactions that the bare server inserts in a second."""
        return await accepted_per_second(self.inserting, bodies_of("seen", [f"u-{uuid4()}" for _ in range(count)]))

    async def untouched(self, users: list[str]) -> float:
        """Interactions a second that touch no campaign."""
        return await accepted_per_second(self.api, bodies_of("seen", users))

    async def begun(self, users: list[str]) -> tuple[float, float]:
        """Interactions a second that begin a follow-up each: accepted, and started in Temporal as well."""
        bodies = bodies_of("go", users)
        begun = perf_counter()
        accepted = await accepted_per_second(self.api, bodies)
        await self._settled()
        return accepted, len(users) / (perf_counter() - begun)

    async def excepted(self, users: list[str]) -> float:
        """Interactions a second that call off one of these users' follow-ups each."""
        accepted = await accepted_per_second(self.api, bodies_of("stop", users))
        await self._settled()
        if await self._waiting():
            raise RuntimeError("the bench's own exceptions called nothing off")
        return accepted

    async def _settled(self) -> None:
        """Until the outbox has told Temporal everything."""
        while await self._is_owed():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(_POLL_SECONDS)

    async def _is_owed(self) -> bool:
        async with self.ground.database.read(self.ground.workspace) as tx:
            to_start = await claim_to_start(tx, 1)
            return bool(to_start or await claim_to_signal(tx, 1))

    async def _waiting(self) -> int:
        statement = select(func.count()).select_from(follow_ups).where(follow_ups.c.state == State.WAITING.value)
        async with self.ground.database.read(self.ground.workspace) as tx:
            return int((await tx.execute(statement)).scalar_one())


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> list[Figure]:
    """Each kind of interaction, right after a round of the bare server's; then starts, right before the bare loop's."""
    touching: dict[str, list[Round]] = {name: [] for name in _AIMS}
    starts: list[Round] = []
    async with _set(folder, client) as stage:
        await _round(stage, BATCH)  # what is compiled and connected once is not counted
        for number in range(sizes.rounds):
            progress(f"accepting over HTTP, round {number + 1} of {sizes.rounds}")
            accepted, started = await _round(stage, sizes.accepted)
            for name, one in zip(touching, accepted, strict=True):
                touching[name].append(one)
            starts.append(started)
    return [
        figure(f"accepted over HTTP, {name}", "/s", _BARE_INSERT, rounds, aim=_AIMS[name], better="higher")
        for name, rounds in touching.items()
    ] + [figure("triggered over HTTP and started", "/s", "bare start_workflow", starts, aim=0.9, better="higher")]


async def _round(stage: _Stage, count: int) -> tuple[list[Round], Round]:
    users = [f"u-{uuid4()}" for _ in range(count)]
    await stage.untouched(users)  # from here on they are known, as most users are
    accepted = []
    bare_insert = await stage.bare_insert(count)
    accepted.append((await stage.untouched(users), bare_insert))
    bare_insert = await stage.bare_insert(count)
    taken, started = await stage.begun(users)
    accepted.append((taken, bare_insert))
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a measurement, not a rule
    bare_started = await bare.starts_per_second(stage.temporal, count, due_at=tomorrow)
    bare_insert = await stage.bare_insert(count)
    accepted.append((await stage.excepted(users), bare_insert))
    return accepted, (started, bare_started)


@asynccontextmanager
async def _set(folder: Path, client: Client) -> AsyncIterator[_Stage]:
    async with laid(folder) as ground, laid(folder) as beside:
        await ground.publish([_CALLED_OFF])
        environment = {
            "CONNECTOR_WORKSPACE": ground.workspace,
            "CONNECTOR_DATABASE_URL": ground.url,
            "CONNECTOR_API_KEYS": f'["{KEY}"]',
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
        }
        api = ["-m", "starter.cli", "api", "--port", "PORT"]
        bare_server = ["-m", "bench.bare_server", beside.url, "PORT"]
        async with (
            serving(api, environment, folder / "api.log") as ours,
            serving(bare_server, {}, folder / "bare.log") as inserting,
        ):
            yield _Stage(ground, client, ours, inserting)


_CALLED_OFF = Campaign.model_validate(
    {
        "campaign": "called-off",
        "delivery": {
            "type": "action_based",
            "trigger": [{"event": "go"}],
            "delay": {"after": "1 day"},
            "exceptions": [{"event": "stop"}],
            "eligible_again": "always",
        },
        "messages": {"push": {"title": "Hello", "body": "{{ user.id }}"}},
    }
)
