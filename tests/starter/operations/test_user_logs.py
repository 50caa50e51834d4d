"""`simulate --like`: a real user's log played against edited follow-ons; the store stays as it is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.app.context import AppContext
from connector.definitions import parse_yaml
from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import User
from connector.rules.sending.deliveries import Delivery, DeliveryState
from connector.rules.sending.effects import WriteDelivery
from connector.simulation.like import NoFollowOn, play_like, read_real_user
from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.deliveries import write_deliveries
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id
from connector.store.tables import interactions
from connector.store.users.descriptions import save_user
from starter.operations.user_logs import read_since, read_user_log
from starter.operations.users import UserUnknown
from tests.support.api import open_client
from tests.support.builders import ABANDONED, BASE, ORIGINAL, at, buy, now, opened, push
from tests.support.installation import Installation

EDITED = """\
campaign: f
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: o}]
  delay: {after: 30 minutes}
  exceptions: [{event: make_purchase}]
  eligible_again: always
messages: {push: {title: "Hi {{ user.first_name }}", body: b}}
"""
CAPPED = "workspace: default\nfrequency_caps: [{channel: push, at_most: 1, per: week}]\n---\n" + EDITED


@pytest.fixture
async def shop(context: AppContext, sqlite_database: Database) -> AppContext:
    """A user with three pushes, an open and a purchase; the saved follow-on waits for 12 hours."""
    async with sqlite_database.write("default") as tx:
        ann = User(id="u", first_name="Ann", push_tokens=("p",), time_zone="UTC")
        await save_user(tx, ann, await database_now(tx))
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    for item in (push("e1", 0), buy("e2", 20), push("e3", 40), opened("e4", 45), push("e5", 60)):
        await installation.ingest(item)
    async with sqlite_database.write("default") as tx:  # as if each had been reported when it happened
        await tx.execute(update(interactions).values(received_at=interactions.c.t))
    return context


async def play(context: AppContext, definitions: str, since: str) -> list[tuple[Any, ...]]:
    """Return (trigger, state, reason) of each outcome."""
    user = read_real_user(json.loads(json.dumps(await read_user_log(context, "u", since))))
    with play_like(parse_yaml(definitions, file="edited.yaml"), user, None) as played:
        assert played.failure is None
        return [(one["trigger"], one["state"], one["reason"]) for one in map(json.loads, played.lines())]


async def test_the_edited_follow_on_as_if_it_had_been_live(shop: AppContext, sqlite_database: Database) -> None:
    """The shorter delay, the purchase as an exception, the user's own profile; nothing in the store changes."""
    before = await Installation(sqlite_database).rows()
    outcomes = await play(shop, EDITED, "3 hours")
    assert outcomes == [
        ("e1", "excepted", "exception"),
        ("e5", "refused", "already_waiting"),
        ("e3", "sent", None),
    ]
    assert await play(shop, EDITED, at(30)) == [("e5", "refused", "already_waiting"), ("e3", "sent", None)]
    assert await Installation(sqlite_database).rows() == before


async def test_messages_that_other_campaigns_really_sent_count(shop: AppContext, sqlite_database: Database) -> None:
    """W2: a cap is filled by a real message of another campaign; those of the follow-on itself are played anew."""
    row = (await Installation(sqlite_database).rows())[0]
    async with sqlite_database.write("default") as tx:
        at = await database_now(tx)
        follow_up = (await load_follow_ups_by_id(tx, [row.id]))[row.id]
        sent = Delivery(f"{row.id}.push", "push", DeliveryState.SENT, claimed_at=at - timedelta(hours=3))
        await write_deliveries(tx, [WriteDelivery(follow_up, sent, 1, at)])
    assert ("e3", "sent", None) in await play(shop, CAPPED, "3 hours")
    other = CAPPED.replace("campaign: f\n", "campaign: g\n")
    assert ("e3", "dropped", "frequency_capped") in await play(shop, other, "3 hours")


async def test_over_http_and_what_is_not_known(shop: AppContext) -> None:
    """The same view over HTTP; an unknown user and a wrong time say so."""
    async with open_client(shop) as client:
        answer = await client.get("/v1/users/u/timeline", params={"since": "3 hours"})
        ours = await read_user_log(shop, "u", "3 hours")
        assert answer.json()["interactions"] == ours["interactions"]
        assert [line["interaction"]["id"] for line in ours["interactions"]] == ["e1", "e2", "e3", "e4", "e5"]
        assert (await client.get("/v1/users/nobody/timeline", params={"since": "1 day"})).status_code == 404
        assert (await client.get("/v1/users/u/timeline", params={"since": "soon"})).status_code == 422
    with pytest.raises(UserUnknown):
        await read_user_log(shop, "nobody", "1 day")
    user = read_real_user(await read_user_log(shop, "u", "1 day"))
    with pytest.raises(NoFollowOn):
        play_like(parse_yaml("campaign: o\ndelivery: {type: external}\n", file="o.yaml"), user, None)


@pytest.mark.parametrize("text", ["soon", "2026-03-02T10:00:00", "0 days", "3000-01-01T00:00:00Z", "99999999 weeks"])
def test_times_that_are_refused(text: str) -> None:
    """A time without its zone, in the future, or none at all."""
    with pytest.raises(DefinitionError, match="since"):
        read_since(text, now())


def test_times_that_are_read() -> None:
    """How long ago, or an instant."""
    assert read_since("7 days", BASE) == BASE - timedelta(days=7)
    assert read_since("2026-03-02T10:00:00+02:00", now()).isoformat() == "2026-03-02T08:00:00+00:00"
