"""What operators do to rows, on both databases: guarded, repeatable, and counted as the rules say."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.operate import Operator
from activities.send import Sender
from connector.channels.protocol import Accepted, TryLater
from connector.rules.model.users import User
from connector.store.engine.database import database_now
from connector.store.follow_ups.ending import end_closed, find_open
from connector.store.tables import deliveries, receipts
from connector.store.users.descriptions import save_user
from connector.wire import Operation, OperationResult, SendOutcome, SendRequest
from tests.support.builders import BASE, ORIGINAL, PUSHED, at, buy, follow_on, push
from tests.support.fake_channel import FakeChannel, Killed
from tests.support.installation import Installation

TWO = follow_on(
    "f",
    PUSHED,
    delay={"after": "30 minutes"},
    exceptions=[{"event": "make_purchase"}],
    eligible_again="always",
    messages={
        "push": {"title": "Hi", "body": "there"},
        "email": {"subject": "Hi", "text": "there", "from": "a@b.example"},
    },
)
HOURS = {"from": f"{BASE - timedelta(hours=1):%H:%M}", "to": f"{BASE + timedelta(hours=1):%H:%M}"}
QUIET = {**TWO, "delivery": {**TWO["delivery"], "quiet_hours": {**HOURS, "zone": "company"}}}


class Desk:
    """An operator's and a sender's activities on one installation, at times that the test chooses."""

    def __init__(self, installation: Installation) -> None:
        self.installation, self.channel = installation, FakeChannel()
        channels = {"push": self.channel, "email": self.channel}
        self.sender = Sender(installation.database, installation.cache, installation.intake, channels, "default")
        self.operator = Operator(installation.database, "default")

    async def opened(self, *definitions: dict[str, Any], user: str = "u") -> None:
        await self.installation.publish(ORIGINAL, *definitions)
        async with self.installation.database.write("default") as tx:
            known = User(id=user, push_tokens=("t",), email="u@example.com")
            await save_user(tx, known, await database_now(tx))
        await self.installation.ingest(push("e1", 0, user))

    async def operate(self, verb: Any, *, minutes: float = 1, until: float | None = None) -> OperationResult:
        to = None if until is None else moment(until)
        row = (await self.installation.rows())[-1]
        operation = Operation(workspace="default", follow_up_id=row.id, verb=verb, until=to)
        operated: OperationResult = await _at(minutes).run(self.operator.operate, operation)
        return operated

    async def send(self, channel: str, *, minutes: float = 30) -> SendOutcome:
        row = (await self.installation.rows())[-1]
        request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        outcome: SendOutcome = await _at(minutes).run(self.sender.send, request)
        return outcome

    async def die_while_sending(self, channel: str) -> None:
        self.channel.answers = [Killed()]
        with pytest.raises(Killed):
            await self.send(channel)
        self.channel.answers = [Accepted("p-1")]

    async def close(self, *, minutes: float = 60, claimed_before: float = 58) -> list[str]:
        """As the reconciliation does for workflows that were closed by hand; the states of those that it ended."""
        rows = await self.installation.rows()
        async with self.installation.database.write("default") as tx:
            ended = await end_closed(
                tx,
                [row.id for row in rows],
                claimed_before=moment(claimed_before),
                now=moment(minutes),
            )
        return [follow_up.state.value for follow_up in ended]

    async def stored(self, table: Any) -> Sequence[Any]:
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(table))).all()


def moment(minutes: float) -> datetime:
    return datetime.fromisoformat(at(minutes))


def _at(minutes: float) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, started_time=moment(minutes))
    return environment


@pytest.fixture
def desk(installation: Installation) -> Desk:
    return Desk(installation)


async def test_postponed_row_keeps_its_original_due_time(desk: Desk) -> None:
    """Design 8: `due_at` is the original; a second attempt of the activity changes nothing more."""
    await desk.opened(TWO)
    for _ in range(2):
        operated = await desk.operate("postpone", until=120)
        assert (operated.done, operated.state, operated.next_at) == (True, "waiting", moment(120))
    [row] = await desk.installation.rows()
    assert (row.due_at, row.next_at, row.state) == (moment(30), moment(120), "waiting")


async def test_staleness_counts_from_the_new_time(desk: Desk) -> None:
    """D4: two days after the original due time it is not stale, where an operator postponed it for two days."""
    await desk.opened(TWO)
    days = timedelta(days=2) / timedelta(minutes=1)
    await desk.operate("postpone", until=days)
    assert (await desk.send("push", minutes=days)).outcome == "sent"


async def test_exception_until_the_new_time_counts(desk: Desk) -> None:
    """X1, X2: until its new time it is called off, after the original one as well; exactly then the message wins."""
    await desk.opened(TWO)
    await desk.operate("postpone", until=90)
    await desk.installation.ingest(buy("at-the-new-time", 90))
    assert [state for _, state, _ in await desk.installation.outcomes()] == ["waiting"]
    await desk.installation.ingest(buy("later-than-due", 45))
    assert await desk.installation.outcomes() == [("e1", "excepted", "later-than-due")]


async def test_send_now_is_due_now(desk: Desk) -> None:
    """It waits for now; the due-time list then decides."""
    await desk.opened(TWO)
    assert (await desk.operate("send_now", minutes=5)).next_at == moment(5)
    assert (await desk.send("push", minutes=5)).outcome == "sent"


async def test_send_now_is_held_by_quiet_hours(desk: Desk) -> None:
    """Every rule of the due time still applies; a held one can be moved again."""
    await desk.opened(QUIET)
    assert "quiet hours may hold it" in (await desk.operate("send_now", minutes=5)).says
    assert (await desk.send("push", minutes=5)).outcome == "held"
    moved = await desk.operate("postpone", minutes=6, until=90)
    assert (moved.state, moved.next_at) == ("waiting", moment(90))
    assert (await desk.send("push", minutes=90)).outcome == "sent"


async def test_cancelled_once(desk: Desk) -> None:
    """It ends as `cancelled_by_operator`; a repeated attempt gets the same answer; others are told its end."""
    await desk.opened(TWO)
    for _ in range(2):
        operated = await desk.operate("cancel", minutes=7)
        assert (operated.done, operated.state, operated.reason) == (True, "dropped", "cancelled_by_operator")
    [row] = await desk.installation.rows()
    assert (row.decided_at, row.ended_outside) == (moment(7), False)
    refused = await desk.operate("send_now", minutes=8)
    assert (refused.done, refused.says) == (False, "it has ended: dropped (cancelled_by_operator)")
    assert (await desk.send("push")).outcome == "ended"
    assert await desk.stored(receipts) == []


async def test_cancelled_user_may_be_triggered_again(desk: Desk) -> None:
    """W1: nothing was received; a late exception does not change what the operator decided."""
    await desk.opened(TWO)
    await desk.operate("cancel")
    await desk.installation.ingest(buy("late", 0.5))
    await desk.installation.ingest(push("e2", 10))
    assert [state for _, state, _ in await desk.installation.outcomes()] == ["dropped", "waiting"]


@pytest.mark.parametrize("verb", ["send_now", "postpone", "cancel"])
async def test_excepted_first(desk: Desk, verb: str) -> None:
    """An exception that was quicker stands; the operator is told."""
    await desk.opened(TWO)
    await desk.installation.ingest(buy("p1", 5))
    refused = await desk.operate(verb, minutes=6, until=90)
    assert (refused.done, refused.says, refused.state) == (False, "it has ended: excepted (exception)", "excepted")


@pytest.mark.parametrize(
    ("verb", "state", "email"),
    [("send_now", "waiting", "sent"), ("postpone", "waiting", "sent"), ("cancel", "sent", "dropped")],
)
async def test_one_channel_went_out(desk: Desk, verb: str, state: str, email: str) -> None:
    """X1: a sent message stays sent; the channel that is still to come is moved or ended."""
    await desk.opened(TWO)
    await desk.send("push")
    done = await desk.operate(verb, minutes=31, until=90)
    assert (done.done, done.state) == (True, state)
    assert (await desk.send("email")).outcome == email
    assert [row.state for row in await desk.installation.rows()] == ["sent"]


@pytest.mark.parametrize("verb", ["send_now", "postpone", "cancel"])
async def test_all_channels_went_out(desk: Desk, verb: str) -> None:
    """Nothing is still to come of a follow-up whose only message is being sent."""
    await desk.opened(follow_on("f", PUSHED, delay={"after": "30 minutes"}))
    refusals: list[OperationResult] = []

    async def operate(_: object) -> None:
        refusals.append(await desk.operate(verb, minutes=31, until=90))

    desk.channel.meanwhile = operate
    await desk.send("push")
    [refused] = refusals
    assert (refused.done, refused.state) == (False, "sending")
    assert "is being sent or was sent" in refused.says


async def test_cancelled_while_the_provider_is_away(desk: Desk) -> None:
    """A claim that was given back is none: it ends, and the next attempt sends nothing."""
    await desk.opened(TWO)
    desk.channel.answers = [TryLater("provider_busy")]
    with pytest.raises(ApplicationError):
        await desk.send("push")
    assert (await desk.operate("cancel", minutes=31)).done
    desk.channel.answers = [Accepted("p-1")]
    outcome = await desk.send("push", minutes=32)
    assert (outcome.outcome, outcome.state, outcome.reason) == ("ended", "dropped", "cancelled_by_operator")


async def test_unknown_follow_up(desk: Desk) -> None:
    """A row that is not there is refused, not failed: the workflow goes on."""
    nobody = Operation(workspace="default", follow_up_id="nobody", verb="cancel")
    operated = await _at(1).run(desk.operator.operate, nobody)
    assert (operated.done, operated.state) == (False, None)


async def test_operator_and_exception_at_once(desk: Desk) -> None:
    """Guarantee 3: under the user's lock one of them is first, and the row says which; never both."""
    await desk.opened(TWO)
    operated, _ = await asyncio.gather(desk.operate("cancel", minutes=5), desk.installation.ingest(buy("p1", 4)))
    [(_, state, why)] = await desk.installation.outcomes()
    assert (state, why) == (("dropped", "cancelled_by_operator") if operated.done else ("excepted", "p1"))


