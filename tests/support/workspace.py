"""A workspace of its own with its whole worker: real store, real intake, real outbox, real Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.ingest.intake import Intake
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups
from connector.store.users.users import save_user
from connector.temporal.registry_client import submit_order
from connector.wire import Order
from tests.support.builders import PUSHED, follow_on, now
from worker import run_worker

AT_ONCE = follow_on("at-once", PUSHED)
LATER = follow_on("later", PUSHED, delay={"after": "1 day"}, exceptions=[{"event": "make_purchase"}])


class Shop:
    """A workspace of its own, as services and operators see it."""

    def __init__(self, database: Database, environment: WorkflowEnvironment) -> None:
        self.database, self.client = database, environment.client
        self.workspace = f"w{uuid4().hex[:8]}"
        self.intake = Intake(database, CatalogueCache(self.workspace), self.workspace, retention=timedelta(days=90))

    async def open(self, *definitions: dict[str, Any]) -> None:
        """Apply and publish, and describe the one user."""
        async with self.database.write(self.workspace) as tx:
            at = await database_now(tx)
            await save_drafts(tx, [parse_definition(one) for one in definitions], at)
            await save_user(tx, User(id="u", push_tokens=("t",)), at)
        await self.order("publish", *(one["campaign"] for one in definitions))

    async def order(self, verb: Any, *ids: str) -> None:
        await submit_order(self.client, Order(workspace=self.workspace, order_id=uuid4().hex, verb=verb, ids=ids))

    async def receive_push(self) -> None:
        item = {"id": "e1", "user": "u", "type": "receive_push", "campaign": "o", "occurred_at": now().isoformat()}
        [result] = await self.intake.ingest([item])
        assert result.status == "accepted"

    async def becomes(self, campaign: str, state: str, *, started: bool = True) -> Any:
        """Poll until this campaign's follow-up is in this state."""
        statement = select(follow_ups).where(follow_ups.c.campaign == campaign)
        async with asyncio.timeout(15):
            while True:
                async with self.database.read("default") as tx:
                    row = (await tx.execute(statement)).one_or_none()
                if row is not None and row.state == state and (row.started_at is not None) >= started:
                    return row
                await asyncio.sleep(0.05)

    def workflow_of(self, row: Any) -> Any:
        name = names.follow_up_id(self.workspace, row.campaign, row.user_key, row.id)
        return self.client.get_workflow_handle(name, result_type=str)


def settings_for(workspace: str, url: str, folder: Path) -> Settings:
    return Settings(
        workspace=workspace, database_url=url, data=folder, dev=True, sweep_seconds=0.1, reconcile_seconds=0.1
    )


@asynccontextmanager
async def working(environment: WorkflowEnvironment, settings: Settings) -> AsyncIterator[None]:
    """A worker, as long as the block runs."""
    stopped = asyncio.Event()
    running = asyncio.create_task(run_worker(settings, stopped, client=environment.client))
    try:
        yield
    finally:
        stopped.set()
        async with asyncio.timeout(10):
            await running
