"""The send activity on both databases: the due-time list as of now, claims, outcomes, and what crosses them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from temporalio.exceptions import ApplicationError

from connector.channels.protocol import Accepted, OutcomeUnknown, Rejected, TryLater
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.store.catalogue.drafts import save_drafts
from connector.store.follow_ups.deliveries import find_deliveries
from connector.store.follow_ups.receipts import save_receipts
from connector.store.tables import follow_ups, receipts
from connector.wire import SendOutcome
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, at, buy, follow_on, push
from tests.support.fake_channel import FakeChannel, Killed
from tests.support.installation import Installation
from tests.support.send_harness import REACHABLE, SendHarness


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """A post with one reachable user."""
    ready = SendHarness(installation, FakeChannel())
    await ready.save_user()
    return ready


DELAYED = follow_on("f", PUSHED, delay={"after": "30 minutes"}, eligible_again="always")


async def test_sent_message_is_a_receipt_and_an_interaction(harness: SendHarness) -> None:
    """M4, W3: handed over is received; the row, the receipt and the chain's trigger are written together."""
    chained = follow_on("g", {"interaction": "receive_push", "campaign": "f"}, delay={"after": "1 day"})
    await harness.installation.publish(ORIGINAL, DELAYED, chained)
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=30)).outcome == "sent"
    [message] = harness.channel.messages
    assert (message.address.push_tokens, message.content["title"]) == (("t",), "Hi")
    states = {row.campaign: row.state for row in await harness.installation.rows()}
    assert states == {"f": "sent", "g": "waiting"}
    async with harness.installation.database.read("default") as tx:
        [receipt] = (await tx.execute(select(receipts))).all()
    assert receipt.received_at == datetime.fromisoformat(at(30))


async def test_second_attempt_after_a_recorded_one_sends_nothing(harness: SendHarness) -> None:
    """Guarantee 4: an attempt whose answer to Temporal was lost has recorded its outcome."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    await harness.send(minutes=30)
    assert (await harness.send(minutes=31, attempt=2)).outcome == "sent"
    assert len(harness.channel.messages) == 1


async def test_claim_without_outcome_is_unknown_and_not_resent(harness: SendHarness) -> None:
    """Guarantee 4, case 22: a worker killed between the provider's answer and the record."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    with pytest.raises(Killed):
        await _killed(harness)
    outcome = await harness.send(minutes=31, attempt=2)
    assert (outcome.outcome, outcome.reason) == ("failed", "send_unknown")
    assert len(harness.channel.messages) == 1
    [row] = await harness.installation.rows()
    assert (row.state, row.reason) == ("failed", "send_unknown")
    async with harness.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == 1


async def _killed(harness: SendHarness) -> None:
    async def kill(_: object) -> None:
        raise Killed

    harness.channel.meanwhile = kill
    try:
        await harness.send(minutes=30)
    finally:
        harness.channel.meanwhile = None


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (Rejected("bad_token"), "failed", "send_failed"),
        (OutcomeUnknown("no_answer"), "failed", "send_unknown"),
    ],
)
async def test_final_faults(harness: SendHarness, fault: Exception, state: str, reason: str) -> None:
    """A refusal for good is `send_failed`; a lost answer is `send_unknown`, and only that counts as received."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    harness.channel.answers = [fault]  # type: ignore[list-item]
    outcome = await harness.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("failed", reason)
    [row] = await harness.installation.rows()
    assert (row.state, row.reason) == (state, reason)
    async with harness.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == (1 if reason == "send_unknown" else 0)


async def test_passing_fault_gives_the_claim_back(harness: SendHarness) -> None:
    """A provider that surely did not take it: tried again as it asked, and an exception before that counts (X1)."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0))
    harness.channel.answers = [TryLater("busy", retry_after=timedelta(minutes=5)), Accepted()]
    with pytest.raises(ApplicationError) as raised:
        await harness.send(minutes=60)
    assert (raised.value.type, raised.value.next_retry_delay) == ("busy", timedelta(minutes=5))
    await harness.installation.ingest(buy("b1", 61))
    assert (await harness.send(minutes=65, attempt=2)).state == "excepted"
    assert await harness.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_exception_while_a_claim_is_held_that_is_given_back(harness: SendHarness) -> None:
    """X1, guarantee 3: it was taken in before the claim by which the message would really go."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0))
    harness.channel.answers = [TryLater("busy"), Accepted()]

    async def buy_meanwhile(_: object) -> None:
        await harness.installation.ingest(buy("b1", 61))

    harness.channel.meanwhile = buy_meanwhile
    with pytest.raises(ApplicationError):
        await harness.send(minutes=60)
    assert (await harness.send(minutes=65, attempt=2)).state == "excepted"
    assert await harness.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_lost_attempt_that_comes_back_opens_nothing_again(harness: SendHarness) -> None:
    """Guarantee 4: the workflow has ended with `send_unknown`; a row that waits again would wait for ever."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    harness.channel.answers = [TryLater("busy")]

    async def next_attempt(_: object) -> None:
        await SendHarness(harness.installation, FakeChannel()).send(minutes=31, attempt=2)

    harness.channel.meanwhile = next_attempt
    with pytest.raises(ApplicationError):
        await harness.send(minutes=30)
    assert await harness.installation.outcomes() == [("e1", "failed", "send_unknown")]


