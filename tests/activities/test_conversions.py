"""Conversions of what this system sends: the receipts are its own (C1)."""

from typing import Any

import pytest
from sqlalchemy import select

from connector.rules.model.users import User
from connector.store.tables import interactions
from tests.activities.test_send import Post, Provider
from tests.support.builders import ORIGINAL, PUSHED, buy, follow_on
from tests.support.installation import Installation

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
async def post(installation: Installation) -> Post:
    """A post with one user who is reachable everywhere, and who has just been pushed by the original."""
    ready = Post(installation, Provider())
    await ready.described(User(id="u", push_tokens=("t",), email="u@example.com"))
    return ready


async def _triggered(post: Post, **words: Any) -> None:
    await post.installation.publish(ORIGINAL, counting(**words), THANKS)
    await post.installation.ingest({**buy("e1", 0), "type": "receive_push", "campaign": "o"})


async def test_purchase_after_our_message_triggers_a_follow_on(post: Post) -> None:
    """C1: the window begins with the send, not with the trigger."""
    await _triggered(post)
    await post.installation.ingest(buy("p1", 20))
    await post.send(minutes=30)
    assert await _thanked(post.installation) == []
    await post.installation.ingest(buy("p2", 40))
    assert len(await _thanked(post.installation)) == 1


async def test_purchase_that_was_known_before_our_message_was_recorded(post: Post) -> None:
    """C1: a send that is recorded late counts what came since its dispatch."""
    await _triggered(post)

    async def buy_meanwhile() -> None:
        await post.installation.ingest(buy("p1", 31))

    post.provider.meanwhile = buy_meanwhile
    await post.send(minutes=30)
    assert len(await _thanked(post.installation)) == 1


async def test_channels_of_one_follow_up_count_once(post: Post) -> None:
    """C1: a push and an email of one follow-up are one receipt."""
    await _triggered(post, messages=BOTH)
    await post.send(minutes=30, channel="push")
    await post.installation.ingest(buy("p1", 31))
    await post.send(minutes=32, channel="email", place=0)
    await post.installation.ingest(buy("p2", 40))
    async with post.installation.database.read("default") as tx:
        topics = list((await tx.execute(select(interactions.c.topic))).scalars())
    assert topics.count("receive_push") + topics.count("receive_email") == 3
    assert len(await _thanked(post.installation)) == 1


async def test_control_users_convert_too(post: Post) -> None:
    """C1, W3: an enrolment counts as a receipt, so that both groups are compared alike."""
    await _triggered(post, control_group=100)
    assert (await post.send(minutes=30)).outcome == "control"
    await post.installation.ingest(buy("p1", 31))
    assert len(await _thanked(post.installation)) == 1
