"""The catalogue in SQL: drafts, orders, windows, versions, and the cache that follows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import AnyDefinition, Campaign, Card, Workspace, parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.drafting import DraftChange
from connector.rules.publishing.orders import OrderPlan
from connector.store.catalogue.cache import CatalogueCache, load_catalogue
from connector.store.catalogue.current import read_head
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import VersionMoved, commit_order, find_receipt, next_instant
from connector.store.engine.database import Database, database_now
from connector.store.tables import interactions
from connector.wire import OrderReceipt

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def campaign(id: str, /, **changes: Any) -> Campaign:
    text = {"campaign": id, "delivery": {"type": "external"}} | changes
    return Campaign.model_validate(text)


RICH = parse_definition(
    {
        "campaign": "rich",
        "delivery": {
            "type": "action_based",
            "trigger": [{"interaction": "open_email", "campaign": "welcome", "opens": "human", "where": {"n": 1.5}}],
            "delay": {"in_days": 1, "at": "09:00", "zone": "company"},
            "exceptions": [{"event": "make_purchase", "where": {"ok": True}, "same": ["sku"]}],
            "key": "properties.sku",
            "end": "2026-06-01T00:00:00+02:00",
            "time_of_day": {"from": "09:00", "to": "17:00", "outside": "next"},
            "quiet_hours": "none",
            "eligible_again": {"after": "30 days"},
        },
        "audience": {
            "all": [
                {"attribute": "tier", "is": None},
                {"not": {"any": [{"attribute": "age", "in": [1, 2]}, {"did": {"event": "x", "within": "7 days"}}]}},
            ]
        },
        "variants": [{"name": "A", "weight": 2, "messages": {"email": {"subject": "é", "text": "t", "from": "f"}}}],
    }
)
CARD = Card(card="spring", title="Spring", body="{{ user.first_name }}")
SETTINGS = Workspace(zone="America/New_York", frequency_caps=({"channel": "push", "at_most": 1, "per": {"days": 3}},))


async def save(database: Database, *definitions: AnyDefinition, now: datetime = NOW) -> list[DraftChange]:
    async with database.write(W) as tx:
        return await save_drafts(tx, definitions, now)


async def carry_out(
    database: Database, verb: str, *ids: str, order_id: str | None = None, at: datetime | None = None
) -> OrderReceipt:
    """Commit an order with the plan to change all of `ids`, as the registry's activity does."""
    order_id = order_id or f"{verb}-{ids}-{at}"
    async with database.write(W, lock="exclusive") as tx:
        catalogue = await load_catalogue(tx)
        at = at or await next_instant(tx)
        order: dict[str, Any] = {"order_id": order_id, "verb": verb, "ids": ids, "effective_at": at}
        return OrderReceipt.model_validate(await commit_order(tx, catalogue, OrderPlan(ids), **order))


async def load(database: Database, since: Catalogue | None = None) -> Catalogue:
    async with database.read(W) as tx:
        return await load_catalogue(tx, since)


async def entry(database: Database, name: str) -> Entry:
    return (await load(database)).entries[name]


def windows(found: Entry) -> list[tuple[datetime, datetime | None]]:
    return [(window.opened_at, window.closed_at) for window in found.windows]


async def test_nothing_saved_is_version_zero(database: Database) -> None:
    """An empty database has an empty catalogue."""
    async with database.read(W) as tx:
        head = await read_head(tx)
        assert (head.version, head.changed_at) == (0, None)
        assert await load_catalogue(tx) == Catalogue()
        assert await find_receipt(tx, "none") is None


async def test_definitions_come_back_as_they_were_written(database: Database) -> None:
    """What is loaded is what was saved, in every part; all of it at one version."""
    saved = await save(database, RICH, CARD, SETTINGS)
    assert saved == [DraftChange("rich", 1, "new"), DraftChange("spring", 1, "new"), DraftChange("default", 1, "new")]
    loaded = await load(database)
    assert loaded.entries["rich"].newest.definition == RICH
    assert loaded.entries["spring"].newest.definition == CARD
    assert loaded.entries["spring"].is_card
    assert loaded.workspace == SETTINGS
    assert (loaded.version, loaded.changed_at) == (1, NOW)


