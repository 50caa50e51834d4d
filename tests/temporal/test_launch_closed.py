"""Launches that somebody closed in Temporal's UI, and operator actions on what a launch sends."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.channels.protocol import OutgoingMessage
from connector.store.engine.database import Database, database_now
from connector.store.tables import deliveries, launches
from connector.temporal.follow_up_client import FollowUpClient, OperationRefused
from connector.temporal.outbox import Outbox
from connector.temporal.reconciliation import Reconciliation, end_closed_launches
from tests.support.actors import OPERATOR
from tests.support.fake_channel import Killed
from tests.support.installation import Installation
from tests.support.launch_harness import MINUTE, NOW, LaunchHarness


class Site:
    """A pad whose launch has its workflow on the real server; no worker runs, and the test makes its steps."""

    def __init__(self, database: Database, client: Client) -> None:
        self.database, self.client = database, client
        self.harness = LaunchHarness(Installation(database))
        self.outbox = Outbox(database, "default", client)

    async def launch(self, users: int, **parts: Any) -> Any:
        await self.harness.crowd(users)
        await self.harness.publish(**parts)
        await self.outbox.flush()
        name = names.launch_id("default", "o", (await self.harness.row()).launch_id)
        return self.client.get_workflow_handle(name)

    async def reconcile(self) -> int:
        return await end_closed_launches(self.database, "default", self.client)

    async def claims_were_made(self, ago: timedelta) -> None:
        async with self.database.write("default") as tx:
            at: datetime = await database_now(tx) - ago
            await tx.execute(update(deliveries).where(deliveries.c.state == "claimed").values(claimed_at=at))


@pytest.fixture
def site(sqlite_database: Database, environment: WorkflowEnvironment) -> Site:
    return Site(sqlite_database, environment.client)


async def test_terminated_launch_ends_with_all_that_is_left(site: Site) -> None:
    """Its rows are dropped as an operator's doing; a worker that is still at it sends to nobody more."""
    handle = await site.launch(12, per_minute=4)
    await site.harness.work(NOW)
    assert await site.reconcile() == 0
    await handle.terminate("by an operator")
    assert await site.reconcile() == 8
    assert await site.harness.states() == {("sent", None): 4, ("dropped", "cancelled_by_operator"): 8}
    assert (await site.harness.row()).ended_at is not None
    assert (await site.harness.work(NOW + MINUTE)).phase == "ended"
    assert (len(site.harness.channel.users), await site.reconcile()) == (4, 0)


async def test_terminated_launch_is_not_begun_again(site: Site) -> None:
    """Neither the outbox nor a newer publication brings it back, nor what of its audience was not gathered yet."""
    handle = await site.launch(12)
    await site.harness.step(NOW)
    await handle.terminate()
    assert await site.reconcile() == 7
    await site.harness.publish(messages={"push": {"title": "Newer", "body": "words"}})
    assert await site.outbox.flush() == 0
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (await site.harness.work(NOW + MINUTE)).phase == "ended"
    assert (site.harness.channel.users, len(await site.harness.rows())) == ([], 7)


async def test_terminated_before_its_start_was_marked(site: Site) -> None:
    """The outbox was killed between start and mark, and the launch was terminated: it is found all the same."""
    handle = await site.launch(3)
    async with site.database.write("default") as tx:
        await tx.execute(update(launches).values(started_at=None, told_in=0))
    await handle.terminate()
    await site.outbox.flush()
    await site.reconcile()
    assert (await site.harness.row()).ended_at is not None
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_message_in_hand_is_left_to_a_later_look(site: Site) -> None:
    """Guarantee 4: who has just been handed over may yet be `sent`; once nobody can hold it, it is `send_unknown`."""
    handle = await site.launch(3)
    await site.harness.step(NOW)

    async def kill(_message: OutgoingMessage) -> None:
        if len(site.harness.channel.users) == 2:
            raise Killed

    site.harness.channel.meanwhile = kill
    with pytest.raises(Killed):
        await site.harness.step(NOW)
    await handle.terminate()
    await site.claims_were_made(timedelta(seconds=5))
    await site.reconcile()
    assert [row.state for row in await site.harness.rows() if row.state not in ("sent", "dropped")] == ["sending"]
    await site.claims_were_made(timedelta(minutes=16))
    assert await site.reconcile() == 1
    assert await site.harness.states() == {("sent", None): 2, ("failed", "send_unknown"): 1}
    assert await site.reconcile() == 0


async def test_reconciliation_looks_at_launches(site: Site) -> None:
    """The worker's own look finds it, beside the follow-ups."""
    handle = await site.launch(3)
    await site.harness.step(NOW)
    await handle.terminate()
    assert await Reconciliation(site.database, "default", site.client).reconcile() == 3


async def test_operator_actions_are_refused_in_words(site: Site) -> None:
    """A launch's rows have no workflows of their own: stop and archive are the way, and the refusal says so."""
    await site.launch(1)
    await site.harness.step(NOW)
    [row] = await site.harness.rows()

    async def refuse_to_connect() -> Client:
        raise AssertionError("Temporal was asked")

    client = FollowUpClient(site.database, "default", refuse_to_connect, OPERATOR)
    for asked in (client.send_now(row.id), client.postpone(row.id, NOW + MINUTE), client.cancel(row.id)):
        with pytest.raises(OperationRefused, match=r"launch of o sends it.*`connector stop o` pauses"):
            await asked
    assert await site.harness.states() == {("waiting", None): 1}
    await site.harness.work(NOW)
    with pytest.raises(OperationRefused, match="it has ended: sent"):
        await client.cancel(row.id)
