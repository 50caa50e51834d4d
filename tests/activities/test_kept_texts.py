"""Texts are kept in the transaction that records the result, in one statement, and never at the cost of the result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from activities.send import Sender
from connector.channels.keeping import TextKeeper
from connector.channels.protocol import Accepted, Channel, OutcomeUnknown, OutgoingMessage, Rejected
from connector.channels.tracked import MessageTracker, TrackedChannel
from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.erasure import erase_user
from connector.store.follow_ups.texts import MessageText, save_texts
from connector.store.tables import deliveries, message_texts
from connector.store.users.descriptions import save_user
from connector.tracking.tokens import Tokens
from connector.wire import SendRequest
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation

SHOP, LINKS = "https://shop.test/cart", "https://links.test"
MAIL = follow_on(
    "f", PUSHED, messages={"email": {"subject": "For {{ user.first_name }}", "html": f'<a href="{SHOP}">Cart</a>'}}
)


class Texts:
    """Users who wait for one mail each, and a sender that keeps texts for thirty days."""

    def __init__(self, installation: Installation) -> None:
        self.installation, self.provider = installation, FakeChannel()
        tokens = Tokens(["a secret of the tests, and of no one else"], "default", lifetime=timedelta(days=9))
        tracker = MessageTracker(tokens, LINKS)
        tracked: Channel = TrackedChannel(self.provider, tracker, datetime.now(UTC).timestamp)  # noqa: TID251
        self.sender = Sender(
            installation.database,
            installation.cache,
            installation.intake,
            {"email": tracked},
            "default",
            keeper=TextKeeper(timedelta(days=30), LINKS),
        )

    async def send(self, *answers: Any) -> None:
        """Send all mails that wait, one after the other, with these answers of the provider."""
        self.provider.answers = list(answers) or [Accepted("p")]
        for row in await self.installation.rows():
            request = SendRequest(workspace="default", follow_up_id=row.id, campaign="f", channel="email")
            await self.sender.attempt(request, now=datetime.fromisoformat(at(1)), attempt=1)

    async def rows(self) -> tuple[list[str], Sequence[Any]]:
        """Return the states of the deliveries, and the texts that are kept."""
        async with self.installation.database.read("default") as tx:
            states = (await tx.execute(select(deliveries.c.state).order_by(deliveries.c.state))).scalars()
            return list(states), (await tx.execute(select(message_texts))).all()


@pytest.fixture
async def texts(installation: Installation) -> Texts:
    """Three users."""
    await installation.publish(ORIGINAL, MAIL)
    names = ("ada", "ben", "cleo")
    for name in names:
        async with installation.database.write("default") as tx:
            await _describe(tx, name)
    await installation.ingest(*(push(f"e-{name}", 0, user=name) for name in names))
    return Texts(installation)


async def _describe(tx: Transaction, name: str) -> None:
    user = User(id=name, email=f"{name}@shop.test", first_name=name.capitalize())
    await save_user(tx, user, datetime.fromisoformat(at(0)))


async def test_what_went_out_or_may_have_is_kept_as_it_was_written(texts: Texts) -> None:
    """Texts of sent and unknown messages are kept, refused ones are not; only the provider got our links."""
    await texts.send(Accepted("p"), OutcomeUnknown("timeout"), Rejected("refused"))
    states, kept = await texts.rows()
    assert states == ["failed", "sent", "unknown"]
    assert sorted(row.content["subject"] for row in kept) == sorted(
        message.content["subject"] for message in texts.provider.messages[:2]
    )
    assert {row.content["html"] for row in kept} == {f'<a href="{SHOP}">Cart</a>'}
    assert all(f"{LINKS}/c/" in message.content["html"] for message in texts.provider.messages)
    assert not any(LINKS in repr(row) for row in kept)
    assert all(timedelta(days=29) < row.expires_at - datetime.now(UTC) <= timedelta(days=30) for row in kept)  # noqa: TID251


async def test_a_text_that_the_database_refuses_keeps_no_result_from_being_recorded(texts: Texts) -> None:
    """The message is sent and has its receipt, although its text could not be stored."""
    async with texts.installation.database.write("default") as tx:
        await tx.execute(text("ALTER TABLE message_texts RENAME TO message_texts_away"))
    await texts.send()
    async with texts.installation.database.write("default") as tx:
        await tx.execute(text("ALTER TABLE message_texts_away RENAME TO message_texts"))
    assert await texts.rows() == (["sent"] * 3, [])
    assert [outcome[1:] for outcome in await texts.installation.outcomes()] == [("sent", None)] * 3


async def test_a_refusal_that_ends_the_transaction_is_told_as_it_is(sqlite_database: Database) -> None:
    """What SQLite rolls back as a whole, as it may on a full disk, fails as a whole, with the reason of the refusal."""
    async with sqlite_database.write("default") as tx:
        ends = "CREATE TRIGGER ends BEFORE INSERT ON message_texts BEGIN SELECT RAISE(ROLLBACK, 'ended here'); END"
        await tx.execute(text(ends))
    with pytest.raises(IntegrityError, match="ended here"):
        async with sqlite_database.write("default") as tx:
            await save_texts(tx, [MessageText("d", "k", {}, (), datetime.fromisoformat(at(0)))])
    async with sqlite_database.write("default") as tx:
        await tx.execute(text("DROP TRIGGER ends"))


async def test_a_hundred_texts_are_one_statement(database: Database) -> None:
    """The texts of a launch's page take one statement; a text that is stored already stays."""
    until = datetime.fromisoformat(at(0))
    for content in ({"body": "first"}, {"body": "second"}):
        async with database.write("default") as tx:
            with database.count_statements() as counted:
                await save_texts(tx, [MessageText(f"d{n}", "k", content, (), until) for n in range(100)])
    assert sum("INSERT INTO message_texts" in statement for statement in counted.statements) == 1
    async with database.read("default") as tx:
        kept = (await tx.execute(select(message_texts.c.content))).scalars().all()
    assert kept == [{"body": "first"}] * 100


async def test_no_text_is_kept_of_a_user_who_was_erased_meanwhile(texts: Texts) -> None:
    """The provider has the message by then; the result is recorded without anything of the person."""

    async def erase(message: OutgoingMessage) -> None:
        async with texts.installation.database.write("default", lock="exclusive") as tx:
            await erase_user(tx, message.address.user_id, datetime.fromisoformat(at(1)))

    texts.provider.meanwhile = erase
    await texts.send()
    states, kept = await texts.rows()
    assert (states, kept) == (["sent"] * 3, [])
