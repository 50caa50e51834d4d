"""Suppressed addresses, at the moment of the send and when an audience is loaded."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from connector.channels.protocol import Accepted
from connector.rules.model.users import User
from connector.rules.provider_events.consent import AddressStatement
from connector.store.tables import dead_addresses
from connector.store.users.descriptions import merge_user
from connector.store.users.suppressions import save_address_statements
from connector.store.users.users import find_user
from tests.support.builders import BASE, ORIGINAL, PUSHED, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.launch_harness import NOW, LaunchHarness
from tests.support.send_harness import SendHarness

EMAIL = {"email": {"subject": "Hi", "text": "there"}}
MAIL = follow_on("f", PUSHED, messages=EMAIL, delay={"after": "30 minutes"}, eligible_again="always")


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """A post with one user who has an email address and a push token."""
    ready = SendHarness(installation, FakeChannel(Accepted("p")))
    await ready.save_user(User(id="u", email="Ada@shop.test", push_tokens=("t",)))
    return ready


async def dead(installation: Installation, **unreachable: str) -> None:
    """Suppress only these addresses from now on."""
    words = [AddressStatement(channel, address, True, NOW) for channel, address in unreachable.items()]
    async with installation.database.write("default") as tx:
        await tx.execute(delete(dead_addresses))
        await save_address_statements(tx, words, {})


async def changed(installation: Installation, **changes: Any) -> None:
    async with installation.database.write("default") as tx:
        await merge_user(tx, "u", changes, BASE)


async def test_a_suppressed_address_gets_no_message(harness: SendHarness) -> None:
    """W1: dropped as `unreachable`; with another address the next one goes, and back at the old one it does not."""
    await harness.installation.publish(ORIGINAL, MAIL)
    await dead(harness.installation, email="ADA@shop.test")
    outcomes = []
    for turn, address in enumerate(["ada@shop.test", "new@shop.test", "aDa@shop.test"]):
        await changed(harness.installation, email=address)
        await harness.installation.ingest(push(f"e{turn}", turn * 40))
        outcomes.append((await harness.send(minutes=turn * 40 + 30, channel="email")).reason)
    assert outcomes == ["unreachable", None, "unreachable"]
    assert [message.address.email for message in harness.channel.messages] == ["new@shop.test"]


async def test_suppression_is_evaluated_at_the_send(harness: SendHarness) -> None:
    """A bounce while the follow-up waited counts; a statement on another channel does not."""
    await harness.installation.publish(ORIGINAL, MAIL)
    await harness.installation.ingest(push("e1", 0))
    await dead(harness.installation, email="ada@shop.test")
    assert (await harness.send(minutes=30, channel="email")).reason == "unreachable"
    await dead(harness.installation, sms="ada@shop.test", push="t")
    await harness.installation.ingest(push("e2", 40))
    assert (await harness.send(minutes=70, channel="email")).outcome == "sent"


async def test_a_suppression_applies_to_every_holder(harness: SendHarness) -> None:
    """An address that was suppressed before another, and one that a later user gets."""
    await harness.installation.publish(ORIGINAL, MAIL)
    await dead(harness.installation, email="a@shop.test", sms="+49 170 1")
    async with harness.installation.database.write("default") as tx:
        await save_address_statements(tx, [AddressStatement("email", "B@shop.test", True, NOW)], {})
    outcomes = []
    for turn, address in enumerate(["a@shop.test", "b@shop.test", "A@shop.test", "c@shop.test"]):
        await changed(harness.installation, email=address)
        await harness.installation.ingest(push(f"e{turn}", turn * 40))
        outcomes.append((await harness.send(minutes=turn * 40 + 30, channel="email")).reason)
    assert outcomes == ["unreachable", "unreachable", "unreachable", None]
    await harness.save_user(User(id="v", email="b@SHOP.test", phone="+49-1701"))
    async with harness.installation.database.read("default") as tx:
        stored = await find_user(tx, "v")
    assert stored is not None
    assert stored.unreachable == {"email": "b@shop.test", "sms": "+491701"}


async def test_the_other_channel_goes_out(harness: SendHarness) -> None:
    """Each channel is evaluated by itself."""
    both = {**EMAIL, "push": {"title": "Hi", "body": "there"}}
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=both, delay={"after": "30 minutes"}))
    await dead(harness.installation, email="ada@shop.test")
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=30, channel="email")).reason == "unreachable"
    assert (await harness.send(minutes=30, channel="push")).outcome == "sent"
    assert [row.state for row in await harness.installation.rows()] == ["sent"]


async def test_control_users_are_treated_alike(installation: Installation) -> None:
    """W3: whom no message could have reached is not enrolled."""
    launch = LaunchHarness(installation)
    await launch.people(*(User(id=f"u{n}", email=f"u{n}@shop.test") for n in range(4)))
    await launch.publish(messages=EMAIL, control_group=100)
    await dead(installation, email="U1@shop.test")
    await launch.work(at=NOW)
    assert await launch.states() == {("control", "control_group"): 3, ("dropped", "unreachable"): 1}
