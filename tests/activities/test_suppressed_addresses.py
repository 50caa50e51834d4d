"""Addresses that a provider told to be dead, at the moment of the send and as an audience is gathered."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from connector.channels.protocol import Accepted
from connector.rules.model.users import User
from connector.rules.provider_events.consent import AddressStatement
from connector.store.tables import dead_addresses
from connector.store.users.suppressions import save_address_statements
from connector.store.users.users import find_user, merge_user
from tests.activities.test_launch import NOW, Pad
from tests.activities.test_send import Post, Provider
from tests.support.builders import BASE, ORIGINAL, PUSHED, follow_on, push
from tests.support.installation import Installation

EMAIL = {"email": {"subject": "Hi", "text": "there"}}
MAIL = follow_on("f", PUSHED, messages=EMAIL, delay={"after": "30 minutes"}, eligible_again="always")


@pytest.fixture
async def post(installation: Installation) -> Post:
    """A post with one user who has an email address and a push token."""
    ready = Post(installation, Provider(Accepted("p")))
    await ready.described(User(id="u", email="Ada@shop.test", push_tokens=("t",)))
    return ready


async def dead(installation: Installation, **unreachable: str) -> None:
    """Only these addresses are dead from now on."""
    words = [AddressStatement(channel, address, True, NOW) for channel, address in unreachable.items()]
    async with installation.database.write("default") as tx:
        await tx.execute(delete(dead_addresses))
        await save_address_statements(tx, words, {})


async def changed(installation: Installation, **changes: Any) -> None:
    async with installation.database.write("default") as tx:
        await merge_user(tx, "u", changes, BASE)


async def test_a_dead_address_gets_no_message(post: Post) -> None:
    """W1: dropped as `unreachable`; with another address the next one goes, and back at the old one it does not."""
    await post.installation.publish(ORIGINAL, MAIL)
    await dead(post.installation, email="ADA@shop.test")
    outcomes = []
    for turn, address in enumerate(["ada@shop.test", "new@shop.test", "aDa@shop.test"]):
        await changed(post.installation, email=address)
        await post.installation.ingest(push(f"e{turn}", turn * 40))
        outcomes.append((await post.send(minutes=turn * 40 + 30, channel="email")).reason)
    assert outcomes == ["unreachable", None, "unreachable"]
    assert [message.address.email for message in post.provider.taken] == ["new@shop.test"]


async def test_it_is_judged_as_of_the_send(post: Post) -> None:
    """What bounced while the follow-up waited counts; a word about another channel does not."""
    await post.installation.publish(ORIGINAL, MAIL)
    await post.installation.ingest(push("e1", 0))
    await dead(post.installation, email="ada@shop.test")
    assert (await post.send(minutes=30, channel="email")).reason == "unreachable"
    await dead(post.installation, sms="ada@shop.test", push="t")
    await post.installation.ingest(push("e2", 40))
    assert (await post.send(minutes=70, channel="email")).outcome == "sent"


async def test_each_dead_address_is_known_for_whoever_has_it(post: Post) -> None:
    """One that was dead before another was, and one that somebody gets who was described later."""
    await post.installation.publish(ORIGINAL, MAIL)
    await dead(post.installation, email="a@shop.test", sms="+49 170 1")
    async with post.installation.database.write("default") as tx:
        await save_address_statements(tx, [AddressStatement("email", "B@shop.test", True, NOW)], {})
    outcomes = []
    for turn, address in enumerate(["a@shop.test", "b@shop.test", "A@shop.test", "c@shop.test"]):
        await changed(post.installation, email=address)
        await post.installation.ingest(push(f"e{turn}", turn * 40))
        outcomes.append((await post.send(minutes=turn * 40 + 30, channel="email")).reason)
    assert outcomes == ["unreachable", "unreachable", "unreachable", None]
    await post.described(User(id="v", email="b@SHOP.test", phone="+49-1701"))
    async with post.installation.database.read("default") as tx:
        stored = await find_user(tx, "v")
    assert stored is not None
    assert stored.unreachable == {"email": "b@SHOP.test", "sms": "+49-1701"}


async def test_the_other_channel_goes_out(post: Post) -> None:
    """Each channel is judged by itself."""
    both = {**EMAIL, "push": {"title": "Hi", "body": "there"}}
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=both, delay={"after": "30 minutes"}))
    await dead(post.installation, email="ada@shop.test")
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=30, channel="email")).reason == "unreachable"
    assert (await post.send(minutes=30, channel="push")).outcome == "sent"
    assert [row.state for row in await post.installation.rows()] == ["sent"]


async def test_control_users_are_treated_alike(installation: Installation) -> None:
    """W3: whom no message could have reached is not enrolled."""
    pad = Pad(installation)
    await pad.people(*(User(id=f"u{n}", email=f"u{n}@shop.test") for n in range(4)))
    await pad.publish(messages=EMAIL, control_group=100)
    await dead(installation, email="U1@shop.test")
    await pad.work(at=NOW)
    assert await pad.states() == {("control", "control_group"): 3, ("dropped", "unreachable"): 1}
