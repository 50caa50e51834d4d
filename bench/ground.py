"""The ground that the connector is measured on: a SQLite database of its own, with published campaigns and users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from uuid import uuid4

from connector.ingest.intake import Intake
from connector.rules.model.campaigns import Campaign
from connector.rules.model.interactions import Event
from connector.rules.model.users import User
from connector.rules.publishing.orders import plan_publish
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.loading import commit_order, next_instant, save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.engine.migrate import migrate
from connector.store.users.users import save_user
from connector.wire import Order

BATCH = 100


@dataclass(frozen=True)
class Ground:
    """A workspace with its database."""

    workspace: str
    url: str
    database: Database
    cache: CatalogueCache
    intake: Intake

    async def publish(self, campaigns: Sequence[Campaign]) -> None:
        """Save and publish these campaigns as the registry's activity would."""
        async with self.database.write(self.workspace, lock="exclusive") as tx:
            await save_drafts(tx, campaigns, await database_now(tx))
        catalogue = await self.cache.at_least(self.database)
        ids = tuple(campaign.id for campaign in campaigns)
        order = Order(workspace=self.workspace, order_id=str(uuid4()), verb="publish", ids=ids)
        async with self.database.write(self.workspace, lock="exclusive") as tx:
            at = await next_instant(tx)
            plan = plan_publish(catalogue, ids, now=at)
            await commit_order(tx, order, plan, expected_version=catalogue.version, effective_at=at)
        await self.cache.at_least(self.database)

    async def invite(self, count: int) -> list[str]:
        """Make so many users who can get a push; returns their ids."""
        names = [f"u-{uuid4()}" for _ in range(count)]
        async with self.database.write(self.workspace) as tx:
            now = await database_now(tx)
            for name in names:
                await save_user(tx, User(id=name, push_tokens=("token",)), now)
        return names

    async def trigger(self, event: str, users: Sequence[str]) -> None:
        """Report the event for each of these users, in batches."""
        async with self.database.read("default") as tx:
            now = (await database_now(tx)).astimezone(UTC)
        items = [Event(id=str(uuid4()), user=user, type="event", name=event, occurred_at=now) for user in users]
        for start in range(0, len(items), BATCH):
            results = await self.intake.ingest(items[start : start + BATCH])
            if any(result.status != "accepted" for result in results):
                raise RuntimeError(f"the bench's own events were refused: {results}")


@asynccontextmanager
async def laid(folder: Path) -> AsyncIterator[Ground]:
    """Fresh ground in that folder, for as long as the block runs."""
    workspace = f"bench-{uuid4().hex[:8]}"
    url = f"sqlite+aiosqlite:///{folder / workspace}.db"
    database = Database.open(url)
    try:
        await migrate(database)
        cache = CatalogueCache(workspace)
        intake = Intake(database, cache, workspace, retention=timedelta(days=90))
        yield Ground(workspace, url, database, cache, intake)
    finally:
        await database.close()


def follow_on(name: str, *, event: str, delay: str) -> Campaign:
    """A follow-on that an event triggers, which sends a push after a delay, each time anew."""
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