async def test_late_trigger_while_an_earlier_one_goes_out(harness: SendHarness) -> None:
    """T2, guarantee 2: a row that is going out stands in the way of late triggers, too."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))

    async def again(_: object) -> None:
        await harness.installation.ingest(push("e3", 33))
        await harness.installation.ingest(push("e2", 32))

    harness.channel.meanwhile = again
    assert (await harness.send(minutes=30)).outcome == "sent"
    assert [reason for _, _, reason in await harness.installation.refusals()] == ["already_waiting"] * 2


async def test_exception_before_the_claim_wins(harness: SendHarness) -> None:
    """X1: the row had ended when the claim looked."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0), buy("b1", 10))
    assert (await harness.send(minutes=60)).outcome == "ended"
    assert harness.channel.messages == []


@pytest.mark.parametrize(("minutes", "noted"), [(59, True), (60, False), (61, False)])
async def test_exception_while_it_goes_out_is_late(harness: SendHarness, minutes: float, noted: bool) -> None:
    """X1, X2, case 11: between claim and record the message stands; only one from before the dispatch is noted."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0))

    async def buy_meanwhile(_: object) -> None:
        await harness.installation.ingest(buy("b1", minutes))

    harness.channel.meanwhile = buy_meanwhile
    assert (await harness.send(minutes=60)).outcome == "sent"
    assert await harness.installation.outcomes() == [("e1", "sent", None)]
    assert await harness.installation.refusals() == ([("f", "b1", "late_exception")] if noted else [])


async def test_late_exception_after_the_record_is_noted(harness: SendHarness) -> None:
    """X1, case 11: told, nothing undone."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0))
    await harness.send(minutes=60)
    await harness.installation.ingest(buy("b1", 59.9))
    assert await harness.installation.refusals() == [("f", "b1", "late_exception")]


async def test_trigger_while_it_goes_out_waits_for_nobody(harness: SendHarness) -> None:
    """T2: a row that is going out cannot be restarted; the second trigger is refused."""
    await harness.installation.publish(
        ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, retrigger="restart")
    )
    await harness.installation.ingest(push("e1", 0))

    async def again(_: object) -> None:
        await harness.installation.ingest(push("e2", 31))

    harness.channel.meanwhile = again
    assert (await harness.send(minutes=30)).outcome == "sent"
    assert await harness.installation.refusals() == [("f", "e2", "already_waiting")]


async def test_stop_between_trigger_and_claim(harness: SendHarness) -> None:
    """P9: the claim asks that its publication window is open; a resume does not bring it back."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    await harness.installation.order("stop", "f")
    await harness.installation.order("resume", "f")
    outcome = await harness.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("dropped", "stopped")
    assert harness.channel.messages == []


async def test_stop_while_it_goes_out(harness: SendHarness) -> None:
    """P9: what has been claimed finishes."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))

    async def stop(_: object) -> None:
        await harness.installation.order("stop", "f")

    harness.channel.meanwhile = stop
    assert (await harness.send(minutes=30)).outcome == "sent"