async def test_saving_again_returns_what_is_new_edited_or_unchanged(database: Database) -> None:
    """Only a real difference makes a revision and raises the version."""
    await save(database, campaign("a"), campaign("b"), SETTINGS)
    again = await save(database, campaign("a"), campaign("b", name="B"), SETTINGS, campaign("c"))
    assert [(one.revision, one.change) for one in again] == [
        (1, "unchanged"),
        (2, "edited"),
        (1, "unchanged"),
        (1, "new"),
    ]
    assert (await load(database)).version == 2
    await save(database, campaign("a"), SETTINGS)
    assert (await load(database)).version == 2


async def test_true_and_one_are_different_definitions(database: Database) -> None:
    """An edit from 1 to true is an edit."""
    await save(database, campaign("a", audience={"attribute": "vip", "is": 1}))
    saved = await save(database, campaign("a", audience={"attribute": "vip", "is": True}))
    assert saved == [DraftChange("a", 2, "edited")]


async def test_changed_settings_leave_the_campaigns(database: Database) -> None:
    """Saving the workspace alone raises the version and nothing else."""
    await save(database, campaign("a"))
    assert await save(database, SETTINGS) == [DraftChange("default", 2, "edited")]
    loaded = await load(database)
    assert loaded.workspace == SETTINGS
    assert loaded.entries["a"].newest.number == 1


@pytest.mark.parametrize(
    ("definitions", "problem"),
    [
        ([campaign("gone", name="New")], "gone is archived and cannot be edited"),
        ([campaign("gone")], "gone is archived and cannot be edited"),
        ([Card(card="here", title="t", body="b")], "here is a campaign already"),
        ([campaign("twice"), campaign("twice", name="Other")], "twice is given 2 times"),
    ],
)
async def test_what_cannot_be_saved_is_refused_as_a_whole(
    database: Database, definitions: list[Campaign | Card], problem: str
) -> None:
    """P9 archived is not editable, M5 campaigns and cards share ids; nothing of the batch is saved."""
    await save(database, campaign("gone"), campaign("here"))
    await carry_out(database, "archive", "gone")
    with pytest.raises(OrderRefused, match=problem):
        await save(database, campaign("fresh"), *definitions)
    assert "fresh" not in (await load(database)).entries


async def test_publishing_opens_a_window_and_makes_the_newest_revision_live(database: Database) -> None:
    """P5: the newest saved revision goes live at the order's instant."""
    await save(database, campaign("a"), campaign("b"))
    await save(database, campaign("a", name="A"))
    receipt = await carry_out(database, "publish", "a", at=NOW)
    assert (receipt.changed, receipt.effective_at, receipt.version) == (("a",), NOW, 3)
    found = await entry(database, "a")
    assert found.state == "active"
    assert found.live is not None
    assert (found.live.number, found.live.effective_at, found.first_effective_at) == (2, NOW, NOW)
    assert windows(found) == [(NOW, None)]
    assert (await entry(database, "b")).state == "draft"


async def test_a_draft_beside_a_live_campaign_changes_nothing_until_published(database: Database) -> None:
    """P10: the revision goes live from its own instant; the window stays open across revisions."""
    later = NOW + timedelta(hours=1)
    await save(database, campaign("a"))
    await carry_out(database, "publish", "a", at=NOW)
    await save(database, campaign("a", name="second"))
    drafted = await entry(database, "a")
    assert drafted.live is not None
    assert (drafted.live.number, drafted.newest.number, drafted.state) == (1, 2, "active")
    await carry_out(database, "publish", "a", at=later)
    found = await entry(database, "a")
    assert found.live is not None
    assert (found.live.number, found.first_effective_at) == (2, NOW)
    assert windows(found) == [(NOW, None)]
    assert [revision.effective_at for revision in found.published] == [NOW, later]


