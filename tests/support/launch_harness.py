"""A launch, driven step by step at the times that a test chooses."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from activities.launch.launch import Launcher
from activities.send import Sender
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.tables import follow_ups, launches, user_aliases, users
from connector.store.users.descriptions import save_user
from connector.wire import LaunchPage, LaunchStep
from tests.support.builders import now, original
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation

NOW = now().replace(microsecond=0) + timedelta(hours=1)
"""After everything that a test publishes."""

MINUTE = timedelta(minutes=1)


class LaunchHarness:
    """Launches the one campaign of an installation, as its workflow would, at times that the test chooses."""

    def __init__(
        self, installation: Installation, channel: FakeChannel | None = None, *, rates: Mapping[str, float] = {}
    ) -> None:
        self.installation, self.channel = installation, channel or FakeChannel()
        parts = (installation.database, installation.cache, installation.intake)
        self.sender = Sender(*parts, {"push": self.channel, "email": self.channel}, "default", rates=rates)
        self.launcher = Launcher(*parts, self.sender, "default", rates=rates, audience=7, messages=5)
        self.page: LaunchPage | None = None

    async def people(self, *people: User) -> None:
        async with self.installation.database.write("default") as tx:
            for person in people:
                await save_user(tx, person, await database_now(tx))

    async def crowd(self, count: int) -> set[str]:
        """Create this many users who can be reached by push, and return their ids."""
        names = [f"u{n}" for n in range(count)]
        async with self.installation.database.write("default") as tx:
            created_at = await database_now(tx)
            bare = {
                "workspace": "default",
                "attributes": {},
                "consent": {},
                "created_at": created_at,
                "push_tokens": ["t"],
            }
            await tx.execute(insert(users), [{**bare, "user_key": f"k-{name}"} for name in names])
            alias = [{"workspace": "default", "external_id": name, "user_key": f"k-{name}"} for name in names]
            await tx.execute(insert(user_aliases), alias)
        return set(names)

    async def publish(self, **parts: Any) -> None:
        """Save a new revision of the original, and publish it."""
        async with self.installation.database.write("default", lock="exclusive") as tx:
            await save_drafts(tx, [parse_definition(original(**parts))], await database_now(tx))
        await self.installation.order("publish", "o")

    async def step(self, at: datetime, *, again: bool = False) -> LaunchStep:
        """Run one step; with `again`, the page of the step before is tried again."""
        page = self.page or LaunchPage(workspace="default", launch_id=(await self.row()).launch_id, campaign="o")
        step = await self.launcher.step(page, now=at, attempt=1)
        if not again:
            self.page = step.next_page
        return step

    async def work(self, at: datetime) -> LaunchStep:
        """Run steps until the launch waits, is paused, or has ended."""
        for _ in range(200):
            step = await self.step(at)
            if step.until is not None or step.phase in ("paused", "ended"):
                return step
        raise AssertionError("after 200 steps it still goes on")

    async def row(self) -> Any:
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(launches))).one()

    async def rows(self, campaign: str = "o") -> Sequence[Any]:
        statement = (
            select(follow_ups, user_aliases.c.external_id.label("user"))
            .join(user_aliases, user_aliases.c.user_key == follow_ups.c.user_key)
            .where(follow_ups.c.campaign == campaign)
        )
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(statement)).all()

    async def states(self, campaign: str = "o") -> Counter[tuple[str, str | None]]:
        return Counter((row.state, row.reason) for row in await self.rows(campaign))

    async def in_state(self, state: str, campaign: str = "o") -> set[str]:
        return {row.user for row in await self.rows(campaign) if row.state == state}