async def test_held_for_quiet_hours_then_judged_again(harness: SendHarness) -> None:
    """Case 17: held to the end of the quiet; an exception meanwhile still ends it."""
    due = datetime.fromisoformat(at(60))
    quiet = {"from": f"{due - timedelta(minutes=30):%H:%M}", "to": f"{due + timedelta(minutes=30):%H:%M}"}
    delivery = {k: v for k, v in ABANDONED["delivery"].items() if k not in ("type", "trigger")}
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, **delivery, quiet_hours=quiet))
    await harness.installation.ingest(push("e1", 0))
    outcome = await harness.send(minutes=60)
    assert outcome.outcome == "held"
    assert outcome.until is not None
    assert outcome.until > due
    [row] = await harness.installation.rows()
    assert (row.state, row.next_at) == ("held", outcome.until)
    await harness.installation.ingest(buy("b1", 65))
    assert await harness.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_frequency_cap_counts_claims(harness: SendHarness) -> None:
    """W2, guarantee 4: a message that is going out counts for the next one."""
    cap = {"workspace": "default", "frequency_caps": [{"channel": "push", "at_most": 1, "per": {"days": 2}}]}
    await harness.installation.publish(cap, ORIGINAL, DELAYED, follow_on("g", PUSHED, delay={"after": "30 minutes"}))
    await harness.installation.ingest(push("e1", 0))
    outcomes: list[SendOutcome] = []

    async def send_other(_: object) -> None:
        harness.channel.meanwhile = None
        outcomes.append(await harness.send(minutes=30, place=1))

    harness.channel.meanwhile = send_other
    outcomes.append(await harness.send(minutes=30, place=0))
    assert [(o.outcome, o.reason) for o in outcomes] == [("dropped", "frequency_capped"), ("sent", None)]
    assert len(harness.channel.messages) == 1


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (User(id="u"), "unreachable"),
        (REACHABLE.model_copy(update={"consent": {"push": "unsubscribed"}}), "no_consent"),
    ],
)
async def test_dropped_is_not_received(harness: SendHarness, user: User, reason: str) -> None:
    """W1: whoever was dropped here has received nothing."""
    await harness.save_user(user)
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    outcome = await harness.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("dropped", reason)
    [row] = await harness.installation.rows()
    assert (row.state, row.reason) == ("dropped", reason)
    async with harness.installation.database.read("default") as tx:
        assert (await tx.execute(select(receipts))).all() == []


async def test_two_channels_settle_together(harness: SendHarness) -> None:
    """Each channel is judged by itself; sent where at least one went out."""
    both = {"push": {"title": "a", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, messages=both))
    await harness.save_user(REACHABLE.model_copy(update={"push_tokens": ()}))
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=30, channel="push")).reason == "unreachable"
    assert [row.state for row in await harness.installation.rows()] == ["waiting"]
    assert (await harness.send(minutes=30, channel="email")).outcome == "sent"
    assert [row.state for row in await harness.installation.rows()] == ["sent"]


async def test_control_user_is_enrolled_once_and_gets_nothing(harness: SendHarness) -> None:
    """W3, T4: one enrolment at the moment of the message, which counts as a receipt."""
    listener = follow_on("g", {"interaction": "enroll_in_control_group", "campaign": "f"}, delay={"after": "1 day"})
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, control_group=100), listener)
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=1)).outcome == "control"
    assert harness.channel.messages == []
    assert {row.campaign: row.state for row in await harness.installation.rows()} == {"f": "control", "g": "waiting"}


async def test_template_that_aborts(harness: SendHarness) -> None:
    """A message that its template calls off is dropped, and was not received."""
    text = {"push": {"title": "a", "body": "{% abort_message %}"}}
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=text))
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=1)).reason == "aborted_by_template"
    assert harness.channel.messages == []


async def test_template_that_fails(harness: SendHarness) -> None:
    """W7: an error is not the author's abort; channel, field, line and error are stored, and quote no value."""
    text = {
        "push": {"title": "a", "body": "Hi\n{{ event.sku | times: 2 }}{{ 1 | divided_by: user.zero }}"},
        "email": {"subject": "{% abort_message %}", "text": "b"},
    }
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=text))
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=1, channel="email")).reason == "aborted_by_template"
    assert (await harness.send(minutes=1)).reason == "template_failed"
    assert harness.channel.messages == []
    (row,) = await harness.installation.rows()
    assert row.state == "dropped"
    async with harness.installation.database.read("default") as tx:
        details = {one.channel: (one.fault, one.detail) for one in await find_deliveries(tx)}
    assert details == {
        "email": ("template_aborted", None),
        "push": ("template_fault", "push.body, line 2: divided_by: can't divide by 0"),
    }


async def test_now_is_the_time_of_the_attempt(harness: SendHarness) -> None:
    """Rendering reads no clock: `now` is when the message is claimed, in the company's zone."""
    text = {"push": {"title": "a", "body": "{{ 'now' | date: '%F %H:%M %Z' }}"}}
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=text))
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=1)).outcome == "sent"
    (sent,) = harness.channel.messages
    assert sent.content["body"] == datetime.fromisoformat(at(1)).astimezone(ZoneInfo("UTC")).strftime("%F %H:%M UTC")


async def _republish(harness: SendHarness, newer: dict[str, Any]) -> None:
    async with harness.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(tx, [parse_definition(newer)], datetime.now(UTC))  # noqa: TID251 - a test's "now"
    await harness.installation.order("publish", "f")


