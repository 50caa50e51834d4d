"""Intake on both databases: what starts, what is refused, what is cancelled, in order and out of it."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import select

from connector.store.engine.database import Database, database_now
from connector.store.tables import interactions, users
from tests.support.builders import ABANDONED, BASE, ORIGINAL, PUSHED, at, buy, follow_on, opened, push
from tests.support.installation import Installation
from tests.support.query_plans import until_waiting


async def test_trigger_starts_one_wait_and_a_repetition_changes_nothing(installation: Installation) -> None:
    """M6: an id seen before changes nothing, in one batch or a later one."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}))
    results = await installation.ingest(push("e1", 0), push("e1", 0), {"type": "nonsense"})
    assert [r.status for r in results] == ["accepted", "duplicate", "invalid"]
    assert [r.status for r in await installation.ingest(push("e1", 0))] == ["duplicate"]
    [row] = await installation.rows()
    assert (row.state, row.trigger_id, row.due_at - row.triggered_at) == ("waiting", "e1", timedelta(days=1))


async def test_interactions_without_an_id_are_known_again(installation: Installation) -> None:
    """M6: without an id, user, type, target, properties and second make it."""
    await installation.publish(ORIGINAL)
    bare = {k: v for k, v in push("x", 0).items() if k != "id"}
    results = await installation.ingest(bare, bare, bare | {"occurred_at": at(1)})
    assert [r.status for r in results] == ["accepted", "duplicate", "accepted"]


async def test_devices_of_one_dispatch_are_one_interaction(installation: Installation) -> None:
    """M3: three devices, one trigger."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}, eligible_again="always"))
    batch = [push(f"e{n}", n / 60, dispatch="d1") for n in range(3)]
    assert [r.status for r in await installation.ingest(*batch)] == ["accepted", "duplicate", "duplicate"]
    assert [r.status for r in await installation.ingest(push("e9", 1, dispatch="d1"))] == ["duplicate"]
    assert len(await installation.rows()) == 1


async def test_time_in_the_future_is_taken_as_the_arrival(installation: Installation) -> None:
    """M7: t = min(occurred_at, received_at)."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}))
    await installation.ingest(push("e1", 60 * 24 * 365))
    [row] = await installation.rows()
    assert row.triggered_at == row.created_at


async def test_too_old_is_refused_as_stale(installation: Installation) -> None:
    """Older than the log's retention is refused, and the others of the batch are not touched by it."""
    await installation.publish(ORIGINAL)
    old, good = await installation.ingest(push("e1", -60 * 24 * 91), push("e2", 0))
    assert (old.status, good.status) == ("invalid", "accepted")
    assert old.fault is not None
    assert "stale" in old.fault


async def test_unknown_target_is_told(installation: Installation) -> None:
    """M5: an unknown campaign, and a campaign's id reported as a card's, are invalid; the others of the batch count."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}))
    card = {"id": "c", "user": "u", "type": "view_news_feed_card", "card": "o", "occurred_at": at(0)}
    unknown, crossed, good = await installation.ingest(push("e0", 0) | {"campaign": "nobody"}, card, push("e1", 0))
    assert (unknown.status, crossed.status, good.status) == ("invalid", "invalid", "accepted")
    assert unknown.fault == "campaign: there is no campaign 'nobody'; apply its definition first"
    assert crossed.fault == "card: there is no card 'o'; apply its definition first"


async def test_before_publication_is_refused(installation: Installation) -> None:
    """P2: by event time, exact to the instant."""
    await installation.publish(ORIGINAL)
    await installation.publish(follow_on("f", PUSHED, delay={"after": "1 day"}), since=BASE)
    await installation.ingest(push("e1", -1), push("e2", 0))
    assert await installation.refusals() == [("f", "e1", "before_publish")]
    assert await installation.outcomes() == [("e2", "waiting", None)]


async def test_stopped_follow_on_and_stopped_target(installation: Installation) -> None:
    """P1, P2, P9: a stopped follow-on is not live; a stopped target is not at work."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED), follow_on("g", PUSHED))
    await installation.order("stop", "f")
    await installation.ingest(push("e1", 0))
    await installation.order("stop", "o")
    await installation.ingest(push("e2", 60 * 24))
    refused = await installation.refusals()
    assert ("f", "e1", "not_live") in refused
    assert ("g", "e2", "target_inactive") in refused