async def test_stop_and_resume_close_and_open_windows(database: Database) -> None:
    """P9: the gap is in no window; resume keeps the revision that was live, a newer draft stays a draft."""
    first, second = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    await save(database, campaign("a"))
    await carry_out(database, "publish", "a", at=NOW)
    await save(database, campaign("a", name="draft"))
    await carry_out(database, "stop", "a", at=first)
    stopped = await entry(database, "a")
    assert (stopped.state, stopped.live, windows(stopped)) == ("stopped", None, [(NOW, first)])
    await carry_out(database, "resume", "a", at=second)
    found = await entry(database, "a")
    assert windows(found) == [(NOW, first), (second, None)]
    assert found.live is not None
    assert (found.live.number, found.newest.number, found.newest.effective_at) == (1, 2, None)
    assert found.live.effective_at == NOW


async def test_publishing_a_stopped_campaign_again_opens_a_window_and_keeps_its_revision(database: Database) -> None:
    """P5: publish works in every state; a revision keeps the instant at which it first took effect."""
    later = NOW + timedelta(hours=2)
    await save(database, campaign("a"))
    await carry_out(database, "publish", "a", at=NOW)
    await carry_out(database, "stop", "a", at=NOW + timedelta(hours=1))
    await carry_out(database, "publish", "a", at=later)
    found = await entry(database, "a")
    assert [opened for opened, _ in windows(found)] == [NOW, later]
    assert [revision.effective_at for revision in found.published] == [NOW]


async def test_archiving_closes_the_window_for_good(database: Database) -> None:
    """P9: archiving closes windows as stopping does."""
    await save(database, campaign("a"))
    await carry_out(database, "publish", "a", at=NOW)
    await carry_out(database, "archive", "a", at=NOW + timedelta(hours=1))
    found = await entry(database, "a")
    assert (found.state, windows(found)) == ("archived", [(NOW, NOW + timedelta(hours=1))])


async def test_a_repeated_order_answers_with_its_receipt_and_changes_nothing(database: Database) -> None:
    """Design 6: a retry, or a late activity of a terminated registry, is harmless."""
    await save(database, campaign("a"))
    first = await carry_out(database, "publish", "a", order_id="o-1", at=NOW)
    await carry_out(database, "stop", "a", order_id="o-2")
    assert await carry_out(database, "publish", "a", order_id="o-1") == first
    found = await entry(database, "a")
    assert (found.state, len(found.windows)) == ("stopped", 1)
    async with database.read(W) as tx:
        assert OrderReceipt.model_validate(await find_receipt(tx, "o-1")) == first
    async with database.read("other") as tx:
        assert await find_receipt(tx, "o-1") is None


async def test_an_order_evaluated_on_an_older_catalogue_is_not_carried_out(database: Database) -> None:
    """Compare and set: the loser of the race evaluates the order again."""
    await save(database, campaign("a"))
    for plan in (OrderPlan(("a",)), OrderPlan((), ("a",))):
        order: dict[str, Any] = {"order_id": "late", "verb": "publish", "ids": ("a",), "effective_at": NOW}
        async with database.write(W, lock="exclusive") as tx:
            older = replace(await load_catalogue(tx), version=0)
            with pytest.raises(VersionMoved, match="version 0"):
                await commit_order(tx, older, plan, **order)
    assert (await entry(database, "a")).state == "draft"
    async with database.read(W) as tx:
        assert await find_receipt(tx, "late") is None


async def test_an_order_that_changes_nothing_leaves_the_version(database: Database) -> None:
    """P5: the receipt says that nothing changed."""
    await save(database, campaign("a"))
    order: dict[str, Any] = {"order_id": "again", "verb": "publish", "ids": ("a",), "effective_at": NOW}
    async with database.write(W, lock="exclusive") as tx:
        plan = OrderPlan((), ("a",), ("nothing new",))
        receipt = await commit_order(tx, await load_catalogue(tx), plan, **order)
        assert await find_receipt(tx, "again") == receipt
        head = await read_head(tx)
        assert (head.version, head.changed_at) == (1, NOW)
    assert (receipt["changed"], receipt["unchanged"], receipt["effective_at"]) == ([], ["a"], None)


