"""In-app messages and cards go into the inbox, on both databases."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector.channels.console import ConsoleChannel
from connector.channels.inbox import InboxChannel
from connector.channels.protocol import Address, OutgoingMessage, Rejected, TryLater
from connector.channels.registry import open_channels
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from connector.store.tables import inbox, inbox_marks, interactions
from connector.store.users.descriptions import save_user
from connector.wire import SendRequest
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on, push
from tests.support.installation import Installation

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CARD = {"title": "Hi {{ user.first_name }}", "body": "a card", "link": "https://shop.test/"}
MESSAGE = OutgoingMessage("f-1.content_card", "f", "content_card", Address("u"), {"title": "Hi Ada", "body": "a card"})


async def _described(database: Database) -> None:
    async with database.write("default") as tx:
        await save_user(tx, User(id="u", first_name="Ada"), NOW)


async def _rows(database: Database) -> Sequence[Any]:
    async with database.read("default") as tx:
        return (await tx.execute(select(inbox))).all()


async def test_follow_up_puts_each_message_into_the_inbox_once(installation: Installation) -> None:
    """M4: a card that went out is sent and in the inbox, and makes no `receive_*`; a second attempt changes nothing."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, messages={"content_card": CARD}))
    await _described(installation.database)
    await installation.ingest(push("p1", 0))
    channel = InboxChannel(installation.database, "default", InboxSettings())
    sender = Sender(
        installation.database, installation.cache, installation.intake, {"content_card": channel}, "default"
    )
    [waiting] = await installation.rows()
    request = SendRequest(workspace="default", follow_up_id=waiting.id, campaign="f", channel="content_card")
    for attempt in (1, 2):
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info, started_time=datetime.fromisoformat(at(1)), attempt=attempt
        )
        assert (await environment.run(sender.send, request)).outcome == "sent"
    [row] = await _rows(installation.database)
    assert (row.campaign, row.kind, row.user_key) == ("f", "content_card", waiting.user_key)
    assert row.content == {"title": "Hi Ada", "body": "a card", "link": "https://shop.test/"}
    async with installation.database.read("default") as tx:
        assert [entry.id for entry in await tx.execute(select(interactions))] == ["p1"]


async def test_repeated_and_concurrent_sends_leave_one_row(database: Database) -> None:
    """Guarantee 4: the row's id derives from the delivery's id, however often it is sent."""
    await _described(database)
    channel = InboxChannel(database, "default", InboxSettings())
    handed = await asyncio.gather(*(channel.send(MESSAGE) for _ in range(5)))
    assert len({one.provider_id for one in handed}) == 1
    [row] = await _rows(database)
    assert row.id == handed[0].provider_id


async def test_expiry_and_priority_are_those_of_the_kind(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are settings by kind; what is not named keeps its default."""
    monkeypatch.setenv("CONNECTOR_INBOX_EXPIRY", '{"content_card": "2 days"}')
    monkeypatch.setenv("CONNECTOR_INBOX_PRIORITIES", '{"content_card": 5}')
    await _described(sqlite_database)
    channel = InboxChannel(sqlite_database, "default", Settings().inbox)
    for kind in ("content_card", "in_app_message"):
        await channel.send(dataclasses.replace(MESSAGE, delivery_id=kind, channel=kind))
    found = {row.kind: (row.expires_at - row.created_at, row.priority) for row in await _rows(sqlite_database)}
    assert found == {"content_card": (timedelta(days=2), 5), "in_app_message": (timedelta(days=30), 1)}


async def test_erased_user_gets_nothing_and_keeps_nothing(database: Database) -> None:
    """Guarantee 8: rendered messages hold personal data, so they go; a message on its way is rejected."""
    await _described(database)
    channel = InboxChannel(database, "default", InboxSettings())
    await channel.send(MESSAGE)
    async with database.write("default") as tx:
        assert await erase_user(tx, "u", NOW)
    assert await _rows(database) == []
    async with database.read("default") as tx:
        assert (await tx.execute(select(inbox_marks))).all() == []
    with pytest.raises(Rejected, match="erased"):
        await channel.send(MESSAGE)
    assert await _rows(database) == []


async def test_database_that_is_away_is_tried_again() -> None:
    """Nothing was put anywhere, so the send is repeated."""
    away = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(TryLater, match="store_unavailable"):
        await InboxChannel(away, "default", InboxSettings()).send(MESSAGE)
    await away.close()


@pytest.mark.parametrize("dev", [False, True])
async def test_the_worker_has_the_three_channels(sqlite_database: Database, dev: bool) -> None:
    """With a database they are inboxes in production and in development, where the console shows them too."""
    await _described(sqlite_database)
    channels = open_channels(Settings(), default_console=dev, database=sqlite_database)
    assert isinstance(channels["in_app_message"], InboxChannel)
    assert channels["in_app_message"] is channels["content_card"] is channels["news_feed_card"]
    assert isinstance(channels.get("sms"), ConsoleChannel) == dev
    with capture_logs() as lines:
        await channels["content_card"].send(MESSAGE)
    assert [line["title"] for line in lines if line["event"] == "message"] == (["Hi Ada"] if dev else [])
    assert len(await _rows(sqlite_database)) == 1
    for channel in set(channels.values()):
        await channel.close()
