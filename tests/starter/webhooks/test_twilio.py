"""Twilio's status callbacks: who may call, and what a report makes of a message; on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

from connector.app.context import build_context
from connector.channels.protocol import Accepted, OutcomeUnknown, Rejected, TryLater
from connector.channels.twilio import sign_request
from connector.rules.model.users import User
from connector.rules.provider_events.attribution import Unmatched
from connector.settings.application import Settings
from connector.store.erasure import erase_user
from connector.store.provider_events.events import load_unmatched
from connector.store.tables import deliveries, interactions, receipts
from connector.store.users.users import find_user
from tests.support.api import open_client
from tests.support.builders import ORIGINAL, PUSHED, follow_on, push
from tests.support.fake_channel import FakeChannel, Killed
from tests.support.installation import Installation
from tests.support.provider_servers import AUTH_TOKEN, CALLBACK, twilio
from tests.support.send_harness import SendHarness

SID = "SM" + "1" * 32
TEXT = follow_on("f", PUSHED, messages={"sms": {"body": "Hi"}}, delay={"after": "30 minutes"})
CHAINED = follow_on("g", {"interaction": "receive_sms", "campaign": "f"}, delay={"after": "1 day"})


class TextHarness(SendHarness):
    """Sends by sms, through a provider that promises reports."""

    def __init__(self, installation: Installation, channel: FakeChannel) -> None:
        super().__init__(installation, channel)
        self.activity._channels = {"sms": channel}
        settings = Settings(twilio=twilio("https://twilio.test", status_callback=CALLBACK))
        self.context = build_context(settings, installation.database)
        self.api = open_client(self.context, given=None)

    async def sent(self, answer: Accepted | Exception | None = None, *, attempt: int = 1) -> str:
        """Trigger the campaign and send its text; gives the delivery's id."""
        await self.installation.ingest(push("e1", 0))
        if answer is not None:
            self.channel.answers = [answer]
        await self.send(minutes=30, channel="sms", attempt=attempt)
        return (await self.deliveries())[0].id

    async def told(self, delivery: str, status: str, *, signature: str | None = None, **fields: str) -> int:
        """Report as Twilio does; gives the answer's status."""
        form = {"MessageSid": SID, "MessageStatus": status, "To": "+14155552671", "ErrorCode": ""} | fields
        query = urlencode({"delivery": delivery})
        signed = sign_request(f"{CALLBACK}?{query}", form.items(), AUTH_TOKEN)
        headers = {"X-Twilio-Signature": signed if signature is None else signature}
        return (await self.api.post(f"/webhooks/twilio?{query}", data=form, headers=headers)).status_code

    async def received(self) -> Sequence[Any]:
        async with self.installation.database.read("default") as tx:
            found = select(interactions).where(interactions.c.topic == "receive_sms")
            return (await tx.execute(found)).all()

    async def unreachable(self) -> dict[str, str]:
        async with self.installation.database.read("default") as tx:
            stored = await find_user(tx, "u")
        assert stored is not None
        return dict(stored.unreachable)

    async def state(self) -> tuple[str, str | None, str | None]:
        """The message's state and fault, and the follow-up's state."""
        [message] = await self.deliveries()
        row = next(row for row in await self.installation.rows() if row.campaign == "f")
        return message.state, message.fault, row.state


@pytest.fixture
async def harness(installation: Installation) -> AsyncIterator[TextHarness]:
    """A post with one user who has a phone, and live campaigns."""
    ready = TextHarness(installation, FakeChannel(Accepted(SID, reported=True)))
    await ready.save_user(User(id="u", phone="+14155552671"))
    await installation.publish(ORIGINAL, TEXT, CHAINED)
    yield ready
    await ready.api.aclose()


async def test_the_report_makes_the_receipt_and_not_the_handing_over(harness: TextHarness) -> None:
    """M4: accepted is not received if the carrier reports; delivered is, and starts the chain."""
    delivery = await harness.sent()
    assert (await harness.received(), await harness.state()) == ([], ("sent", None, "sent"))
    assert [await harness.told(delivery, status) for status in ("queued", "sent")] == [204, 204]
    assert await harness.received() == []
    before = datetime.now(UTC)  # noqa: TID251 - the test's own clock
    assert await harness.told(delivery, "delivered") == 204
    [row] = await harness.received()
    assert (row.id, row.target, row.properties) == (f"receive-{delivery}", "f", {})
    assert row._mapping["t"] >= before - timedelta(seconds=1)
    assert {row.campaign: row.state for row in await harness.installation.rows()} == {"f": "sent", "g": "waiting"}