async def test_an_order_comes_strictly_after_all_that_was_received_and_ordered(database: Database) -> None:
    """Guarantee 1 holds with a clock that is coarse or was set back."""
    await save(database, campaign("a"))
    async with database.write(W, lock="exclusive") as tx:
        ahead = await database_now(tx) + timedelta(hours=1)
        item = {"workspace": W, "day": ahead.date(), "id": "i", "seq": 1, "user_key": "k", "kind": "event"}
        times = {"topic": "x", "t": ahead, "occurred_at": ahead, "received_at": ahead, "properties": {}}
        await tx.execute(insert(interactions), [item | times])
    receipt = await carry_out(database, "publish", "a")
    assert receipt.effective_at == ahead + timedelta(microseconds=1)
    async with database.write(W, lock="exclusive") as tx:
        assert await next_instant(tx) == ahead + timedelta(microseconds=2)
    await save(database, campaign("b"), now=NOW)
    async with database.read(W) as tx:
        assert (await read_head(tx)).changed_at == receipt.effective_at


async def test_only_what_changed_is_loaded_again(database: Database) -> None:
    """A delta gives the same catalogue as loading everything."""
    await save(database, campaign("a"), RICH)
    before = await load(database)
    await save(database, campaign("a", name="A"))
    await carry_out(database, "publish", "rich", at=NOW)
    await save(database, campaign("c"))
    after = await load(database, before)
    assert after == await load(database)
    assert set(after.entries) == {"a", "rich", "c"}
    assert [
        listener.id
        for listeners in after.trigger_listeners.values()
        for listener in map(after.entries.get, listeners)
        if listener
    ]
    await save(database, campaign("c", name="C"))
    assert (await load(database, after)).entries["rich"] is after.entries["rich"]


async def test_a_database_restored_from_a_backup_is_loaded_as_a_whole(database: Database) -> None:
    """If the database has not reached the known version, everything is read."""
    await save(database, campaign("a"))
    known = Catalogue(version=9, entries={"b": await entry(database, "a")})
    assert set((await load(database, known)).entries) == {"a"}


async def test_ten_thousand_campaigns_take_as_many_statements_as_one(database: Database) -> None:
    """Bulk statements: saving, saving again, publishing and loading do not depend on how many there are."""
    counts = []
    for size in (1, 10_000):
        drafts = [campaign(f"c{size}-{number}") for number in range(size)]
        edits = [campaign(f"c{size}-{number}", name="edited") for number in range(size)]
        with database.count_statements() as count:
            async with asyncio.timeout(30):
                await save(database, *drafts)
                assert all(saved.change == "edited" for saved in await save(database, *edits))
                await carry_out(database, "publish", *(draft.id for draft in drafts), order_id=f"all-{size}", at=NOW)
                assert sum(found.state == "active" for found in (await load(database)).entries.values()) >= size
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def test_those_who_save_at_once_number_their_revisions_one_after_the_other(database: Database) -> None:
    """Two who apply at the same time lose nothing."""
    await save(database, campaign("a"))
    names = [f"name {number}" for number in range(8)]
    saved = await asyncio.gather(*(save(database, campaign("a", name=name)) for name in names))
    assert sorted(one.revision for [one] in saved) == list(range(2, 10))
    assert (await load(database)).version == 9


async def test_the_cache_reads_only_what_it_does_not_know(database: Database) -> None:
    """A known version costs no statement; a new one is read once, however many callers wait for it."""
    cache = CatalogueCache(W)
    await save(database, campaign("a"))
    assert (await cache.at_least(database, 1)).version == 1
    with database.count_statements() as count:
        assert (await cache.at_least(database, 1)).version == 1
    assert count.statements == []
    await save(database, campaign("b"))
    with database.count_statements() as count:
        found = await asyncio.gather(*(cache.at_least(database, 2) for _ in range(10)))
    assert sum("FROM catalogue" in statement for statement in count.statements) == 1
    assert {catalogue.version for catalogue in found} == {2}


async def test_the_cache_without_a_version_is_the_present_catalogue(database: Database) -> None:
    """Without a version, the present catalogue is loaded."""
    cache = CatalogueCache(W)
    assert (await cache.at_least(database)).version == 0
    await save(database, campaign("a"))
    assert set((await cache.at_least(database)).entries) == {"a"}
