"""The send activity on both databases: the due-time list as of now, claims, outcomes, and what crosses them."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, Rejected, TryLater
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.store.catalogue.drafts import save_drafts
from connector.store.follow_ups.follow_ups import save_receipt
from connector.store.follow_ups.stopping import end_page
from connector.store.tables import deliveries, follow_ups, receipts
from connector.store.users.users import save_user
from connector.wire import SendOutcome, SendRequest
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, at, buy, follow_on, push
from tests.support.installation import Installation

REACHABLE = User(id="u", push_tokens=("t",), email="u@example.com", first_name="Ada")


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


class Provider:
    """A channel that answers as told and remembers what it was handed; a hook runs while it holds the message."""

    def __init__(self, *answers: Accepted | Exception) -> None:
        self.answers = list(answers) or [Accepted("p-1")]
        self.taken: list[OutgoingMessage] = []
        self.meanwhile: Any = None

    async def send(self, message: OutgoingMessage) -> Accepted:
        self.taken.append(message)
        if self.meanwhile is not None:
            await self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """Nothing is held."""


class Post:
    """Sends the waiting follow-ups of an installation, as Temporal would, at a time that the test chooses."""

    def __init__(self, installation: Installation, provider: Provider) -> None:
        self.installation, self.provider = installation, provider
        self.sender = Sender(
            installation.database,
            installation.cache,
            installation.intake,
            {"push": provider, "email": provider},
            "default",
        )

    async def described(self, user: User = REACHABLE) -> None:
        async with self.installation.database.write("default") as tx:
            await save_user(tx, user, datetime.now(UTC))  # noqa: TID251 - a test's "now"

    async def send(self, *, minutes: float, attempt: int = 1, channel: str = "push", place: int = -1) -> SendOutcome:
        row = (await self.installation.rows())[place]
        request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info, started_time=datetime.fromisoformat(at(minutes)), attempt=attempt
        )
        return await environment.run(self.sender.send, request)

    async def messages(self) -> Sequence[Any]:
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(deliveries))).all()


@pytest.fixture
async def post(installation: Installation) -> Post:
    """A post with one reachable user."""
    ready = Post(installation, Provider())
    await ready.described()
    return ready


DELAYED = follow_on("f", PUSHED, delay={"after": "30 minutes"}, eligible_again="always")


async def test_sent_message_is_a_receipt_and_an_interaction(post: Post) -> None:
    """M4, W3: handed over is received; the row, the receipt and the chain's trigger are written together."""
    chained = follow_on("g", {"interaction": "receive_push", "campaign": "f"}, delay={"after": "1 day"})
    await post.installation.publish(ORIGINAL, DELAYED, chained)
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=30)).outcome == "sent"
    [message] = post.provider.taken
    assert (message.address.push_tokens, message.content["title"]) == (("t",), "Hi")
    states = {row.campaign: row.state for row in await post.installation.rows()}
    assert states == {"f": "sent", "g": "waiting"}
    async with post.installation.database.read("default") as tx:
        [receipt] = (await tx.execute(select(receipts))).all()
    assert receipt.received_at == datetime.fromisoformat(at(30))


async def test_second_attempt_after_a_recorded_one_sends_nothing(post: Post) -> None:
    """Guarantee 4: an attempt whose answer to Temporal was lost has recorded its outcome."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    await post.send(minutes=30)
    assert (await post.send(minutes=31, attempt=2)).outcome == "sent"
    assert len(post.provider.taken) == 1


async def test_claim_without_outcome_is_unknown_and_not_resent(post: Post) -> None:
    """Guarantee 4, case 22: a worker killed between the provider's answer and the record."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    with pytest.raises(Killed):
        await _killed(post)
    outcome = await post.send(minutes=31, attempt=2)
    assert (outcome.outcome, outcome.reason) == ("failed", "send_unknown")
    assert len(post.provider.taken) == 1
    [row] = await post.installation.rows()
    assert (row.state, row.reason) == ("failed", "send_unknown")
    async with post.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == 1


