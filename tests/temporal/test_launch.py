"""Launches on the real server with virtual time and a whole worker: the story of publish order, stops, and time."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.model.users import User
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups, launches, user_aliases
from connector.store.users.users import save_user
from tests.support.builders import now
from tests.support.workspace import Shop, settings_for, working

EMAIL = {"email": {"subject": "Hello", "text": "there"}}


def original(send: Any = "at_publish", per_minute: int | None = None, control_group: int = 0) -> dict[str, Any]:
    delivery = {"type": "scheduled", "send": send, "per_minute": per_minute}
    return {"campaign": "o", "delivery": delivery, "control_group": control_group, "messages": EMAIL}


def listener(name: str, interaction: str) -> dict[str, Any]:
    trigger = [{"interaction": interaction, "campaign": "o"}]
    return {"campaign": name, "delivery": {"type": "action_based", "trigger": trigger}, "messages": EMAIL}


class Square:
    """A shop with a crowd, and what came of it."""

    def __init__(self, database: Database, environment: WorkflowEnvironment) -> None:
        self.shop, self.database = Shop(database, environment), database

    async def drafts(self, *definitions: dict[str, Any]) -> None:
        async with self.database.write(self.shop.workspace) as tx:
            at = await database_now(tx)
            await save_drafts(tx, [parse_definition(one) for one in definitions], at)

    async def crowd(self, count: int) -> set[str]:
        people = [User(id=f"u{n}", email=f"u{n}@example.com") for n in range(count)]
        async with self.database.write(self.shop.workspace) as tx:
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
        """The launch's workflow, once it has been started."""
        async with asyncio.timeout(15):
            while True:
                async with self.database.read("default") as tx:
                    row = (await tx.execute(select(launches))).one_or_none()
                if row is not None and row.started_at is not None:
                    name = names.launch_id(self.shop.workspace, "o", row.launch_id)
                    return self.shop.client.get_workflow_handle(name)
                await asyncio.sleep(0.05)

    async def until(self, campaign: str, state: str, count: int) -> set[str]:
        """Poll until so many users are in this state."""
        async with asyncio.timeout(30):
            while len(found := await self.users(campaign, state)) != count:
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
def square(sqlite_database: Database, environment: WorkflowEnvironment) -> Square:
    return Square(sqlite_database, environment)


async def test_publish_order_story(
    square: Square, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Case 2, P3, W3: each control user gets one follow-on, each receiver the other, nobody both, nobody none."""
    everybody = await square.crowd(60)
    control, received = listener("control", "enroll_in_control_group"), listener("received", "receive_email")
    await square.drafts(original(control_group=20), control, received)
    async with working(environment, settings_for(square.shop.workspace, sqlite_url, tmp_path)):
        with pytest.raises(OrderRefused, match="control"):
            await square.shop.order("publish", "o")
        await square.shop.order("publish", "control", "received")
        await square.shop.order("publish", "o")
        handle = await square.handle()
        counts = await handle.result()
        enrolled, sent = await square.users("o", "control"), await square.users("o", "sent")
        assert counts == {"control": len(enrolled), "sent": len(sent)}
        assert (enrolled | sent, enrolled & sent) == (everybody, set())
        assert enrolled
        assert await square.until("control", "sent", len(enrolled)) == enrolled
        assert await square.until("received", "sent", len(sent)) == sent


async def test_stop_pauses_and_resume_goes_on(
    square: Square, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """P9: the workflow hears of the stop while it waits for its next minute, and of the resume while it is paused."""
    everybody = await square.crowd(6)
    await square.drafts(original(per_minute=2))
    async with working(environment, settings_for(square.shop.workspace, sqlite_url, tmp_path)):
        with environment.with_time_skipping_disabled():
            await square.shop.order("publish", "o")
            handle = await square.handle()
            await square.until("o", "sent", 2)
            await square.shop.order("stop", "o")
            await _details(handle, "Paused")
            assert (await handle.query(names.PROGRESS))["users"] == {"sent": 2, "waiting": 4}
            await square.shop.order("resume", "o")
            await _details(handle, "Sends")
        await environment.fast_forward(handle, timedelta(minutes=5))
        assert await handle.result() == {"sent": 6}
        assert await square.users("o", "sent") == everybody


async def test_waits_for_its_time(
    square: Square, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """A launch at the company's time waits for it, and is nobody's before; its history stays short."""
    await square.crowd(3)
    at = now() + timedelta(days=30)
    await square.drafts(original({"at": f"{at:%Y-%m-%d %H:%M}", "zone": "company"}))
    async with working(environment, settings_for(square.shop.workspace, sqlite_url, tmp_path)):
        await square.shop.order("publish", "o")
        handle = await square.handle()
        assert await handle.result() == {"sent": 3}
    async with square.database.read("default") as tx:
        rows = (await tx.execute(select(follow_ups))).all()
    assert Counter(row.dispatched_at >= at.replace(second=0, microsecond=0) for row in rows) == {True: 3}
    assert (await handle.describe()).history_length < 30


async def test_cancel_request_ends_it(
    square: Square, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """A cancel request in Temporal's UI: what is left ends as an operator's doing, without anybody's doing more."""
    await square.crowd(6)
    await square.drafts(original(per_minute=2))
    async with working(environment, settings_for(square.shop.workspace, sqlite_url, tmp_path)):
        with environment.with_time_skipping_disabled():
            await square.shop.order("publish", "o")
            handle = await square.handle()
            await square.until("o", "sent", 2)
            await handle.cancel()
            await square.until("o", "dropped", 4)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def _details(handle: WorkflowHandle[Any, Any], word: str) -> None:
    """Poll until the UI's words on it begin so."""
    async with asyncio.timeout(15):
        while not (await handle.query("__temporal_workflow_metadata")).current_details.startswith(word):
            await asyncio.sleep(0.05)
