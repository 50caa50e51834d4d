"""Rates of channels on both databases: launches and follow-ups of all workers share a window of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import literal, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.claims import Claim, ClaimResult, claim_messages
from activities.due_messages import Attempt
from activities.places import Limits
from activities.send import Sender
from connector.channels.protocol import OutgoingMessage, TryLater
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.rules.sending.rates import RateWindow, per_second
from connector.store.catalogue.current import with_current_catalogue
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.rates import lock_windows, save_windows
from connector.store.tables import assignments, channel_windows
from connector.wire import LaunchPage, SendRequest
from tests.support.builders import BOUGHT, ORIGINAL, PUSH, PUSHED, buy, follow_on, now, original, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.launch_harness import MINUTE, NOW, LaunchHarness
from tests.support.send_harness import SendHarness

SECOND = timedelta(seconds=1)
TEN = {"push": 10.0}
DELAYED = follow_on("f", PUSHED, delay={"after": "30 minutes"}, exceptions=[BOUGHT])


@dataclass
class DatabaseTime:
    """The time that transactions read from the database's clock."""

    now: datetime


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> DatabaseTime:
    """Let the test set the database's time, so that no window ends because the machine is busy."""
    time = DatabaseTime(now())
    monkeypatch.setattr(Transaction, "now", property(lambda _: time.now))
    return time


async def try_to_send(sender: Sender, follow_ups: Sequence[str]) -> list[str | timedelta | None]:
    """Send these follow-ups of `f` at once; return each one's outcome, or after what time it is to be tried again."""

    async def send(id: str) -> str | timedelta | None:
        request = SendRequest(workspace="default", follow_up_id=id, campaign="f", channel="push")
        try:
            return (await sender.attempt(request, now=NOW + 40 * MINUTE, attempt=1)).outcome
        except TryLater as fault:
            return fault.retry_after

    return list(await asyncio.gather(*map(send, follow_ups)))


async def begin_follow_ups(installation: Installation, count: int) -> list[str]:
    """Begin this many follow-ups of `f`, each of a user of its own, and return their ids."""
    await LaunchHarness(installation).crowd(count)
    await installation.publish(ORIGINAL, DELAYED)
    await installation.ingest(*(push(f"e{n}", 0, user=f"u{n}") for n in range(count)))
    return [row.id for row in await installation.rows()]


async def saved_counts(database: Database) -> dict[str, int]:
    """Return how many messages are counted in each channel's window."""
    async with database.read("default") as tx:
        table = channel_windows.c
        return {channel: count for channel, count in await tx.execute(select(table.channel, table["count"]))}


async def test_launch_leaves_a_fifth_of_each_window(installation: Installation, time: DatabaseTime) -> None:
    """A launch sends four fifths of the rate in each window, waits for its end, and sends to everybody in the end."""
    harness = LaunchHarness(installation, rates=TEN)
    everybody = await harness.crowd(20)
    await harness.publish()
    for sent in (8, 16):
        step = await harness.work(NOW)
        assert (len(harness.channel.users), step.phase, step.until) == (sent, "sending", NOW + SECOND)
        time.now += SECOND
    assert (await harness.work(NOW)).phase == "ended"
    assert sorted(harness.channel.users) == sorted(everybody)


async def test_follow_ups_and_launch_keep_the_rate_together(installation: Installation, time: DatabaseTime) -> None:
    """Follow-ups get what a launch leaves, the launch what they leave of its share; nobody exceeds the rate."""
    harness = LaunchHarness(installation, rates=TEN)
    await harness.crowd(24)
    async with installation.database.write("default", lock="exclusive") as tx:
        drafts = [parse_definition(definition) for definition in (original(), DELAYED)]
        await save_drafts(tx, drafts, await database_now(tx))
    await installation.order("publish", "f")
    await harness.publish()
    time.now = now()  # after the publications, so that the receipts begin follow-ups
    await harness.work(NOW)
    waiting = [row.id for row in await harness.rows("f")]
    first = await try_to_send(harness.sender, waiting)
    assert (first.count("sent"), first.count(SECOND)) == (2, 6)
    assert len(harness.channel.users) == 10
    time.now += SECOND
    later = [id for id, outcome in zip(waiting, first, strict=True) if outcome != "sent"]
    assert await try_to_send(harness.sender, later) == ["sent"] * 6
    await harness.work(NOW)
    assert len(harness.channel.users) == 18


async def test_workers_share_the_rate(installation: Installation, time: DatabaseTime) -> None:
    """Two workers that send at the same time, the first messages ever included, send as many as one."""
    follow_ups = await begin_follow_ups(installation, 16)
    workers = [SendHarness(installation, FakeChannel(), rates=TEN) for _ in range(2)]
    halves = await asyncio.gather(*(try_to_send(worker.activity, follow_ups[n::2]) for n, worker in enumerate(workers)))
    outcomes = [outcome for half in halves for outcome in half]
    assert (outcomes.count("sent"), outcomes.count(SECOND)) == (10, 6)
    assert sum(len(worker.channel.messages) for worker in workers) == 10


