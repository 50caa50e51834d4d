"""Messages that operators settle and send again, on both databases: what is stored, counted, received and sent."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from connector.channels.protocol import OutcomeUnknown, OutgoingMessage, Rejected
from connector.rules.sending.resending import Resend
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.erasure import erase_user
from connector.store.follow_ups.outbox import find_to_signal, find_to_start
from connector.store.follow_ups.resends import save_resends
from connector.store.tables import audit, deliveries, follow_ups, interactions
from connector.temporal.follow_up_client import FollowUpUnknown, OperationRefused
from starter.explain.explain import explain_user
from starter.explain.explanation import render_text
from starter.operations import resending
from starter.operations.resending import preview_resend, resend, resend_one
from starter.operations.settling import resolve
from tests.support.actors import OPERATOR
from tests.support.builders import BASE, ORIGINAL, PUSHED, buy, follow_on, now, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk

MESSAGES = {
    "push": {"title": "Hi", "body": "there"},
    "email": {"subject": "Hi", "text": "there", "from": "a@b.example"},
}
ONE = follow_on("f", PUSHED, delay={"after": "30 minutes"}, exceptions=[{"event": "make_purchase"}])
TWO = {**ONE, "messages": MESSAGES}
CHAIN = follow_on("g", {"interaction": "receive_push", "campaign": "f"})
DISPATCHED = BASE + timedelta(minutes=30)
REFUSED = Rejected("http_400", "no")


@pytest.fixture
def desk(installation: Installation) -> RepairDesk:
    return RepairDesk(installation)


async def test_unknown_message_that_was_sent(desk: RepairDesk) -> None:
    """Guarantee 4, M4: it is sent, received at its dispatch, and its interaction starts what listens to it; once."""
    await desk.open(ONE, CHAIN)
    await desk.lose("push")
    assert await desk.installation.outcomes() == [("e1", "failed", "send_unknown")]
    assert (await desk.resolve("sent")).changed
    assert not (await desk.resolve("sent", "push")).changed
    first, second = await desk.installation.rows()
    assert (first.state, first.reason, await desk.received()) == ("sent", None, [DISPATCHED])
    assert (second.campaign, second.triggered_at) == ("g", DISPATCHED)
    assert [row.topic for row in await desk.stored(interactions)].count("receive_push") == 2
    with pytest.raises(OperationRefused, match="its push message was sent: an operator settled it so"):
        await desk.resolve("not_sent")
    [entry] = await desk.stored(audit)
    assert (entry.action, entry.subject, entry.reason) == ("resolve", first.user_key, "asked them")
    assert entry.details == {"campaign": "f", "channel": "push", "sent": True}


async def test_unknown_message_that_was_not_sent(desk: RepairDesk) -> None:
    """W1, T1: it is no receipt any more, so that the user stays eligible, and it may be sent again."""
    await desk.open(ONE)
    await desk.lose("push")
    assert await desk.received() == [DISPATCHED]
    assert (await desk.resolve("not_sent")).changed
    assert not (await desk.resolve("not_sent")).changed
    assert await desk.installation.outcomes() == [("e1", "failed", "send_failed")]
    assert await desk.received() == []
    with pytest.raises(OperationRefused, match="was not sent: an operator settled it so"):
        await desk.resolve("sent")
    assert (await desk.resend()).outcome == "resent"
    await desk.attempt("push", when=now())
    assert await desk.messages() == [("push", "failed"), ("push.2", "sent")]


async def test_explanation_of_what_an_operator_settled(desk: RepairDesk) -> None:
    """Guarantee 7: it says that an operator settled the message, where the note is, and which one was sent again."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    settled = "an operator settled it as not sent; `connector audit --action resolve` shows who did, and the note"
    lines = list(render_text(await explain_user(desk.context, "u")))
    assert [f"      {settled}" in lines, any("the fault was" in line for line in lines)] == [True, False]
    await desk.resend()
    await desk.attempt("push", REFUSED, when=now())
    [failed] = (await explain_user(desk.context, "u")).campaigns[0].chapters
    assert [(one.resend, one.fault) for one in failed.messages] == [(0, "not_sent_by_operator"), (1, "http_400")]
    assert [one.value for one in failed.looked_at if one.name == "fault"] == ["http_400"]  # the newest decided
    await desk.resend()
    await desk.attempt("push", OutcomeUnknown("timeout"), when=now())
    await desk.resolve("sent")
    words = [line.strip() for line in render_text(await explain_user(desk.context, "u"))][-5:]
    assert words[1] == settled
    assert [(line.partition(":")[0], line.partition("[")[2]) for line in (words[0], words[2], words[4])] == [
        ("push", "not_sent_by_operator]"),
        ("push, sent again", "http_400]"),
        ("push, sent again", "an operator settled it as sent]"),
    ]


