"""A workspace on a database of its own: what a measurement prepares in it, and what it counts there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import func, insert, select

from bench.rounds import Bench
from connector.app.context import AppContext, open_context
from connector.rules.model.campaigns import Campaign
from connector.rules.model.reasons import State
from connector.rules.publishing.orders import plan_publish
from connector.settings.application import Settings
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import commit_order, next_instant
from connector.store.engine.database import Database, database_now
from connector.store.engine.migrate import migrate
from connector.store.follow_ups.outbox import find_to_signal, find_to_start
from connector.store.tables import follow_ups, user_aliases, users

_POLL_SECONDS = 0.03
_MAX_SECONDS = 300


@dataclass(frozen=True)
class BenchWorkspace:
    """A workspace with its database."""

    context: AppContext

    @property
    def id(self) -> str:
        """The workspace's id."""
        return self.context.workspace

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.context.settings.database

    @property
    def database(self) -> Database:
        """The workspace's database, as the bench itself has opened it."""
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
            rows = [{"user_key": uuid4().hex, "external_id": id} for id in ids]
            described = {"push_tokens": ["token"], "attributes": {}, "consent": {}, "created_at": now}
            of_user = [{"workspace": self.id, "user_key": row["user_key"], **described} for row in rows]
            await tx.execute(insert(users), of_user)
            await tx.execute(insert(user_aliases), [{"workspace": self.id, **row} for row in rows])
        return ids

    async def count(self, campaign: str, state: State) -> int:
        """Return how many follow-ups of a campaign are in a state."""
        table = follow_ups.c
        where = (table.workspace == self.id, table.campaign == campaign, table.state == state.value)
        async with self.database.read(self.id) as tx:
            return (await tx.execute(select(func.count()).select_from(follow_ups).where(*where))).scalar_one()

    async def wait_for(self, campaign: str, state: State, count: int) -> None:
        """Return when so many follow-ups of a campaign are in a state."""

        async def are_there() -> bool:
            return await self.count(campaign, state) >= count

        await until(are_there, f"{count:,} follow-ups of {campaign} that are {state.value}")

    async def wait_for_outbox(self) -> None:
        """Return when the outbox has started and signalled everything."""

        async def is_empty() -> bool:
            async with self.database.read(self.id) as tx:
                return not (await find_to_start(tx, 1) or await find_to_signal(tx, 1))

        await until(is_empty, "an empty outbox")


async def until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Poll until something is so. Raises TimeoutError, which says for what it waited."""
    try:
        async with asyncio.timeout(_MAX_SECONDS):
            while not await is_so():  # noqa: ASYNC110 - other processes write to the store
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"waited {_MAX_SECONDS} s for {what}") from None


@asynccontextmanager
async def open_workspace(bench: Bench) -> AsyncIterator[BenchWorkspace]:
    """Create an empty workspace in a database of its own."""
    settings = Settings(workspace=f"bench-{uuid4().hex[:8]}", database_url=bench.databases.create())
    async with open_context(settings) as context:
        await migrate(context.database)
        yield BenchWorkspace(context)


def follow_on(name: str, *, event: str, delay: str | None = None, exception: str | None = None) -> Campaign:
    """Return a follow-on that an event triggers, every time, and that sends a push after a delay."""
    delivery = {
        "type": "action_based",
        "trigger": [{"event": event}],
        "delay": {"after": delay} if delay else None,
        "exceptions": [{"event": exception}] if exception else [],
        "eligible_again": "always",
    }
    message = {"push": {"title": "Hello", "body": "{{ user.id }}"}}
    return Campaign.model_validate({"campaign": name, "delivery": delivery, "messages": message})