async def _killed(post: Post) -> None:
    async def kill() -> None:
        raise Killed

    post.provider.meanwhile = kill
    try:
        await post.send(minutes=30)
    finally:
        post.provider.meanwhile = None


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (Rejected("bad_token"), "failed", "send_failed"),
        (OutcomeUnknown("no_answer"), "failed", "send_unknown"),
    ],
)
async def test_final_faults(post: Post, fault: Exception, state: str, reason: str) -> None:
    """A refusal for good is `send_failed`; a lost answer is `send_unknown`, and only that counts as received."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    post.provider.answers = [fault]  # type: ignore[list-item]
    outcome = await post.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("failed", reason)
    [row] = await post.installation.rows()
    assert (row.state, row.reason) == (state, reason)
    async with post.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == (1 if reason == "send_unknown" else 0)


async def test_passing_fault_gives_the_claim_back(post: Post) -> None:
    """A provider that surely did not take it: tried again as it asked, and an exception before that counts (X1)."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0))
    post.provider.answers = [TryLater("busy", retry_after=timedelta(minutes=5)), Accepted()]
    with pytest.raises(ApplicationError) as raised:
        await post.send(minutes=60)
    assert (raised.value.type, raised.value.next_retry_delay) == ("busy", timedelta(minutes=5))
    await post.installation.ingest(buy("b1", 61))
    assert (await post.send(minutes=65, attempt=2)).state == "excepted"
    assert await post.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_exception_while_a_claim_is_held_that_is_given_back(post: Post) -> None:
    """X1, guarantee 3: it was taken in before the claim by which the message would really go."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0))
    post.provider.answers = [TryLater("busy"), Accepted()]

    async def buy_meanwhile() -> None:
        await post.installation.ingest(buy("b1", 61))

    post.provider.meanwhile = buy_meanwhile
    with pytest.raises(ApplicationError):
        await post.send(minutes=60)
    assert (await post.send(minutes=65, attempt=2)).state == "excepted"
    assert await post.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_lost_attempt_that_comes_back_opens_nothing_again(post: Post) -> None:
    """Guarantee 4: the workflow has ended with `send_unknown`; a row that waits again would wait for ever."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    post.provider.answers = [TryLater("busy")]

    async def next_attempt() -> None:
        await post.send(minutes=31, attempt=2)

    post.provider.meanwhile = next_attempt
    with pytest.raises(ApplicationError):
        await post.send(minutes=30)
    assert await post.installation.outcomes() == [("e1", "failed", "send_unknown")]


async def test_late_trigger_while_an_earlier_one_goes_out(post: Post) -> None:
    """T2, guarantee 2: a row that is going out stands in the way of late triggers, too."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))

    async def again() -> None:
        await post.installation.ingest(push("e3", 33))
        await post.installation.ingest(push("e2", 32))

    post.provider.meanwhile = again
    assert (await post.send(minutes=30)).outcome == "sent"
    assert [reason for _, _, reason in await post.installation.refusals()] == ["already_waiting"] * 2


async def test_stop_ends_nothing_of_which_a_part_went_out(post: Post) -> None:
    """P9: one channel is sent, the other one held; the state tells of what went out."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    async with post.installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(state="held", dispatched_at=datetime.fromisoformat(at(30))))
    await post.installation.order("stop", "f")
    async with post.installation.database.write("default") as tx:
        page = await end_page(tx, ["f"], 10)
    assert (page.seen, page.ended) == (0, 0)


async def test_exception_before_the_claim_wins(post: Post) -> None:
    """X1: the row had ended when the claim looked."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0), buy("b1", 10))
    assert (await post.send(minutes=60)).outcome == "ended"
    assert post.provider.taken == []


@pytest.mark.parametrize(("minutes", "noted"), [(59, True), (60, False), (61, False)])
async def test_exception_while_it_goes_out_is_late(post: Post, minutes: float, noted: bool) -> None:
    """X1, X2, case 11: between claim and record the message stands; only one from before the dispatch is noted."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0))

    async def buy_meanwhile() -> None:
        await post.installation.ingest(buy("b1", minutes))

    post.provider.meanwhile = buy_meanwhile
    assert (await post.send(minutes=60)).outcome == "sent"
    assert await post.installation.outcomes() == [("e1", "sent", None)]
    assert await post.installation.refusals() == ([("f", "b1", "late_exception")] if noted else [])


async def test_late_exception_after_the_record_is_noted(post: Post) -> None:
    """X1, case 11: told, nothing undone."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0))
    await post.send(minutes=60)
    await post.installation.ingest(buy("b1", 59.9))
    assert await post.installation.refusals() == [("f", "b1", "late_exception")]


async def test_trigger_while_it_goes_out_waits_for_nobody(post: Post) -> None:
    """T2: a row that is going out cannot be restarted; the second trigger is refused."""
    await post.installation.publish(
        ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, retrigger="restart")
    )
    await post.installation.ingest(push("e1", 0))

    async def again() -> None:
        await post.installation.ingest(push("e2", 31))

    post.provider.meanwhile = again
    assert (await post.send(minutes=30)).outcome == "sent"
    assert await post.installation.refusals() == [("f", "e2", "already_waiting")]


async def test_stop_between_trigger_and_claim(post: Post) -> None:
    """P9: the claim asks that its publication window is open; a resume does not bring it back."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    await post.installation.order("stop", "f")
    await post.installation.order("resume", "f")
    outcome = await post.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("dropped", "stopped")
    assert post.provider.taken == []