async def test_content_is_the_newest_live_one(harness: SendHarness) -> None:
    """P10: published while it waited, also on another channel; a retry is told of that channel again."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    await _republish(harness, {**DELAYED, "messages": {"email": {"subject": "New", "text": "t"}}})
    for attempt in (1, 2):
        outcome = await harness.send(minutes=30, attempt=attempt)
        assert (outcome.outcome, outcome.channels) == ("moved", ("email",))
    assert (await harness.send(minutes=30, channel="email")).outcome == "sent"
    assert [message.content["subject"] for message in harness.channel.messages] == ["New"]


async def test_content_that_went_away_reaches_nobody(harness: SendHarness) -> None:
    """P10: republished as a campaign that sends nothing, the wait ends and does not stay open."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    await _republish(harness, {"campaign": "f", "delivery": {"type": "external"}})
    assert (await harness.send(minutes=30)).reason == "unreachable"
    assert await harness.installation.outcomes() == [("e1", "dropped", "unreachable")]


async def test_stale_after_an_outage(harness: SendHarness) -> None:
    """D4, W4: more than a day past its due time it is dropped, judged as of now."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=30 + 24 * 60 + 1)).reason == "stale"


async def test_once_received_never_again_by_default(harness: SendHarness) -> None:
    """T1, case 13: refused at the trigger after a receipt; who was called off stays eligible."""
    await harness.installation.publish(ORIGINAL, ABANDONED)
    await harness.installation.ingest(push("e1", 0), buy("b1", 1), push("e2", 2))
    await harness.send(minutes=62)
    await harness.installation.ingest(push("e3", 63))
    assert await harness.installation.outcomes() == [("e1", "excepted", "b1"), ("e2", "sent", None)]
    assert await harness.installation.refusals() == [("f", "e3", "not_eligible_again")]


async def test_eligibility_is_looked_at_again_when_due(harness: SendHarness) -> None:
    """T1: received under the one key of two follow-ups that waited, the list at the due time drops the other."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    await _republish(harness, follow_on("f", PUSHED, delay={"after": "30 minutes"}))
    async with harness.installation.database.write("default") as tx:
        row = (await harness.installation.rows())[0]
        await save_receipts(tx, {("f", row.user_key, ""): datetime.fromisoformat(at(10))})
    assert (await harness.send(minutes=30)).reason == "not_eligible_again"


async def test_past_the_campaigns_end(harness: SendHarness) -> None:
    """Case 15: dropped as `outside_campaign_duration`, and not received."""
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, end=at(60 * 24)))
    await harness.installation.ingest(push("e1", 0))
    assert (await harness.send(minutes=60 * 24)).reason == "outside_campaign_duration"


@pytest.mark.parametrize(("outside", "came_to"), [("drop", "dropped"), ("next", "held")])
async def test_outside_the_hours_of_the_day(harness: SendHarness, outside: str, came_to: str) -> None:
    """Case 16: dropped as `outside_time_of_day`, or held to the next opening."""
    due = datetime.fromisoformat(at(30))
    opens, closes = due + timedelta(hours=1), due + timedelta(hours=2)
    hours = {"from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}", "outside": outside}
    await harness.installation.publish(
        ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, time_of_day=hours)
    )
    await harness.installation.ingest(push("e1", 0))
    outcome = await harness.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == (came_to, "outside_time_of_day" if outside == "drop" else None)


async def test_row_that_somebody_removed_ends_quietly(harness: SendHarness) -> None:
    """A row that is no longer there is nothing to send."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(state="dropped", reason="cancelled_by_operator"))
    assert (await harness.send(minutes=30)).reason == "cancelled_by_operator"


async def test_send_takes_a_fixed_number_of_statements(harness: SendHarness) -> None:
    """One send is two short transactions, whatever else there is of the user; PostgreSQL adds its locks."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    counts = []
    for turn in range(3):
        await harness.installation.ingest(push(f"e{turn}", turn * 35))
        with harness.installation.database.count_statements() as count:
            assert (await harness.send(minutes=turn * 35 + 30)).outcome == "sent"
        counts.append(len(count.statements))
    assert counts[1] == counts[2]
    assert counts[2] <= 26, counts


async def test_channel_that_breaks_tells_temporal_no_texts(harness: SendHarness) -> None:
    """Guarantee 8: a defect's text may name a person; the attempt's claim stays, so nothing is sent twice."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await harness.installation.ingest(push("e1", 0))
    harness.channel.answers = [KeyError("ada@example.com")]
    with pytest.raises(ApplicationError) as raised:
        await harness.send(minutes=30)
    assert (raised.value.type, str(raised.value.message)) == ("KeyError", "the channel broke")
    assert raised.value.__cause__ is None
    assert (await harness.send(minutes=31, attempt=2)).reason == "send_unknown"
