"""Listings and counts of follow-ups, on both databases."""

import pytest

from connector.names import follow_up_id
from connector.store.engine.database import Database
from connector.store.follow_ups.selection import FollowUpFilter
from connector.store.follow_ups.tallies import Count, load_counts
from connector.store.reporting import happenings
from connector.store.reporting.overview import list_follow_ups
from connector.store.users.users import find_user
from starter.operations.views import view_follow_up
from tests.support.builders import ABANDONED, BASE, ORIGINAL, buy, push
from tests.support.installation import Installation

W = "default"


@pytest.fixture
async def follow_ups(installation: Installation) -> Database:
    """Anna has a waiting follow-up and a refusal; Ben's follow-up was cancelled."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p-anna", 1, "anna"), push("p-ben", 2, "ben"), buy("b-ben", 3, "ben"))
    await installation.ingest(push("again", 4, "anna"))
    return installation.database


async def test_follow_ups_newest_trigger_first(follow_ups: Database) -> None:
    """Each has the id by which services know its user, and the interaction that ended it."""
    async with follow_ups.read(W) as tx:
        ben, anna = (await list_follow_ups(tx)).listings
        assert (await list_follow_ups(tx, limit=1)).listings == [ben]
    async with follow_ups.read("another") as tx:
        assert (await list_follow_ups(tx)).listings == []
    assert (ben.user, ben.trigger, ben.state, ben.exception) == ("ben", "p-ben", "excepted", "b-ben")
    assert (anna.user, anna.state, anna.reason, anna.exception, anna.channels) == ("anna", "waiting", None, None, ())
    assert anna.triggered_at < ben.triggered_at
    assert anna.due_at == anna.next_at


async def test_the_workflow_that_waits_is_named(follow_ups: Database) -> None:
    """Guarantee 8: the workflow that an `exception` is signalled to is named by surrogate key and id."""
    async with follow_ups.read(W) as tx:
        user = await find_user(tx, "anna")
        [anna] = (await list_follow_ups(tx, FollowUpFilter("waiting"))).listings
        [refusal] = (await list_follow_ups(tx, FollowUpFilter("refused"))).listings
    assert user is not None
    assert anna.id is not None
    shown = view_follow_up(W, anna, BASE)
    assert shown["workflow_id"] == follow_up_id(W, "f", user.user_key, anna.id)
    assert view_follow_up(W, refusal, BASE)["workflow_id"] is None


async def test_refusals_are_listed_apart(follow_ups: Database) -> None:
    """They have a reason, and neither an id nor a due time."""
    async with follow_ups.read(W) as tx:
        anna = await find_user(tx, "anna")
        assert anna is not None
        (refusal,) = (await list_follow_ups(tx, FollowUpFilter("refused", "f", anna.user_key))).listings
    assert (refusal.id, refusal.trigger, refusal.reason) == (None, "again", "already_waiting")
    assert (refusal.due_at, refusal.next_at, refusal.exception) == (None, None, None)
    assert refusal.decided_at is not None


async def test_counts_by_campaign_state_and_reason(follow_ups: Database) -> None:
    """Follow-ups and refusals together, of all campaigns or of one."""
    expected = [
        Count("f", "excepted", "exception", 1),
        Count("f", "refused", "already_waiting", 1),
        Count("f", "waiting", None, 1),
    ]
    async with follow_ups.read(W) as tx:
        assert await load_counts(tx) == expected
        assert await load_counts(tx, ["f"]) == expected
        assert await load_counts(tx, ["o"]) == []


async def test_of_too_many_follow_ups_those_that_ended_are_loaded_first(
    follow_ups: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the story of `connector dev` has each end, however many follow-ups still wait."""
    async with follow_ups.read(W) as tx:
        ids = [one.id for one in (await list_follow_ups(tx)).listings if one.id is not None]
        monkeypatch.setattr(happenings, "MAX_FOLLOW_UPS", 1)
        assert [one.state for one in await happenings.load_snapshots(tx, [], BASE, ids)] == ["excepted"]