async def test_closed_by_hand_while_it_waits(desk: Desk) -> None:
    """Issue 3.9: recorded as `cancelled_by_operator`, not as received; seen a second time it changes nothing."""
    await desk.opened(TWO)
    assert await desk.close() == ["dropped"]
    assert await desk.close(minutes=70) == []
    [row] = await desk.installation.rows()
    assert (row.reason, row.decided_at) == ("cancelled_by_operator", moment(60))
    assert await desk.stored(receipts) == []


async def test_closed_by_hand_with_a_claim_that_nobody_answers(desk: Desk) -> None:
    """Guarantee 4: it may have gone out; `send_unknown` counts as received."""
    await desk.opened(TWO)
    await desk.die_while_sending("push")
    assert await desk.close() == ["failed"]
    [row] = await desk.installation.rows()
    [message] = await desk.stored(deliveries)
    [receipt] = await desk.stored(receipts)
    assert row.reason == "send_unknown"
    assert (message.state, message.reason, message.fault) == ("unknown", "send_unknown", "workflow_closed")
    assert receipt.received_at == moment(30)


async def test_closed_by_hand_while_an_attempt_may_still_run(desk: Desk) -> None:
    """What was claimed a moment ago may still go out and be recorded: a later look decides."""
    await desk.opened(TWO)
    await desk.die_while_sending("push")
    assert await desk.close(minutes=31, claimed_before=29) == []
    assert [row.state for row in await desk.installation.rows()] == ["sending"]
    assert await desk.close() == ["failed"]