async def test_stop_while_it_goes_out(post: Post) -> None:
    """P9: what has been claimed finishes."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))

    async def stop() -> None:
        await post.installation.order("stop", "f")

    post.provider.meanwhile = stop
    assert (await post.send(minutes=30)).outcome == "sent"


async def test_held_for_quiet_hours_then_judged_again(post: Post) -> None:
    """Case 17: held to the end of the quiet; an exception meanwhile still ends it."""
    due = datetime.fromisoformat(at(60))
    quiet = {"from": f"{due - timedelta(minutes=30):%H:%M}", "to": f"{due + timedelta(minutes=30):%H:%M}"}
    delivery = {k: v for k, v in ABANDONED["delivery"].items() if k not in ("type", "trigger")}
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, **delivery, quiet_hours=quiet))
    await post.installation.ingest(push("e1", 0))
    outcome = await post.send(minutes=60)
    assert outcome.outcome == "held"
    assert outcome.until is not None
    assert outcome.until > due
    [row] = await post.installation.rows()
    assert (row.state, row.next_at) == ("held", outcome.until)
    await post.installation.ingest(buy("b1", 65))
    assert await post.installation.outcomes() == [("e1", "excepted", "b1")]


async def test_frequency_cap_counts_claims(post: Post) -> None:
    """W2, guarantee 4: a message that is going out counts for the next one."""
    cap = {"workspace": "default", "frequency_caps": [{"channel": "push", "at_most": 1, "per": {"days": 2}}]}
    await post.installation.publish(cap, ORIGINAL, DELAYED, follow_on("g", PUSHED, delay={"after": "30 minutes"}))
    await post.installation.ingest(push("e1", 0))
    outcomes: list[SendOutcome] = []

    async def send_other() -> None:
        post.provider.meanwhile = None
        outcomes.append(await post.send(minutes=30, place=1))

    post.provider.meanwhile = send_other
    outcomes.append(await post.send(minutes=30, place=0))
    assert [(o.outcome, o.reason) for o in outcomes] == [("dropped", "frequency_capped"), ("sent", None)]
    assert len(post.provider.taken) == 1


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (User(id="u"), "unreachable"),
        (REACHABLE.model_copy(update={"consent": {"push": "unsubscribed"}}), "no_consent"),
    ],
)
async def test_dropped_is_not_received(post: Post, user: User, reason: str) -> None:
    """W1: whoever was dropped here has received nothing."""
    await post.described(user)
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    outcome = await post.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == ("dropped", reason)
    [row] = await post.installation.rows()
    assert (row.state, row.reason) == ("dropped", reason)
    async with post.installation.database.read("default") as tx:
        assert (await tx.execute(select(receipts))).all() == []


async def test_two_channels_settle_together(post: Post) -> None:
    """Each channel is judged by itself; sent where at least one went out."""
    both = {"push": {"title": "a", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, messages=both))
    await post.described(REACHABLE.model_copy(update={"push_tokens": ()}))
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=30, channel="push")).reason == "unreachable"
    assert [row.state for row in await post.installation.rows()] == ["waiting"]
    assert (await post.send(minutes=30, channel="email")).outcome == "sent"
    assert [row.state for row in await post.installation.rows()] == ["sent"]


async def test_control_user_is_enrolled_once_and_gets_nothing(post: Post) -> None:
    """W3, T4: one enrolment at the moment of the message, which counts as a receipt."""
    listener = follow_on("g", {"interaction": "enroll_in_control_group", "campaign": "f"}, delay={"after": "1 day"})
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, control_group=100), listener)
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=1)).outcome == "control"
    assert post.provider.taken == []
    assert {row.campaign: row.state for row in await post.installation.rows()} == {"f": "control", "g": "waiting"}


async def test_template_that_aborts(post: Post) -> None:
    """A message that its template calls off is dropped, and was not received."""
    text = {"push": {"title": "a", "body": "{% abort_message %}"}}
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=text))
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=1)).reason == "aborted_by_template"
    assert post.provider.taken == []


async def _republish(post: Post, newer: dict[str, Any]) -> None:
    async with post.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(tx, [parse_definition(newer)], datetime.now(UTC))  # noqa: TID251 - a test's "now"
    await post.installation.order("publish", "f")


async def test_content_is_the_newest_live_one(post: Post) -> None:
    """P10: published while it waited, also on another channel; a retry is told of that channel again."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    await _republish(post, {**DELAYED, "messages": {"email": {"subject": "New", "text": "t"}}})
    for attempt in (1, 2):
        outcome = await post.send(minutes=30, attempt=attempt)
        assert (outcome.outcome, outcome.channels) == ("moved", ("email",))
    assert (await post.send(minutes=30, channel="email")).outcome == "sent"
    assert [message.content["subject"] for message in post.provider.taken] == ["New"]