async def test_report_after_the_settlement(desk: RepairDesk) -> None:
    """Guarantee 4: what the provider reports later corrects an operator, unless the message was sent again."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    assert await desk.installation.outcomes() == [("e1", "failed", "send_failed")]
    await desk.report("push")
    assert await desk.installation.outcomes() == [("e1", "sent", None)]
    assert await desk.received() == [DISPATCHED]


async def test_report_after_the_resend(desk: RepairDesk) -> None:
    """Guarantee 4: the provider reports that the first message arrived: the second, which waits, is not sent."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    await desk.resend()
    await desk.report("push")
    assert await desk.messages() == [("push", "sent")]
    assert await desk.installation.outcomes() == [("e1", "sent", None)]
    assert (await desk.attempt("push", when=now())).outcome == "sent"
    assert len(desk.channel.messages) == 1


async def test_report_that_the_first_did_not_arrive(desk: RepairDesk) -> None:
    """Guarantee 4: a report that the first message was lost changes nothing: the second one still waits."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    await desk.resend()
    await desk.report("push", arrived=False, fault="undelivered")
    assert await desk.messages() == [("push", "failed"), ("push.2", "open")]
    assert await desk.installation.outcomes() == [("e1", "waiting", None)]


async def test_report_after_the_second_was_sent(desk: RepairDesk) -> None:
    """Guarantee 4: a report on the first message changes nothing once the second has gone out."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    await desk.resend()
    await desk.attempt("push", when=now())
    await desk.report("push")
    assert await desk.messages() == [("push", "failed"), ("push.2", "sent")]


async def test_report_after_the_second_failed(desk: RepairDesk) -> None:
    """Guarantee 4: the first message arrived and the second failed: the follow-up is sent, and not sent again."""
    await desk.open(ONE)
    await desk.lose("push")
    await desk.resolve("not_sent")
    await desk.resend()
    await desk.attempt("push", REFUSED, when=now())
    await desk.report("push")
    assert await desk.messages() == [("push", "sent"), ("push.2", "failed")]
    assert await desk.installation.outcomes() == [("e1", "sent", None)]
    with pytest.raises(OperationRefused, match="only a message that failed can be sent again; it is sent"):
        await _resend_one(desk)