async def test_closed_by_hand_after_one_of_two_channels(desk: Desk) -> None:
    """What went out stands: sent on at least one channel is sent."""
    await desk.opened(TWO)
    await desk.send("push")
    assert await desk.close() == ["sent"]
    [row] = await desk.installation.rows()
    assert (row.state, row.reason) == ("sent", None)


async def test_statements_do_not_grow(desk: Desk) -> None:
    """Twenty rows are ended in as many statements as two, claims that nobody answers included."""
    await desk.opened(TWO, user="u0")
    counts = []
    for number in (2, 20):
        users = [f"u{number}-{place}" for place in range(number)]
        for user in users:
            await desk.installation.ingest(push(f"e-{user}", 1, user))
            async with desk.installation.database.write("default") as tx:
                await save_user(tx, User(id=user, push_tokens=("t",)), await database_now(tx))
        for place in range(number):
            await _claim(desk, place + 1)
        with desk.installation.database.count_statements() as count:
            assert len(await desk.close()) >= number
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def _claim(desk: Desk, place: int) -> None:
    open_rows = [row for row in await desk.installation.rows() if row.state == "waiting"]
    row = open_rows[min(place, len(open_rows)) - 1]
    desk.channel.answers = [Killed()]
    request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel="push")
    with pytest.raises(Killed):
        await _at(30).run(desk.sender.send, request)
    desk.channel.answers = [Accepted("p-1")]


async def test_open_ones_are_found(desk: Desk) -> None:
    """Ids of other workspaces and of rows that have ended are not."""
    await desk.opened(TWO)
    [row] = await desk.installation.rows()
    async with desk.installation.database.read("default") as tx:
        assert await find_open(tx, [row.id, "nobody"]) == {row.id: row.user_key}
    async with desk.installation.database.read("another") as tx:
        assert await find_open(tx, [row.id]) == {}
    await desk.operate("cancel")
    async with desk.installation.database.read("default") as tx:
        assert await find_open(tx, [row.id]) == {}
