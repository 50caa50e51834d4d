"""Conversions of what this system sends: the receipts are its own (C1)."""

from typing import Any

import pytest
from sqlalchemy import select

from connector.rules.model.users import User
from connector.store.tables import interactions
from tests.support.builders import ORIGINAL, PUSHED, buy, follow_on
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

CONVERTED = {"interaction": "perform_conversion_event", "campaign": "f"}
THANKS = follow_on("thanks", CONVERTED, delay={"after": "1 day"}, eligible_again="always")
BOTH = {"push": {"title": "a", "body": "b"}, "email": {"subject": "s", "text": "t"}}


def counting(**words: Any) -> dict[str, Any]:
    """A follow-on that counts purchases."""
    sent = follow_on("f", PUSHED, delay={"after": "30 minutes"}, **words)
    return {**sent, "conversions": [{"event": "make_purchase", "within": "2 hours"}]}


async def _thanked(installation: Installation) -> list[str]:
    return [row.trigger_id for row in await installation.rows() if row.campaign == "thanks"]


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """A post with one user who is reachable everywhere, and who has just been pushed by the original."""
    ready = SendHarness(installation, FakeChannel())
    await ready.save_user(User(id="u", push_tokens=("t",), email="u@example.com"))
    return ready


async def _triggered(harness: SendHarness, **words: Any) -> None:
    await harness.installation.publish(ORIGINAL, counting(**words), THANKS)
    await harness.installation.ingest({**buy("e1", 0), "type": "receive_push", "campaign": "o"})


async def test_purchase_after_our_message_triggers_a_follow_on(harness: SendHarness) -> None:
    """C1: the window begins with the send, not with the trigger."""
    await _triggered(harness)
    await harness.installation.ingest(buy("p1", 20))
    await harness.send(minutes=30)
    assert await _thanked(harness.installation) == []
    await harness.installation.ingest(buy("p2", 40))
    assert len(await _thanked(harness.installation)) == 1


async def test_purchase_that_was_known_before_our_message_was_recorded(harness: SendHarness) -> None:
    """C1: a send that is recorded late counts what came since its dispatch."""
    await _triggered(harness)

    async def buy_meanwhile(_: object) -> None:
        await harness.installation.ingest(buy("p1", 31))

    harness.channel.meanwhile = buy_meanwhile
    await harness.send(minutes=30)
    assert len(await _thanked(harness.installation)) == 1


async def test_channels_of_one_follow_up_count_once(harness: SendHarness) -> None:
    """C1: a push and an email of one follow-up are one receipt."""
    await _triggered(harness, messages=BOTH)
    await harness.send(minutes=30, channel="push")
    await harness.installation.ingest(buy("p1", 31))
    await harness.send(minutes=32, channel="email", place=0)
    await harness.installation.ingest(buy("p2", 40))
    async with harness.installation.database.read("default") as tx:
        topics = list((await tx.execute(select(interactions.c.topic))).scalars())
    assert topics.count("receive_push") + topics.count("receive_email") == 3
    assert len(await _thanked(harness.installation)) == 1


async def test_control_users_convert_too(harness: SendHarness) -> None:
    """C1, W3: an enrolment counts as a receipt, so that both groups are compared alike."""
    await _triggered(harness, control_group=100)
    assert (await harness.send(minutes=30)).outcome == "control"
    await harness.installation.ingest(buy("p1", 31))
    assert len(await _thanked(harness.installation)) == 1
