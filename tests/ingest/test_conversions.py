"""Conversions through intake on both databases: counted, logged, and evaluated as triggers and exceptions (C1)."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from connector.rules.catalogue.catalogue import Catalogue
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.tables import interactions
from tests.support.builders import PUSHED, at, buy, follow_on, push
from tests.support.installation import Installation

COUNTING = {
    "campaign": "o",
    "delivery": {"type": "external"},
    "conversions": [{"event": "make_purchase", "within": "2 hours"}, {"event": "make_purchase", "where": {"sku": "B"}}],
}
CONVERTED = {"interaction": "perform_conversion_event", "campaign": "o"}
THANKS = follow_on("thanks", CONVERTED, delay={"after": "1 day"}, eligible_again="always")


async def conversions(installation: Installation) -> Sequence[tuple[str, str]]:
    """(conversion, minute) of what was counted, in event order."""
    table = interactions.c
    statement = select(table.properties, table.t, table.occurred_at).where(table.topic == CONVERTED["interaction"])
    async with installation.database.read("default") as tx:
        found = (await tx.execute(statement.order_by(table.t, table.id))).all()
    assert all(t == occurred_at for _, t, occurred_at in found)
    return [(properties["conversion"], t.isoformat()) for properties, t, _ in found]


@pytest.mark.parametrize("together", [True, False])
async def test_counting_a_conversion_triggers_a_follow_on(installation: Installation, together: bool) -> None:
    """C1: the conversion of a campaign that another system sends, at the purchase's time; A by default."""
    primary = follow_on("b", {**CONVERTED, "conversion": "B"}, delay={"after": "1 day"})
    await installation.publish(COUNTING, THANKS, primary)
    batches = [[push("e1", 0), buy("p1", 1)]] if together else [[push("e1", 0)], [buy("p1", 1)]]
    for batch in batches:
        assert {result.status for result in await installation.ingest(*batch)} == {"accepted"}
    assert await conversions(installation) == [("A", at(1))]
    [row] = await installation.rows()
    assert (row.campaign, row.state, row.triggered_at.isoformat()) == ("thanks", "waiting", at(1))
    await installation.ingest(buy("p2", 2, sku="B"))
    assert await conversions(installation) == [("A", at(1)), ("B", at(2))]
    assert [row.campaign for row in await installation.rows()] == ["thanks", "b"]


async def test_counting_a_conversion_calls_off_a_wait(installation: Installation) -> None:
    """C1, X1: a conversion is an exception like any other interaction."""
    nudge = follow_on("f", PUSHED, delay={"after": "12 hours"}, exceptions=[CONVERTED])
    await installation.publish(COUNTING, nudge)
    await installation.ingest(push("e1", 0), push("e2", 0, user="v"))
    await installation.ingest(buy("p1", 1))
    [one, other] = await installation.rows()
    assert {(row.trigger_id, row.state) for row in (one, other)} == {("e1", "excepted"), ("e2", "waiting")}


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_order_of_arrival_does_not_matter(installation: Installation, order: tuple[int, ...]) -> None:
    """C1, T5: the purchase before its receipt, or before its purchase; each receipt counts once."""
    await installation.publish(COUNTING, THANKS)
    items = [push("e1", 0), buy("p1", 1), push("e2", 30)]
    for place in order:
        await installation.ingest(items[place])
    assert await conversions(installation) == [("A", at(1))]
    assert [row.state for row in await installation.rows()] == ["waiting"]


async def test_repeated_items_count_nothing_more(installation: Installation) -> None:
    """C1, M6: repeated in one batch or another; a second purchase counts for nothing either."""
    await installation.publish(COUNTING, THANKS)
    batch = [push("e1", 0), buy("p1", 1)]
    await installation.ingest(*batch, *batch)
    await installation.ingest(*batch)
    await installation.ingest(buy("p2", 2), buy("p3", 3))
    assert await conversions(installation) == [("A", at(1))]
    assert len(await installation.rows()) == 1


async def test_batch_that_was_lost_and_retried_counts_once(installation: Installation) -> None:
    """C1, guarantee 5: what was not committed leaves nothing; the retry counts under the same ids."""
    await installation.publish(COUNTING, THANKS)
    batch = [push("e1", 0), buy("p1", 1)]
    ids: list[Any] = []

    async def lose(tx: Any, catalogue: Catalogue) -> None:
        await installation.intake.ingest_in_transaction(tx, catalogue, batch)
        ids.extend((await tx.execute(select(interactions.c.id).order_by(interactions.c.id))).scalars())
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await with_current_catalogue(installation.database, installation.cache, "default", lose)
    assert await conversions(installation) == []
    await installation.ingest(*batch)
    async with installation.database.read("default") as tx:
        assert list((await tx.execute(select(interactions.c.id).order_by(interactions.c.id))).scalars()) == ids
    assert len(ids) == 3


async def _statements(installation: Installation, batch: Sequence[dict[str, Any]]) -> int:
    with installation.database.count_statements() as count:
        await installation.ingest(*batch)
    return len(count.statements)


async def test_statements_do_not_grow_with_the_conversions(installation: Installation, database: Database) -> None:
    """C1: nothing more if a batch concerns none, a fixed number more if it does, however many are counted."""
    bystander = {"campaign": "p", "delivery": {"type": "external"}}
    await installation.publish(COUNTING, bystander, THANKS)
    await installation.ingest(push("e", 0))

    def batch(kind: str, size: int) -> list[dict[str, Any]]:
        users = [f"{kind}-{size}-{n}" for n in range(size)]
        if kind == "none":
            return [{**push(user, 0, user=user), "campaign": "p"} for user in users]
        return [one for user in users for one in (push(f"e-{user}", 0, user=user), buy(f"p-{user}", 1, user=user))]

    none = [await _statements(installation, batch("none", size)) for size in (2, 200)]
    made = [await _statements(installation, batch("made", size)) for size in (2, 200)]
    assert none[0] == none[1] <= 9
    assert made[0] == made[1] <= 20
    assert len(await conversions(installation)) == 202


async def test_receipt_keeps_its_conversions(installation: Installation) -> None:
    """C1, P10: a receipt counts by the conversions that held at its time, whatever is published later."""
    await installation.publish(COUNTING)
    await installation.ingest(push("e1", 0))
    await installation.publish({**COUNTING, "conversions": []}, since=None)
    await installation.ingest(buy("p1", 1))
    assert await conversions(installation) == [("A", at(1))]