async def test_attempt_of_the_first_workflow(desk: RepairDesk) -> None:
    """Guarantee 4: an attempt of the first workflow that comes after the resend claims nothing of the second."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    await desk.resend()
    assert (await desk.attempt("push", when=now(), resends=0)).outcome == "ended"
    assert await desk.messages() == [("push", "failed"), ("push.2", "open")]
    assert len(desk.channel.messages) == 1


async def test_follow_up_that_the_cleanup_deletes_meanwhile(desk: RepairDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not reported as sent again: it is unknown, and no message, audit entry or count is written."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)

    async def save_too_late(tx: Transaction, resent: Sequence[Resend]) -> set[str]:
        for table in (deliveries, follow_ups):
            await tx.execute(delete(table))
        return await save_resends(tx, resent)

    monkeypatch.setattr(resending, "save_resends", save_too_late)
    with pytest.raises(FollowUpUnknown):
        await _resend_one(desk)
    assert (await desk.messages(), await desk.stored(audit)) == ([], [])


async def test_acceptance_that_comes_after_the_resend(desk: RepairDesk) -> None:
    """Guarantee 4: a worker that hung records that the first message was sent: the second, which waits, is not."""
    await desk.open(ONE, CHAIN)
    hung, is_there, goes_on = FakeChannel(), asyncio.Event(), asyncio.Event()

    async def hang(_: OutgoingMessage) -> None:
        is_there.set()
        await goes_on.wait()

    hung.meanwhile = hang
    late = asyncio.create_task(RepairDesk(desk.installation, hung).attempt("push"))
    await is_there.wait()
    await desk.attempt("push")
    await desk.resolve("not_sent")
    await desk.resend()
    goes_on.set()
    assert (await late).outcome == "sent"
    assert await desk.messages() == [("push", "sent")]
    first, second = await desk.installation.rows()
    assert (first.state, first.reason, await desk.received()) == ("sent", None, [DISPATCHED])
    assert (second.campaign, second.triggered_at) == ("g", DISPATCHED)
    assert (await desk.attempt("push", when=now())).outcome == "sent"
    assert not desk.channel.messages


async def test_resend_in_the_process_whose_first_attempt_hangs(desk: RepairDesk) -> None:
    """Guarantee 4: it does not wait for that attempt, whose late result changes nothing of what was sent again."""
    await desk.open(ONE)
    hung, is_there, goes_on = FakeChannel(), asyncio.Event(), asyncio.Event()

    async def hang(message: OutgoingMessage) -> None:
        if message.delivery_id.endswith(".push"):
            is_there.set()
            await goes_on.wait()

    hung.meanwhile = hang
    hanging = RepairDesk(desk.installation, hung)
    late = asyncio.create_task(hanging.attempt("push"))
    await is_there.wait()
    await desk.attempt("push")
    await desk.resolve("not_sent")
    await desk.resend()
    assert (await hanging.attempt("push", when=now())).outcome == "sent"
    goes_on.set()
    assert (await late).outcome == "ended"
    assert await desk.messages() == [("push", "failed"), ("push.2", "sent")]


async def test_refusal_that_comes_after_the_resend(desk: RepairDesk) -> None:
    """Guarantee 4: a worker that hung records its refusal while the new delivery is on its way, which stays claimed."""
    await desk.open(ONE)
    hung, is_there, goes_on = FakeChannel(REFUSED), asyncio.Event(), asyncio.Event()

    async def hang(_: OutgoingMessage) -> None:
        is_there.set()
        await goes_on.wait()

    hung.meanwhile = hang
    late = asyncio.create_task(RepairDesk(desk.installation, hung).attempt("push", REFUSED))
    await is_there.wait()
    await desk.attempt("push")
    await desk.resolve("not_sent")
    await desk.resend()
    seen: list[tuple[str, str]] = []

    async def meanwhile(_: OutgoingMessage) -> None:
        goes_on.set()
        await late
        seen.extend(await desk.messages())

    desk.channel.meanwhile = meanwhile
    await desk.attempt("push", when=now())
    assert seen == [("push", "failed"), ("push.2", "claimed")]
    assert await desk.messages() == [("push", "failed"), ("push.2", "sent")]


async def test_receipt_of_an_earlier_channel_stays(desk: RepairDesk) -> None:
    """W1: push went out, email is settled as not sent: the follow-up is sent, and received when push was."""
    await desk.open(TWO)
    await desk.attempt("push")
    await desk.attempt("email", OutcomeUnknown("timeout"))
    assert await desk.messages() == [("email", "unknown"), ("push", "sent")]
    await desk.resolve("not_sent", "email")
    assert await desk.installation.outcomes() == [("e1", "sent", None)]
    assert await desk.received() == [DISPATCHED]
    assert (await desk.resend("email")).channels == ("email",)
    row = await desk.row()
    assert (row.state, row.dispatched_at) == ("waiting", DISPATCHED)
    await desk.attempt("email", when=now())
    assert await desk.installation.outcomes() == [("e1", "sent", None)]


async def test_message_that_failed_is_sent_again_once(desk: RepairDesk) -> None:
    """Guarantees 4 and 6: another delivery, another workflow, and one message however often the command is repeated."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    async with desk.installation.database.write("default") as tx:  # its workflow has run, and was signalled
        await tx.execute(update(follow_ups).values(started_at=BASE, signalled_at=BASE))
    assert (await desk.resend()).outcome == "resent"
    assert (await desk.resend()).outcome == "unchanged"
    async with desk.installation.database.read("default") as tx:
        [due] = await find_to_start(tx, 10)
    assert (due["resends"], due["channels"]) == (1, ["push"])
    for _ in range(2):
        assert (await desk.attempt("push", when=now())).outcome == "sent"
    ids = [message.delivery_id.partition(".")[2] for message in desk.channel.messages]
    assert ids == ["push", "push.2"]
    with pytest.raises(OperationRefused, match="only a message that failed can be sent again; it is sent"):
        await _resend_one(desk)
    assert [row.action for row in await desk.stored(audit)] == ["resend"]


async def test_resend_that_fails_again_can_be_repeated(desk: RepairDesk) -> None:
    """Each resend is a delivery of its own; the newest one decides the outcome of the follow-up."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    await desk.resend()
    await desk.attempt("push", REFUSED, when=now())
    assert await desk.installation.outcomes() == [("e1", "failed", "send_failed")]
    await desk.resend()
    await desk.attempt("push", when=now())
    assert await desk.messages() == [("push", "failed"), ("push.2", "failed"), ("push.3", "sent")]
    assert await desk.installation.outcomes() == [("e1", "sent", None)]


async def test_exception_cancels_what_is_sent_again(desk: RepairDesk) -> None:
    """X1: until it is claimed again, an exception ends it and its workflow is signalled; the old one stays failed."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    await desk.resend()
    async with desk.installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(started_at=BASE))
    await desk.installation.ingest(buy("p1", 60))
    assert await desk.installation.outcomes() == [("e1", "excepted", "p1")]
    async with desk.installation.database.read("default") as tx:
        assert [(row["state"], row["resends"]) for row in await find_to_signal(tx, 10)] == [("excepted", 1)]
    assert (await desk.attempt("push", when=now())).outcome == "ended"
    assert await desk.messages() == [("push", "failed"), ("push.2", "dropped")]