@pytest.mark.parametrize("heard", ["before the stop", "after the resume", "last"])
async def test_wait_of_a_stopped_window_stands_in_nobodys_way(installation: Installation, heard: str) -> None:
    """P9, T5: whenever its trigger is heard of, also before the order's pages have come to it."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}, eligible_again="always"))
    await installation.ingest(*([push("e1", 0)] if heard == "before the stop" else []))
    await installation.order("stop", "f")
    await installation.order("resume", "f")
    await installation.ingest(*([push("e1", 0)] if heard == "after the resume" else []))
    await installation.ingest(push("e2", 60 * 24))
    await installation.ingest(*([push("e1", 0)] if heard == "last" else []))
    assert await installation.outcomes() == [("e1", "dropped", "stopped"), ("e2", "waiting", None)]
    assert await installation.refusals() == []


@pytest.mark.parametrize("heard", [("e1", "e2"), ("e2", "e1")])
async def test_wait_that_is_stale_stands_in_nobodys_way(installation: Installation, heard: tuple[str, str]) -> None:
    """D4, T5: it was due long before the next trigger and will not be sent, whether or not a worker has come to it."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 hour"}, eligible_again="always"))
    at = {"e1": -48 * 60, "e2": 100}
    for name in heard:
        await installation.ingest(push(name, at[name]))
    assert await installation.outcomes() == [("e1", "dropped", "stale"), ("e2", "waiting", None)]
    assert await installation.refusals() == []


async def test_audience_and_eligibility_refuse_at_the_trigger(installation: Installation) -> None:
    """The list at the trigger gives its reasons in its order."""
    gold = {"attribute": "tier", "is": "gold"}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, audience=gold))
    await installation.ingest(push("e1", 0))
    assert await installation.refusals() == [("f", "e1", "not_in_audience")]


async def test_past_interactions_count_as_they_stood_before(installation: Installation) -> None:
    """An audience that asks for a past purchase sees only what happened before the event."""
    bought = {"did": {"event": "make_purchase", "within": "7 days"}}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, audience=bought, delay={"after": "1 day"}))
    await installation.ingest(push("e1", 0))
    await installation.ingest(buy("b1", 1))
    await installation.ingest(push("e2", 2))
    assert await installation.refusals() == [("f", "e1", "not_in_audience")]
    assert await installation.outcomes() == [("e2", "waiting", None)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_first_exception_ends_the_wait_in_any_order_of_arrival(
    installation: Installation, order: tuple[int, ...]
) -> None:
    """X1, X3, T5, case 10: the first by event time is the one recorded, whatever arrives first."""
    await installation.publish(ORIGINAL, ABANDONED)
    items = [push("e1", 0), buy("b1", 10), opened("b2", 20)]
    for place in order:
        await installation.ingest(items[place])
    assert await installation.outcomes() == [("e1", "excepted", "b1")]


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_before_the_trigger_is_no_exception(installation: Installation, order: tuple[int, ...]) -> None:
    """X1, case 9: a purchase one minute before the trigger."""
    await installation.publish(ORIGINAL, ABANDONED)
    items = [buy("b1", -1), push("e1", 0)]
    for place in order:
        await installation.ingest(items[place])
    assert await installation.outcomes() == [("e1", "waiting", None)]


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize(("exception", "ends"), [(opened, True), (buy, False)])
async def test_at_the_triggers_instant_only_its_own_target_counts(
    installation: Installation, order, exception, ends
) -> None:
    """X2: exactly at the trigger's instant, and in either order of arrival."""
    await installation.publish(ORIGINAL, ABANDONED)
    items = [push("e1", 0), exception("b1", 0)]
    for place in order:
        await installation.ingest(items[place])
    assert await installation.outcomes() == [("e1", "excepted", "b1") if ends else ("e1", "waiting", None)]


async def test_two_of_one_batch_at_one_instant(installation: Installation) -> None:
    """X2: the same when both come in one batch."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(opened("b1", 0), push("e1", 0))
    assert await installation.outcomes() == [("e1", "excepted", "b1")]


async def test_excepted_user_may_be_triggered_again(installation: Installation) -> None:
    """X4, T1, case 13: a user who received nothing stays eligible."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e1", 0), buy("b1", 1), push("e2", 2))
    assert await installation.outcomes() == [("e1", "excepted", "b1"), ("e2", "waiting", None)]


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_ignored_second_trigger(installation: Installation, order: tuple[int, ...]) -> None:
    """T2, T5, case 14: the earlier trigger has the wait, in either order of arrival."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "4 hours"}))
    items = [push("e1", 0), push("e2", 20)]
    for place in order:
        await installation.ingest(items[place])
    open_rows = [outcome for outcome in await installation.outcomes() if outcome[1] == "waiting"]
    assert open_rows == [("e1", "waiting", None)]
    if order == (0, 1):
        assert await installation.refusals() == [("f", "e2", "already_waiting")]


async def test_restart_takes_the_latest_by_event_time(installation: Installation) -> None:
    """T2, case 14: the newer supersedes; an earlier one that arrives late is refused as superseded."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "4 hours"}, retrigger="restart"))
    await installation.ingest(push("e1", 0))
    await installation.ingest(push("e3", 20))
    await installation.ingest(push("e2", 10))
    assert await installation.outcomes() == [("e1", "dropped", "superseded"), ("e3", "waiting", None)]
    assert await installation.refusals() == [("f", "e2", "superseded")]