async def test_windows_are_locked_until_the_commit(database: Database) -> None:
    """Transactions that count at the same time take turns, also at the first message of a channel."""

    async def count_one() -> None:
        async with database.write("default") as tx:
            window = (await lock_windows(tx, ["push"]))["push"]
            await tx.execute(select(literal(1)))  # others would load the window meanwhile if it were not locked
            await save_windows(tx, {"push": RateWindow(NOW, window.count + 1)})

    await asyncio.gather(*(count_one() for _ in range(8)))
    assert await saved_counts(database) == {"push": 8}


async def test_fractional_rate(installation: Installation, time: DatabaseTime) -> None:
    """One message in two seconds."""
    first, second = await begin_follow_ups(installation, 2)
    sender = SendHarness(installation, FakeChannel(), rates={"push": 0.5}).activity
    assert await try_to_send(sender, [first]) == ["sent"]
    time.now += 1.5 * SECOND
    assert await try_to_send(sender, [second]) == [SECOND / 2]
    time.now += SECOND / 2
    assert await try_to_send(sender, [second]) == ["sent"]


async def test_message_without_a_place_changes_nothing(installation: Installation, time: DatabaseTime) -> None:
    """It is tried again as soon as the window ends; its follow-up waits, unassigned, and an exception ends it (X1)."""
    harness = SendHarness(installation, FakeChannel(), rates={"push": 1})
    variants = [{"name": "a", "weight": 100, "messages": PUSH}]
    await harness.save_user()
    await LaunchHarness(installation).crowd(1)
    await installation.publish(ORIGINAL, {**DELAYED, "messages": None, "variants": variants})
    await installation.ingest(push("e1", 0), push("e2", 1, user="u0"))
    assert (await harness.send(minutes=31, place=0)).outcome == "sent"
    with pytest.raises(ApplicationError) as limited:
        await harness.send(minutes=32, place=1)
    assert (limited.value.type, limited.value.next_retry_delay) == ("rate_limited", SECOND)
    assert [row.follow_up_id for row in await harness.deliveries()] == [(await installation.rows())[0].id]
    async with installation.database.read("default") as tx:
        assert len((await tx.execute(select(assignments))).all()) == 1
    await installation.ingest(buy("b1", 33, user="u0"))
    time.now += SECOND
    assert (await harness.send(minutes=34, place=1, attempt=2)).state == "excepted"
    assert await installation.outcomes() == [("e1", "sent", None), ("e2", "excepted", "b1")]


async def test_dropped_messages_take_no_place(installation: Installation, time: DatabaseTime) -> None:
    """Places of users whom a launch cannot reach are released, and a follow-up takes one only if it is sent."""
    harness = LaunchHarness(installation, rates=TEN)
    await harness.people(*(User(id=f"u{n}", push_tokens=("t",) if n % 3 else ()) for n in range(24)))
    await harness.publish()
    await harness.work(NOW)
    assert len(harness.channel.users) == 8
    assert await saved_counts(installation.database) == {"push": 8}


async def test_both_rates_of_a_launch_count_what_both_grant(installation: Installation, time: DatabaseTime) -> None:
    """`per_minute` and the channel's rate: the smaller one decides, and the other one loses nothing."""
    harness = LaunchHarness(installation, rates=TEN)
    await harness.crowd(30)
    await harness.publish(per_minute=13)
    assert (await harness.work(NOW)).until == NOW + SECOND
    assert (len(harness.channel.users), (await harness.row()).minute_count) == (8, 8)
    time.now += SECOND
    assert (await harness.work(NOW + SECOND)).until == NOW + MINUTE
    assert (len(harness.channel.users), await saved_counts(installation.database)) == (13, {"push": 5})


async def test_each_channel_of_a_row_needs_a_place(installation: Installation, time: DatabaseTime) -> None:
    """A user gets all of their messages in one window; a channel without a rate is not counted."""
    harness = LaunchHarness(installation, rates={"push": 10, "email": 5})
    people = (User(id=f"u{n}", push_tokens=("t",), email=f"u{n}@example.com") for n in range(9))
    await harness.people(*people)
    email = {"subject": "Hi", "html": "<p>there</p>"}
    await harness.publish(messages={**PUSH, "email": email})
    await harness.work(NOW)
    assert len(harness.channel.users) == 8
    assert await saved_counts(installation.database) == {"push": 4, "email": 4}


