"""Interactions accepted over HTTP by a real API, against a server that only inserts them into the same table.

Each is a process of its own, with a SQLite file, the same settings of uvicorn and the same pragmas. The users are
known, as most users are. The API runs its outbox: the workflows that it starts and signals use the same two cores as
the requests that are counted.
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
from bench.callers import API_KEY, accepted_per_second, create_bodies, run_server
from bench.environment import BATCH_SIZE, BenchWorkspace, open_workspace
from bench.figures import Figure, Progress, Sizes, figure
from connector.rules.model.campaigns import Campaign
from connector.rules.model.reasons import State
from connector.store.follow_ups.outbox import find_to_signal, find_to_start
from connector.store.tables import follow_ups

_POLL_SECONDS = 0.05
_BARE_INSERT = "bare insert over HTTP"
_AIMS = {"touching no campaign": 0.5, "starting follow-ups": None, "excepting them": 0.5}
"""The aims by kind of interaction, in the order of a round; for those that start follow-ups the starts count."""
Round = tuple[float, float]


@dataclass(frozen=True)
class _Servers:
    """The API and the bare server, each with a client."""

    workspace: BenchWorkspace
    temporal: Client
    api: httpx.AsyncClient
    bare: httpx.AsyncClient

    async def insert_bare(self, count: int) -> float:
        """Return how many interactions the bare server inserts per second."""
        return await accepted_per_second(self.bare, create_bodies("seen", [f"u-{uuid4()}" for _ in range(count)]))

    async def report_unrelated(self, users: list[str]) -> float:
        """Return how many interactions per second are accepted that concern no campaign."""
        return await accepted_per_second(self.api, create_bodies("seen", users))

    async def start_follow_ups(self, users: list[str]) -> tuple[float, float]:
        """Return how many interactions per second are accepted that start a follow-up, and how many of those start."""
        bodies = create_bodies("go", users)
        started_at = perf_counter()
        accepted = await accepted_per_second(self.api, bodies)
        await self._wait_for_outbox()
        return accepted, len(users) / (perf_counter() - started_at)

    async def cancel_follow_ups(self, users: list[str]) -> float:
        """Return how many interactions per second are accepted that each cancel a follow-up of these users."""
        accepted = await accepted_per_second(self.api, create_bodies("stop", users))
        await self._wait_for_outbox()
        if await self._count_waiting():
            raise RuntimeError("the bench's own exceptions cancelled nothing")
        return accepted

    async def _wait_for_outbox(self) -> None:
        """Return when the outbox has started and signalled everything."""
        while await self._has_outbox_rows():  # noqa: ASYNC110 - another process writes to the store
            await asyncio.sleep(_POLL_SECONDS)

    async def _has_outbox_rows(self) -> bool:
        async with self.workspace.database.read(self.workspace.id) as tx:
            to_start = await find_to_start(tx, 1)
            return bool(to_start or await find_to_signal(tx, 1))

    async def _count_waiting(self) -> int:
        statement = select(func.count()).select_from(follow_ups).where(follow_ups.c.state == State.WAITING.value)
        async with self.workspace.database.read(self.workspace.id) as tx:
            return int((await tx.execute(statement)).scalar_one())


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> list[Figure]:
    """Measure each kind of interaction directly after the bare server, and starts directly before the bare loop."""
    accepted_by_kind: dict[str, list[Round]] = {name: [] for name in _AIMS}
    starts: list[Round] = []
    async with _run_servers(folder, client) as servers:
        await _measure_round(servers, BATCH_SIZE)  # compilation and connections do not count
        for number in range(sizes.rounds):
            progress(f"accepting over HTTP, round {number + 1} of {sizes.rounds}")
            accepted, started = await _measure_round(servers, sizes.accepted)
            for name, one in zip(accepted_by_kind, accepted, strict=True):
                accepted_by_kind[name].append(one)
            starts.append(started)
    return [
        figure(f"accepted over HTTP, {name}", "/s", _BARE_INSERT, rounds, aim=_AIMS[name], better="higher")
        for name, rounds in accepted_by_kind.items()
    ] + [figure("triggered over HTTP and started", "/s", "bare start_workflow", starts, aim=0.9, better="higher")]


async def _measure_round(servers: _Servers, count: int) -> tuple[list[Round], Round]:
    users = [f"u-{uuid4()}" for _ in range(count)]
    await servers.report_unrelated(users)  # from now on the users are known
    accepted = []
    bare_insert = await servers.insert_bare(count)
    accepted.append((await servers.report_unrelated(users), bare_insert))
    bare_insert = await servers.insert_bare(count)
    started_accepted, started = await servers.start_follow_ups(users)
    accepted.append((started_accepted, bare_insert))
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - a measurement, not a rule
    bare_started = await bare.starts_per_second(servers.temporal, count, due_at=tomorrow)
    bare_insert = await servers.insert_bare(count)
    accepted.append((await servers.cancel_follow_ups(users), bare_insert))
    return accepted, (started, bare_started)


@asynccontextmanager
async def _run_servers(folder: Path, client: Client) -> AsyncIterator[_Servers]:
    async with open_workspace(folder) as workspace, open_workspace(folder) as bare_workspace:
        await workspace.publish([_CAMPAIGN])
        environment = {
            "CONNECTOR_WORKSPACE": workspace.id,
            "CONNECTOR_DATABASE_URL": workspace.context.settings.database,
            "CONNECTOR_API_KEYS": f'["{API_KEY}"]',
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
        }
        api_arguments = ["-m", "starter.cli", "api", "--port", "PORT"]
        bare_arguments = ["-m", "bench.bare_server", bare_workspace.context.settings.database, "PORT"]
        async with (
            run_server(api_arguments, environment, folder / "api.log") as api_client,
            run_server(bare_arguments, {}, folder / "bare.log") as bare_client,
        ):
            yield _Servers(workspace, client, api_client, bare_client)


_CAMPAIGN = Campaign.model_validate(
    {
        "campaign": "cancelled",
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
