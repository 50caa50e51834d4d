"""M6: an id that is used again beyond the retention is another item, whether or not the first one has been deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from connector.store.engine.database import database_now
from connector.store.tables import follow_ups, interactions
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.installation import Installation


async def report(installation: Installation, *ids: str) -> list[tuple[str, str]]:
    async with installation.database.read("default") as tx:
        now = (await database_now(tx)).isoformat()
    items = [{"id": id, "user": "u", "type": "receive_push", "campaign": "o", "occurred_at": now} for id in ids]
    return [(one.id or "", one.status) for one in await installation.ingest(*items)]


async def grow_old(installation: Installation, days: int, *, is_deleted: bool = False) -> None:
    """Let everything that was logged, and all follow-ups, be `days` days old; they have been sent."""
    async with installation.database.write("default") as tx:
        at = await database_now(tx) - timedelta(days=days)
        times: dict[str, Any] = dict.fromkeys(("t", "occurred_at", "received_at"), at)
        if is_deleted:
            await tx.execute(delete(interactions))
        await tx.execute(update(interactions).values(day=at.astimezone(UTC).date(), **times))
        ended: dict[str, Any] = dict.fromkeys(("triggered_at", "due_at", "created_at", "decided_at"), at)
        await tx.execute(update(follow_ups).values(state="sent", **ended))


async def begun(installation: Installation) -> int:
    async with installation.database.read("default") as tx:
        return int((await tx.execute(select(func.count(follow_ups.c.id.distinct())))).scalar_one())


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_used_id_begins_a_follow_up_of_its_own(installation: Installation, is_deleted: bool) -> None:
    """The first one's follow-up is still there; the batch is accepted, in no more statements than any other."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 hour"}, eligible_again="always"))
    await report(installation, "x")
    await grow_old(installation, 100, is_deleted=is_deleted)
    with installation.database.count_statements() as of_used:
        assert await report(installation, "x", "y") == [("x", "accepted"), ("y", "accepted")]
    assert await begun(installation) == 2  # `y` finds that `x` waits
    await grow_old(installation, 100, is_deleted=True)
    with installation.database.count_statements() as of_new:
        await report(installation, "z1", "z2")
    assert len(of_used.statements) == len(of_new.statements)


async def test_a_used_id_is_a_duplicate_within_the_retention(installation: Installation) -> None:
    """An id that arrived 90 days ago is a duplicate; one that arrived 92 days ago is new."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 hour"}, eligible_again="always"))
    await report(installation, "x")
    await grow_old(installation, 90)
    assert await report(installation, "x") == [("x", "duplicate")]
    await grow_old(installation, 92)
    assert await report(installation, "x") == [("x", "accepted")]


async def test_a_late_item_at_the_edge(installation: Installation) -> None:
    """Exactly the retention old by the database's clock, an item is accepted; a second older, it is stale."""
    await installation.publish(ORIGINAL)
    now: datetime = await installation.order("publish", "o")
    for name, age in (("in", timedelta(days=90) - timedelta(minutes=5)), ("out", timedelta(days=90, seconds=1))):
        item = {"id": name, "user": "u", "type": "receive_push", "campaign": "o"}
        [result] = await installation.ingest({**item, "occurred_at": (now - age).isoformat()})
        assert (result.status == "accepted") == (name == "in")