async def test_archived_launch_ends_at_once(installation: Installation, time: DatabaseTime) -> None:
    """Follow-ups that end without being sent need no place."""
    harness = LaunchHarness(installation, rates={"push": 1})
    await harness.crowd(12)
    await harness.publish()
    await harness.work(NOW)
    await installation.order("archive", "o")
    assert (await harness.work(NOW)).phase == "ended"
    assert await harness.states() == {("sent", None): 1, ("dropped", "stopped"): 11}


async def test_short_waits_are_in_the_time_slice(installation: Installation) -> None:
    """A launch waits for the next window in its activity, so that its history does not grow with each window."""
    harness = LaunchHarness(installation, rates={"push": 5})
    await harness.crowd(6)
    await harness.publish()
    page = LaunchPage(workspace="default", launch_id=(await harness.row()).launch_id, campaign="o")
    sent_at: list[datetime] = []

    async def note(_message: OutgoingMessage) -> None:
        sent_at.append(now())

    harness.channel.meanwhile = note
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=NOW)
    began = now()
    assert (await environment.run(harness.launcher.launch_page, page)).phase == "ended"
    assert len(sent_at) == 6
    assert sent_at[4] - began > SECOND * 0.9


@pytest.mark.parametrize(("rates", "more"), [({}, 0), ({"email": 1.0}, 0), (TEN, 2)], ids=["none", "other", "own"])
async def test_statements_of_claims(installation: Installation, rates: Mapping[str, float], more: int) -> None:
    """Without a rate not one statement more; with a rate two more, however many messages are claimed together."""
    follow_ups = await begin_follow_ups(installation, 10)
    limits = {channel: per_second(rate) for channel, rate in rates.items()}
    counts = []
    for limited, size in (({}, 1), (limits, 1), (limits, 8)):
        group, follow_ups = follow_ups[:size], follow_ups[size:]
        requests = [SendRequest(workspace="default", follow_up_id=id, campaign="f", channel="push") for id in group]
        attempts = [Attempt(request, NOW, 1) for request in requests]
        with installation.database.count_statements() as count:
            claims = await claim_together(installation, attempts, limited)
        assert all(isinstance(claim, Claim) for claim in claims)
        counts.append(len(count.statements))
    assert counts == [counts[0], counts[0] + more, counts[0] + more]


async def claim_together(
    installation: Installation, attempts: Sequence[Attempt], limits: Limits
) -> Sequence[ClaimResult]:
    """Claim messages in one transaction, as a sender does."""

    async def claim(tx: Transaction, catalogue: Catalogue) -> list[ClaimResult]:
        return await claim_messages(tx, catalogue, installation.intake, attempts, limits)

    return await with_current_catalogue(installation.database, installation.cache, "default", claim)


async def test_statements_of_a_launch(installation: Installation) -> None:
    """Taking the users of a step takes two statements more with a rate, and none without; their claims take none."""
    harness = LaunchHarness(installation)
    await harness.crowd(12)
    await harness.publish()
    for _ in range(2):
        await harness.step(NOW)
    with_rates = LaunchHarness(installation, rates={"push": 1000.0})
    with_rates.page = harness.page
    for one, statements in ((with_rates, 2), (harness, 0)):
        with installation.database.count_statements() as count:
            await one.step(NOW)
        assert len(one.channel.users) == 5
        assert sum("channel_windows" in statement for statement in count.statements) == statements


async def test_groups_that_need_two_channels_do_not_wait_for_each_other(installation: Installation) -> None:
    """Two workers claim one user's email and push each, in opposite orders: neither meets a deadlock."""
    both = {**PUSH, "email": {"subject": "s", "text": "t"}}
    await installation.publish(ORIGINAL, {**DELAYED, "messages": both})
    workers = [SendHarness(installation, FakeChannel(), rates={"push": 1000.0, "email": 1000.0}) for _ in range(2)]
    names = [f"u{number}" for number in range(12)]
    for name in names:
        await workers[0].save_user(User(id=name, push_tokens=("t",), email=f"{name}@example.com"))
    await installation.ingest(*(push(f"e-{name}", 0, user=name) for name in names))

    async def send(worker: SendHarness, id: str, channels: Sequence[str]) -> list[str]:
        requests = [SendRequest(workspace="default", follow_up_id=id, campaign="f", channel=name) for name in channels]
        attempts = (worker.activity.attempt(one, now=NOW + 40 * MINUTE, attempt=1) for one in requests)
        return [outcome.outcome for outcome in await asyncio.gather(*attempts)]

    rows = await installation.rows()
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        outcomes = await asyncio.gather(
            send(workers[0], first.id, ["push", "email"]), send(workers[1], second.id, ["email", "push"])
        )
        assert outcomes == [["sent", "sent"], ["sent", "sent"]]