async def test_content_that_went_away_reaches_nobody(post: Post) -> None:
    """P10: republished as a campaign that sends nothing, the wait ends and does not stay open."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    await _republish(post, {"campaign": "f", "delivery": {"type": "external"}})
    assert (await post.send(minutes=30)).reason == "unreachable"
    assert await post.installation.outcomes() == [("e1", "dropped", "unreachable")]


async def test_stale_after_an_outage(post: Post) -> None:
    """D4, W4: more than a day past its due time it is dropped, judged as of now."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=30 + 24 * 60 + 1)).reason == "stale"


async def test_once_received_never_again_by_default(post: Post) -> None:
    """T1, case 13: refused at the trigger after a receipt; who was called off stays eligible."""
    await post.installation.publish(ORIGINAL, ABANDONED)
    await post.installation.ingest(push("e1", 0), buy("b1", 1), push("e2", 2))
    await post.send(minutes=62)
    await post.installation.ingest(push("e3", 63))
    assert await post.installation.outcomes() == [("e1", "excepted", "b1"), ("e2", "sent", None)]
    assert await post.installation.refusals() == [("f", "e3", "not_eligible_again")]


async def test_eligibility_is_looked_at_again_when_due(post: Post) -> None:
    """T1: received under the one key of two follow-ups that waited, the list at the due time drops the other."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    await _republish(post, follow_on("f", PUSHED, delay={"after": "30 minutes"}))
    async with post.installation.database.write("default") as tx:
        row = (await post.installation.rows())[0]
        await save_receipt(tx, "f", row.user_key, "", datetime.fromisoformat(at(10)))
    assert (await post.send(minutes=30)).reason == "not_eligible_again"


async def test_past_the_campaigns_end(post: Post) -> None:
    """Case 15: dropped as `outside_campaign_duration`, and not received."""
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, end=at(60 * 24)))
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=60 * 24)).reason == "outside_campaign_duration"


@pytest.mark.parametrize(("outside", "came_to"), [("drop", "dropped"), ("next", "held")])
async def test_outside_the_hours_of_the_day(post: Post, outside: str, came_to: str) -> None:
    """Case 16: dropped as `outside_time_of_day`, or held to the next opening."""
    due = datetime.fromisoformat(at(30))
    opens, closes = due + timedelta(hours=1), due + timedelta(hours=2)
    hours = {"from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}", "outside": outside}
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, time_of_day=hours))
    await post.installation.ingest(push("e1", 0))
    outcome = await post.send(minutes=30)
    assert (outcome.outcome, outcome.reason) == (came_to, "outside_time_of_day" if outside == "drop" else None)


async def test_no_provider_fails_plainly(post: Post) -> None:
    """A channel that nobody set up is a failure with its code, not a wait for ever."""
    await post.installation.publish(ORIGINAL, follow_on("f", PUSHED, messages={"sms": {"body": "b"}}))
    await post.described(REACHABLE.model_copy(update={"phone": "+1"}))
    await post.installation.ingest(push("e1", 0))
    assert (await post.send(minutes=1, channel="sms")).reason == "send_failed"
    assert [message.fault for message in await post.messages()] == ["no_provider"]


async def test_row_that_somebody_removed_ends_quietly(post: Post) -> None:
    """A row that is no longer there is nothing to send."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    async with post.installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(state="dropped", reason="cancelled_by_operator"))
    assert (await post.send(minutes=30)).reason == "cancelled_by_operator"


async def test_send_takes_a_fixed_number_of_statements(post: Post) -> None:
    """One send is two short transactions, whatever else there is of the user; PostgreSQL adds its locks."""
    await post.installation.publish(ORIGINAL, DELAYED)
    counts = []
    for turn in range(3):
        await post.installation.ingest(push(f"e{turn}", turn * 35))
        with post.installation.database.count_statements() as count:
            assert (await post.send(minutes=turn * 35 + 30)).outcome == "sent"
        counts.append(len(count.statements))
    assert counts[1] == counts[2]
    assert counts[2] <= 26, counts


async def test_channel_that_breaks_tells_temporal_no_texts(post: Post) -> None:
    """Guarantee 8: a defect's text may name a person; the attempt's claim stays, so nothing is sent twice."""
    await post.installation.publish(ORIGINAL, DELAYED)
    await post.installation.ingest(push("e1", 0))
    post.provider.answers = [KeyError("ada@example.com")]
    with pytest.raises(ApplicationError) as raised:
        await post.send(minutes=30)
    assert (raised.value.type, str(raised.value.message)) == ("KeyError", "the channel broke")
    assert raised.value.__cause__ is None
    assert (await post.send(minutes=31, attempt=2)).reason == "send_unknown"
