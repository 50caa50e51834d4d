"""The environment of the measurements: a workspace in a SQLite file of its own, and a Temporal server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client

from connector.app.context import AppContext, open_context
from connector.app.preflight import find_free_port
from connector.rules.model.campaigns import Campaign
from connector.rules.model.interactions import Event
from connector.rules.model.users import User
from connector.rules.publishing.orders import plan_publish
from connector.settings.application import Settings
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import commit_order, next_instant
from connector.store.engine.database import Database, database_now
from connector.store.engine.migrate import migrate
from connector.store.users.descriptions import save_user
from connector.temporal.client import TemporalLink, connector_plugin
from starter.dev.temporal_server import server_command, wait_for_server

BATCH_SIZE = 100
_START_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class BenchWorkspace:
    """A workspace with its database."""

    context: AppContext

    @property
    def id(self) -> str:
        """The workspace's id."""
        return self.context.workspace

    @property
    def database(self) -> Database:
        """The workspace's database."""
        return self.context.database

    async def publish(self, campaigns: Sequence[Campaign]) -> None:
        """Save and publish these campaigns as the registry's activity would."""
        async with self.database.write(self.id, lock="exclusive") as tx:
            await save_drafts(tx, campaigns, await database_now(tx))
        catalogue = await self.context.cache.at_least(self.database)
        ids = tuple(campaign.id for campaign in campaigns)
        async with self.database.write(self.id, lock="exclusive") as tx:
            at = await next_instant(tx)
            plan = plan_publish(catalogue, ids, now=at)
            await commit_order(tx, catalogue, plan, order_id=str(uuid4()), verb="publish", ids=ids, effective_at=at)
        await self.context.cache.at_least(self.database)

    async def create_users(self, count: int) -> list[str]:
        """Create users who can receive a push; return their ids."""
        ids = [f"u-{uuid4()}" for _ in range(count)]
        async with self.database.write(self.id) as tx:
            now = await database_now(tx)
            for id in ids:
                await save_user(tx, User(id=id, push_tokens=("token",)), now)
        return ids

    async def report(self, event: str, users: Sequence[str]) -> None:
        """Report the event for each of these users, in batches."""
        async with self.database.read(self.id) as tx:
            now = (await database_now(tx)).astimezone(UTC)
        items = [Event(id=str(uuid4()), user=user, type="event", name=event, occurred_at=now) for user in users]
        for start in range(0, len(items), BATCH_SIZE):
            results = await self.context.intake.ingest(items[start : start + BATCH_SIZE])
            if any(result.status != "accepted" for result in results):
                raise RuntimeError(f"the bench's own events were refused: {results}")


@asynccontextmanager
async def open_workspace(folder: Path, client: Client | None = None) -> AsyncIterator[BenchWorkspace]:
    """Create an empty workspace in a SQLite file of the folder.

    Args:
        client: Temporal's client, if the measurement starts workflows.
    """
    workspace = f"bench-{uuid4().hex[:8]}"
    settings = Settings(workspace=workspace, database_url=f"sqlite+aiosqlite:///{folder / workspace}.db", dev=True)
    async with open_context(settings, TemporalLink(client)) as context:
        await migrate(context.database)
        yield BenchWorkspace(context)


@asynccontextmanager
async def start_temporal(folder: Path) -> AsyncIterator[Client]:
    """Start the server of `connector dev`, but in memory, and connect to it.

    With a file the server waits for the disk most of the time, which would hide what the connector adds.
    """
    port = find_free_port(0, option="")
    command = server_command(folder, port, None)
    file_option = command.index("--db-filename")
    del command[file_option : file_option + 2]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        address = f"127.0.0.1:{port}"
        async with asyncio.timeout(_START_TIMEOUT_SECONDS):
            await wait_for_server(address)
        yield await Client.connect(address, plugins=[connector_plugin(sandboxed=False)])
    finally:
        process.terminate()
        await process.wait()


def follow_on(name: str, *, event: str, delay: str) -> Campaign:
    """Return a follow-on that an event triggers, every time, and that sends a push after a delay."""
    return Campaign.model_validate(
        {
            "campaign": name,
            "delivery": {
                "type": "action_based",
                "trigger": [{"event": event}],
                "delay": {"after": delay},
                "eligible_again": "always",
            },
            "messages": {"push": {"title": "Hello", "body": "{{ user.id }}"}},
        }
    )
