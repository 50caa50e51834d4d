"""A workspace with a whole worker: real store, ingest, outbox and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.ingest.intake import Intake
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups, launches, user_aliases
from connector.store.users.descriptions import save_user
from connector.temporal.registry_client import submit_order
from connector.wire import FollowUpResult, Order
from tests.support.builders import PUSHED, follow_on, now
from tests.support.polling import until
from worker import run_worker

AT_ONCE = follow_on("at-once", PUSHED)
LATER = follow_on("later", PUSHED, delay={"after": "1 day"}, exceptions=[{"event": "make_purchase"}])


class Workspace:
    """A workspace as services and operators see it."""

    def __init__(self, database: Database, environment: WorkflowEnvironment) -> None:
        self.database, self.client = database, environment.client
        self.name = f"w{uuid4().hex[:8]}"
        self.intake = Intake(database, CatalogueCache(self.name), self.name, retention=timedelta(days=90))

    async def open(self, *definitions: dict[str, Any]) -> None:
        """Save and publish these definitions, and create the user."""
        async with self.database.write(self.name) as tx:
            at = await database_now(tx)
            await save_drafts(tx, [parse_definition(one) for one in definitions], at)
            await save_user(tx, User(id="u", push_tokens=("t",)), at)
        await self.order("publish", *(one["campaign"] for one in definitions))

    async def order(self, verb: Any, *ids: str) -> None:
        await submit_order(self.client, Order(workspace=self.name, order_id=uuid4().hex, verb=verb, ids=ids))

    async def receive_push(self) -> None:
        item = {"id": "e1", "user": "u", "type": "receive_push", "campaign": "o", "occurred_at": now().isoformat()}
        [result] = await self.intake.ingest([item])
        assert result.status == "accepted"

    async def becomes(self, campaign: str, state: str, *, started: bool = True) -> Any:
        """Wait until the campaign's follow-up is in this state, and return it."""
        statement = select(follow_ups).where(follow_ups.c.campaign == campaign)

        async def find() -> Any:
            async with self.database.read("default") as tx:
                row = (await tx.execute(statement)).one_or_none()
            is_so = row is not None and row.state == state and (row.started_at is not None) >= started
            return row if is_so else None

        return await until(find, f"a follow-up of {campaign} that is {state}")

    def workflow_of(self, row: Any) -> Any:
        name = names.follow_up_id(self.name, row.campaign, row.user_key, row.id)
        return self.client.get_workflow_handle(name, result_type=FollowUpResult)


class LaunchWorkspace(Workspace):
    """A workspace with many users, for launches of the campaign `o`."""

    async def drafts(self, *definitions: dict[str, Any]) -> None:
        async with self.database.write(self.name) as tx:
            at = await database_now(tx)
            await save_drafts(tx, [parse_definition(one) for one in definitions], at)

    async def crowd(self, count: int) -> set[str]:
        people = [User(id=f"u{n}", email=f"u{n}@example.com") for n in range(count)]
        async with self.database.write(self.name) as tx:
            for person in people:
                await save_user(tx, person, await database_now(tx))
        return {person.id for person in people}

    async def users(self, campaign: str, state: str) -> set[str]:
        statement = (
            select(user_aliases.c.external_id)
            .join(follow_ups, user_aliases.c.user_key == follow_ups.c.user_key)
            .where(follow_ups.c.campaign == campaign, follow_ups.c.state == state)
        )
        async with self.database.read("default") as tx:
            return set((await tx.execute(statement)).scalars())

    async def handle(self) -> WorkflowHandle[Any, Any]:
        """Wait until the launch's workflow was started, and return its handle."""

        async def find() -> Any:
            async with self.database.read("default") as tx:
                return (await tx.execute(select(launches).where(launches.c.started_at.is_not(None)))).one_or_none()

        row = await until(find, "a launch that was started")
        return self.client.get_workflow_handle(names.launch_id(self.name, "o", row.launch_id))

    async def until(self, campaign: str, state: str, count: int) -> set[str]:
        """Wait until this many users are in this state, and return them."""

        async def find() -> set[str] | None:
            found = await self.users(campaign, state)
            return found if len(found) == count else None

        users: set[str] = await until(find, f"{count} users in the state {state}")
        return users


def settings_for(workspace: str, url: str, folder: Path) -> Settings:
    return Settings(
        workspace=workspace,
        database_url=url,
        data=folder,
        dev=True,
        sweep_interval=timedelta(seconds=0.1),
        reconcile_interval=timedelta(seconds=0.1),
    )


@asynccontextmanager
async def working(environment: WorkflowEnvironment, settings: Settings) -> AsyncIterator[None]:
    """Run a worker until the block ends."""
    stopped = asyncio.Event()
    running = asyncio.create_task(run_worker(settings, stopped, client=environment.client))
    try:
        yield
    finally:
        stopped.set()
        async with asyncio.timeout(60):
            await running