async def test_trigger_that_is_also_an_exception_restarts(installation: Installation) -> None:
    """T3, case 12: debounce, whatever `retrigger` says."""
    seen = {"event": "seen"}
    await installation.publish(follow_on("f", seen, delay={"after": "3 hours"}, exceptions=[seen]))
    for n in (0, 5, 10):
        await installation.ingest({"id": f"e{n}", "user": "u", "type": "event", "name": "seen", "occurred_at": at(n)})
    assert await installation.outcomes() == [
        ("e0", "dropped", "superseded"),
        ("e5", "dropped", "superseded"),
        ("e10", "waiting", None),
    ]


async def test_keys_wait_apart(installation: Installation) -> None:
    """Case 24, X3: one wait per sku; buying one ends only its own; missing is never the same."""
    cart = {"event": "cart_updated"}
    exception = {"event": "make_purchase", "same": ["sku"]}
    await installation.publish(
        follow_on("f", cart, delay={"after": "3 hours"}, key="properties.sku", exceptions=[exception])
    )
    for name, sku in (("a", "A"), ("b", "B")):
        item = {"id": name, "user": "u", "type": "event", "name": "cart_updated", "occurred_at": at(0)}
        await installation.ingest(item | {"properties": {"sku": sku}})
    await installation.ingest(buy("p0", 1), buy("p1", 2, sku="B"))
    assert sorted(await installation.outcomes()) == [("a", "waiting", None), ("b", "excepted", "p1")]


async def test_late_trigger_takes_the_wait_from_a_later_one(installation: Installation) -> None:
    """T5: an exception between the two triggers belongs to the first one, once it is known."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e2", 20))
    await installation.ingest(buy("b1", 10))
    await installation.ingest(push("e1", 0))
    assert await installation.outcomes() == [("e1", "excepted", "b1"), ("e2", "waiting", None)]


async def test_statements_do_not_grow_with_the_batch(installation: Installation, database: Database) -> None:
    """A batch of 200 users takes as many statements as one of 2."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e", 0))
    counts = []
    for size in (2, 200):
        batch = [push(f"e{size}-{n}", 0, user=f"u{size}-{n}") for n in range(size)]
        with database.count_statements() as count:
            await installation.ingest(*batch)
        counts.append(len(count.statements))
    assert counts[0] == counts[1]
    assert counts[1] <= 14


async def test_an_item_without_a_time_happens_when_it_arrives(installation: Installation) -> None:
    """M7: the arrival is by the database's clock, after every earlier publication; the item's id is derived from its
    second."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}), since=None)
    untimed = {"user": "u", "type": "receive_push", "campaign": "o"}
    first, again = await installation.ingest(untimed, {**untimed, "occurred_at": None})
    assert (first.status, again.status) == ("accepted", "duplicate")
    [row] = await installation.rows()
    assert (row.trigger_id, row.triggered_at) == (first.id, row.created_at)


async def test_an_arrival_is_dated_once_its_user_is_locked(postgresql_database: Database) -> None:
    """Guarantee 3: what was claimed while the user's lock was awaited was claimed before the item arrived, by its time
    too."""
    installation = Installation(postgresql_database)
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}))
    await installation.ingest(push("e1", 0))
    async with postgresql_database.write("default") as claiming:
        await claiming.execute(select(users.c.user_key).with_for_update())
        ingesting = asyncio.create_task(installation.ingest(push("e2", 1)))
        await until_waiting(postgresql_database, 1)
        claimed_at = await database_now(claiming)
    await ingesting
    async with postgresql_database.read("default") as tx:
        arrived = select(interactions.c.received_at).where(interactions.c.id == "e2")
        assert (await tx.execute(arrived)).scalar_one() > claimed_at