async def test_without_reports_handing_over_is_the_receipt(harness: TextHarness) -> None:
    """M4: a provider that sends no report is believed at once."""
    await harness.sent(Accepted(SID))
    assert len(await harness.received()) == 1


async def test_a_replayed_report_changes_nothing(harness: TextHarness) -> None:
    """M6: the same report again, and ten at once, is one interaction."""
    delivery = await harness.sent()
    await asyncio.gather(*(harness.told(delivery, "delivered") for _ in range(10)))
    assert await harness.told(delivery, "delivered") == 204
    assert len(await harness.received()) == 1
    assert len([row for row in await harness.installation.rows() if row.campaign == "g"]) == 1


async def test_a_replay_on_another_day_changes_nothing(harness: TextHarness) -> None:
    """M6: the log is unique by day and id; a report's day is that of its arrival, so its message is asked too."""
    delivery = await harness.sent()
    yesterday = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251 - the test's own clock
    made = {"id": f"receive-{delivery}", "user": "u", "type": "receive_sms", "campaign": "f"}
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(deliveries).values(claimed_at=yesterday - timedelta(minutes=1)))
    assert (await harness.installation.ingest({**made, "occurred_at": yesterday.isoformat()}))[0].status == "accepted"
    assert await harness.told(delivery, "delivered") == 204
    assert len(await harness.received()) == 1


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        ("undelivered", "30005", "twilio_30005"),
        ("failed", "30008", "twilio_30008"),
        ("failed", "", "twilio_failed"),
        ("undelivered", "x" * 500, "twilio_undelivered"),
        ("undelivered", "٣٠٠٠٥", "twilio_undelivered"),
    ],
)
async def test_what_did_not_arrive_stands_on_the_message(
    harness: TextHarness, status: str, code: str, fault: str
) -> None:
    """The carrier's code is kept; nothing was received, so nothing of it begins."""
    delivery = await harness.sent()
    assert await harness.told(delivery, status, ErrorCode=code) == 204
    assert await harness.state() == ("sent", fault, "sent")
    assert await harness.received() == []


async def test_reports_come_in_any_order(harness: TextHarness) -> None:
    """Delivered is final: an earlier status that arrives after it changes nothing."""
    delivery = await harness.sent()
    for status in ("undelivered", "delivered", "undelivered", "sent"):
        assert await harness.told(delivery, status) == 204
    assert (await harness.state(), len(await harness.received())) == (("sent", None, "sent"), 1)


@pytest.mark.parametrize("status", ["sent", "delivered", "undelivered"])
async def test_a_report_settles_a_lost_response(harness: TextHarness, status: str) -> None:
    """Guarantee 4: accepted without a response is `send_unknown`, never resent; a late report shows it was sent."""
    delivery = await harness.sent(OutcomeUnknown("twilio_no_answer"))
    assert await harness.state() == ("unknown", "twilio_no_answer", "failed")
    assert (await harness.send(minutes=31, attempt=2, channel="sms")).reason == "send_unknown"
    assert await harness.told(delivery, status) == 204
    assert await harness.state() == ("sent", "twilio_undelivered" if status == "undelivered" else None, "sent")
    assert len(await harness.received()) == (status == "delivered")
    assert (await harness.deliveries())[0].provider_id == SID
    assert len(harness.channel.messages) == 1


@pytest.mark.parametrize("answer", [Accepted(SID, reported=True), OutcomeUnknown("twilio_no_answer")])
async def test_a_report_may_be_faster_than_the_response(harness: TextHarness, answer: Any) -> None:
    """The report comes while the request is still under way; whatever that ends in, the message was sent, once."""

    async def report(_: object) -> None:
        [message] = await harness.deliveries()
        assert await harness.told(message.id, "delivered") == 204

    harness.channel.meanwhile = report
    await harness.sent(answer)
    assert (await harness.state(), len(await harness.received())) == (("sent", None, "sent"), 1)
    async with harness.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == 1