async def test_exception_before_the_resend(desk: RepairDesk) -> None:
    """X1, D4: what happened between the failed attempt and the resend counts too; nothing is changed."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    await desk.installation.ingest(buy("p1", 45))
    result = await desk.resend()
    assert (result.outcome, result.reason) == ("refused", "exception")
    assert "make_purchase" in (result.why or "")
    assert await desk.installation.outcomes() == [("e1", "failed", "send_failed")]


async def test_another_wait_of_the_key(desk: RepairDesk) -> None:
    """Guarantee 2: the user triggered it again and waits; the resend is refused, and names the other one."""
    await desk.open({**ONE, "delivery": {**ONE["delivery"], "eligible_again": "always"}})
    await desk.attempt("push", REFUSED)
    await desk.installation.ingest(push("e2", 60))
    result = await desk.resend()
    assert (result.outcome, result.reason) == ("refused", "already_waiting")
    assert (await desk.row(1)).id in (result.why or "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [("consent", "no_consent"), ("address", "unreachable"), ("stop", "stopped"), ("archive", "stopped")],
)
async def test_due_time_list_of_today(desk: RepairDesk, change: str, reason: str) -> None:
    """W1, P9: consent, addresses and the window are those of now; what they forbid stays failed."""
    await desk.open(ONE)
    await desk.attempt("push", REFUSED)
    if change == "consent":
        await desk.describe("u", consent={"push": "unsubscribed"})
    elif change == "address":
        await desk.describe("u", push_tokens=())
    else:
        await desk.installation.order(change, "f")
    [preview] = await preview_resend(desk.context, [(await desk.row()).id])
    result = await desk.resend()
    assert (preview.reason, result.reason) == (reason, reason)
    assert await desk.installation.outcomes() == [("e1", "failed", "send_failed")]


async def test_erased_user(desk: RepairDesk) -> None:
    """Guarantee 8: nothing is sent to a user who was erased; its unknown message can still be settled."""
    await desk.open(ONE)
    await desk.lose("push")
    async with desk.installation.database.write("default", lock="exclusive") as tx:
        await erase_user(tx, "u", await database_now(tx))
    before = len(await desk.stored(interactions))
    assert (await desk.resolve("not_sent")).changed
    assert (await desk.resend()).reason == "erased"
    assert len(await desk.stored(interactions)) == before


async def test_unknown_message_is_settled_first(desk: RepairDesk) -> None:
    """Guarantee 4: it is not sent again by itself, nor by an operator who has not settled it."""
    await desk.open(ONE)
    await desk.lose("push")
    with pytest.raises(OperationRefused, match="connector resolve"):
        await _resend_one(desk)
    with pytest.raises(FollowUpUnknown):
        await resolve(desk.context, OPERATOR, "nobody", was_sent=True, channel=None, note="n")
    assert await resend(desk.context, OPERATOR, ["nobody"]) == []


async def test_statements_of_a_page(desk: RepairDesk) -> None:
    """Six follow-ups are sent again in as many statements as two."""
    await desk.installation.publish(ORIGINAL, ONE)
    await desk.context.cache.at_least(desk.installation.database)
    counts = []
    for number in (2, 6):
        users = [f"u{number}-{place}" for place in range(number)]
        for user in users:
            await desk.describe(user)
        await desk.installation.ingest(*(push(f"e-{user}", 0, user) for user in users))
        async with desk.installation.database.write("default") as tx:
            waiting = (
                await tx.execute(select(follow_ups).where(follow_ups.c.resends == 0, follow_ups.c.state == "waiting"))
            ).all()
            failed = {"state": "failed", "reason": "send_failed", "decided_at": BASE}
            await tx.execute(
                update(follow_ups).where(follow_ups.c.state == "waiting", follow_ups.c.resends == 0).values(failed)
            )
            shared = {"workspace": "default", "campaign": "f", "channel": "push", "state": "failed", "attempt": 1}
            rows = [
                {"id": f"{row.id}.push", "follow_up_id": row.id, "campaign": "f", "user_key": row.user_key}
                for row in waiting
            ]
            await tx.execute(insert(deliveries), [row | shared for row in rows])
        with desk.installation.database.count_statements() as count:
            results = await resend(desk.context, OPERATOR, [row.id for row in waiting])
        assert [result.outcome for result in results] == ["resent"] * number
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def _resend_one(desk: RepairDesk) -> Any:
    row = await desk.row()
    return await resend_one(desk.context, OPERATOR, row.id, channel=None, note=None, dry_run=False)