async def test_a_report_for_a_worker_that_was_killed(harness: TextHarness) -> None:
    """Case 22: the claim has no result yet; the report settles it, and the next attempt finds that."""

    async def kill(_: object) -> None:
        raise Killed

    harness.channel.meanwhile = kill
    with pytest.raises(Killed):
        await harness.sent()
    [message] = await harness.deliveries()
    assert await harness.told(message.id, "delivered") == 204
    assert (await harness.send(minutes=31, attempt=2, channel="sms", place=0)).outcome == "sent"
    assert len(harness.channel.messages) == 1


async def test_a_report_for_a_message_that_was_given_back(harness: TextHarness) -> None:
    """Twilio had accepted it after all: it is not sent again."""
    with pytest.raises(Exception, match="twilio_http_503"):
        await harness.sent(TryLater("twilio_http_503"))
    [message] = await harness.deliveries()
    assert message.state == "open"
    assert await harness.told(message.id, "delivered") == 204
    assert (await harness.send(minutes=31, attempt=2, channel="sms", place=0)).outcome == "sent"
    assert len(harness.channel.messages) == 1


async def test_a_report_about_a_refused_message_is_told_but_changes_no_state(harness: TextHarness) -> None:
    """A bounced number: a final state stays."""
    delivery = await harness.sent(Rejected("number_invalid"))
    assert await harness.told(delivery, "undelivered", ErrorCode="30006") == 204
    assert await harness.state() == ("failed", "number_invalid", "failed")


@pytest.mark.parametrize("signature", ["", "forged", "Zm9yZ2Vk" * 1000, sign_request(CALLBACK, [], AUTH_TOKEN)])
async def test_a_wrong_signature_is_refused(harness: TextHarness, signature: str) -> None:
    """Nobody but the holder of the auth token makes interactions, whatever API keys there are."""
    delivery = await harness.sent()
    assert await harness.told(delivery, "delivered", signature=signature) == 403
    assert await harness.received() == []


async def test_a_signature_holds_for_its_delivery_only(harness: TextHarness) -> None:
    """A signed report cannot be turned into one about another message, nor a failure into an arrival."""
    delivery = await harness.sent()
    form = {"MessageSid": SID, "MessageStatus": "delivered"}
    elsewhere = sign_request(f"{CALLBACK}?delivery=other.sms", form.items(), AUTH_TOKEN)
    assert await harness.told(delivery, "delivered", signature=elsewhere) == 403
    failed = sign_request(f"{CALLBACK}?delivery={delivery}", (form | {"MessageStatus": "failed"}).items(), AUTH_TOKEN)
    assert await harness.told(delivery, "delivered", signature=failed) == 403


async def test_a_report_of_another_message_is_kept_out(harness: TextHarness) -> None:
    """Unknown deliveries, and a SID other than the one that we got, are answered and change nothing."""
    delivery = await harness.sent()
    for name in ("nobody's.sms", "", "x" * 5000, "\0", "'; --"):
        assert await harness.told(name, "delivered", MessageSid="SM" + "8" * 32) == 204
    assert await harness.told(delivery, "delivered", MessageSid="SM" + "9" * 32) == 204
    assert await harness.told(delivery, "no such status") == 204
    assert await harness.told(delivery, "delivered", MessageSid="") == 204
    assert (await harness.received(), await harness.state()) == ([], ("sent", None, "sent"))


async def test_a_suppressed_number_is_unreachable(harness: TextHarness) -> None:
    """A permanent failure of our own text suppresses its number as another system's does; a temporary one does not."""
    delivery = await harness.sent()
    assert await harness.told(delivery, "undelivered", ErrorCode="30003") == 204
    assert (await harness.unreachable(), await harness.state()) == ({}, ("sent", "twilio_30003", "sent"))
    assert await harness.told(delivery, "failed", ErrorCode="30005") == 204
    assert await harness.unreachable() == {"sms": "+14155552671"}
    assert await harness.state() == ("sent", "twilio_30005", "sent")


async def test_an_unknown_delivery_is_kept(harness: TextHarness) -> None:
    """It may be another installation's; it is counted, and matched later if possible."""
    assert await harness.told("nobody's.sms", "delivered") == 204
    async with harness.installation.database.read("default") as tx:
        [kept] = await load_unmatched(tx, limit=10)
    assert (kept.event.id, kept.reason) == (f"{SID}-delivered", Unmatched.UNKNOWN_DELIVERY)


async def test_a_report_beyond_the_logs_retention_is_kept_out(harness: TextHarness) -> None:
    """If the log no longer shows whether it was reported before, it is ignored."""
    delivery = await harness.sent()
    long_ago = datetime.now(UTC) - timedelta(days=91)  # noqa: TID251 - the test's own clock
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(deliveries).values(claimed_at=long_ago))
    assert await harness.told(delivery, "delivered") == 204
    assert await harness.received() == []


async def test_an_erased_user_does_not_come_back(harness: TextHarness) -> None:
    """Guarantee 8: a late report makes nothing."""
    delivery = await harness.sent()
    async with harness.installation.database.write("default") as tx:
        assert await erase_user(tx, "u", datetime.now(UTC))  # noqa: TID251 - the test's own clock
    assert await harness.told(delivery, "delivered") == 204
    assert await harness.received() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * 5_000_000, 413), (b"\xff=1", 400), (b"a=%FF", 400), (b"a&" * 1000, 400), (b"", 403), (b"{}", 403)],
)
async def test_bad_bodies_are_refused(harness: TextHarness, body: bytes, status: int) -> None:
    """5 MB, other encodings and endless fields end before anything is looked up."""
    headers = {"X-Twilio-Signature": "any"}
    answer = await harness.api.post("/webhooks/twilio?delivery=d", content=body, headers=headers)
    assert answer.status_code == status, answer.text


async def test_without_a_callback_there_is_no_webhook(installation: Installation) -> None:
    """What was not set up answers 404, whatever it is sent."""
    async with open_client(
        build_context(Settings(twilio=twilio("https://t.test")), installation.database), given=None
    ) as api:
        assert (await api.post("/webhooks/twilio", data={"a": "b"})).status_code == 404


async def test_invalid_push_tokens_are_removed(installation: Installation) -> None:
    """A token that the provider no longer knows is removed from the user; the others stay, in their order."""
    harness = SendHarness(installation, FakeChannel(Accepted("p", invalid_tokens=("b", "x"))))
    await harness.save_user(User(id="u", push_tokens=("a", "b", "c")))
    again = follow_on("f", PUSHED, eligible_again="always")
    await installation.publish(ORIGINAL, again)
    await installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=1)).outcome == "sent"
    assert await _tokens(installation) == ("a", "c")
    harness.channel.answers = [Rejected("unregistered", invalid_tokens=("a", "c"))]
    await installation.ingest(push("e2", 2))
    assert (await harness.send(minutes=3)).reason == "send_failed"
    assert await _tokens(installation) == ()
    assert {message.fault for message in await harness.deliveries()} == {None, "unregistered"}


async def _tokens(installation: Installation) -> tuple[str, ...]:
    async with installation.database.read("default") as tx:
        stored = await find_user(tx, "u")
    assert stored is not None
    return stored.user.push_tokens


async def test_five_reports_at_once_of_different_kinds(harness: TextHarness) -> None:
    """Under the user's lock they come one after another: one arrival, no fault left."""
    delivery = await harness.sent()
    statuses = ["sent", "undelivered", "delivered", "failed", "delivered"]
    answers = await asyncio.gather(*(harness.told(delivery, status) for status in statuses))
    assert answers == [204] * 5
    assert (await harness.state(), len(await harness.received())) == (("sent", None, "sent"), 1)


async def test_a_report_is_answered_without_an_api_key(harness: TextHarness) -> None:
    """Its caller is authenticated by the signature; everything else still needs a key."""
    assert (await harness.api.get("/v1/follow-ups")).status_code == 401
    assert (await harness.api.post("/webhooks/twilio", headers={"Authorization": "Bearer x"})).status_code == 403
