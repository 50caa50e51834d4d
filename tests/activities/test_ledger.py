"""Guarantee 4 while the database is unavailable: every result is recorded, and no message is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError

from activities import ledger, send
from connector.channels.protocol import Accepted, OutgoingMessage, Rejected, TryLater
from connector.rules.model.users import User
from connector.store.engine.database import Database, Lock, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.erasure import erase_user
from connector.wire import SendOutcome, SendRequest
from tests.support.builders import ABANDONED, ORIGINAL, at, buy, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.send_harness import SendHarness
from tests.support.traces import Traces


class Outage:
    """Lets every transaction that writes fail while it lasts; `lost_commits` of them fail only after their commit."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_on, self.failures, self.lost_commits = False, 0, 0
        self._write = database.write
        monkeypatch.setattr(database, "write", self.write)

    @asynccontextmanager
    async def write(self, workspace: str, *, lock: Lock = "shared") -> AsyncIterator[Transaction]:
        if self.is_on:
            self.failures += 1
            raise StoreUnavailable("the database is down")
        async with self._write(workspace, lock=lock) as tx:
            yield tx
        if self.lost_commits:
            self.lost_commits -= 1
            raise StoreUnavailable("the connection was lost before the answer to COMMIT")


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """One user, whose follow-up is due after an hour unless they buy."""
    ready = SendHarness(installation, FakeChannel())
    await ready.save_user()
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e1", 0))
    return ready


@pytest.fixture
def outage(harness: SendHarness, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """An outage that has not begun yet."""
    return Outage(harness.installation.database, monkeypatch)


async def begin(harness: SendHarness, outage: Outage) -> asyncio.Task[SendOutcome]:
    """Begin a send, let the database fail during the call to the provider, and return once recording has failed."""

    async def go_away(_: OutgoingMessage) -> None:
        outage.is_on = True

    harness.channel.meanwhile = go_away
    attempt = asyncio.create_task(harness.send(minutes=60))
    await until(lambda: outage.failures > 1, "a second try to record")
    harness.channel.meanwhile = None
    return attempt


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Accepted("p-1"), ("e1", "sent", None)),
        (Rejected("bad_token"), ("e1", "failed", "send_failed")),
    ],
)
async def test_a_result_is_recorded_when_the_database_is_back(
    harness: SendHarness, outage: Outage, answer: Accepted | Rejected, outcome: tuple[str, str, str | None]
) -> None:
    """The attempt waits, and ends with the result; no message becomes `send_unknown`."""
    harness.channel.answers = [answer]
    attempt = await begin(harness, outage)
    outage.is_on = False
    assert (await attempt).state == outcome[1]
    assert await harness.installation.outcomes() == [outcome]
    assert len(harness.channel.messages) == 1


async def test_a_claim_is_released_when_the_database_is_back(harness: SendHarness, outage: Outage) -> None:
    """A provider answered 429 while the database was down: the message waits, an exception counts, it can go out."""
    harness.channel.answers = [TryLater("busy"), Accepted()]
    attempt = await begin(harness, outage)
    outage.is_on = False
    with pytest.raises(ApplicationError, match="busy"):
        await attempt
    assert await harness.installation.outcomes() == [("e1", "waiting", None)]
    assert (await harness.send(minutes=62, attempt=2)).outcome == "sent"


async def test_the_next_attempt_waits_for_an_earlier_ones_record(harness: SendHarness, outage: Outage) -> None:
    """Temporal has given the attempt up, and its task is cancelled: the next attempt returns the first one's result."""
    attempt = await begin(harness, outage)
    attempt.cancel()
    await asyncio.wait([attempt])
    second = asyncio.create_task(harness.send(minutes=61, attempt=2))
    outage.is_on = False
    assert (await second).outcome == "sent"
    assert await harness.installation.outcomes() == [("e1", "sent", None)]
    assert len(harness.channel.messages) == 1


async def test_a_cancelled_attempt_finishes_its_message(harness: SendHarness) -> None:
    """A worker that is stopped waits for the provider's answer and records it."""
    reached, answered = asyncio.Event(), asyncio.Event()

    async def slow(_: OutgoingMessage) -> None:
        reached.set()
        await answered.wait()

    harness.channel.meanwhile = slow
    attempt = asyncio.create_task(harness.send(minutes=60))
    await reached.wait()
    attempt.cancel()
    await asyncio.wait([attempt])
    answered.set()
    await harness.activity.ledger.close(timeout_seconds=10)
    assert await harness.installation.outcomes() == [("e1", "sent", None)]


async def test_a_claim_whose_commit_was_not_answered_is_released(harness: SendHarness, outage: Outage) -> None:
    """The claim was committed and the provider was not called: the message is sent later, it is not unknown."""
    outage.lost_commits = 1
    with pytest.raises(StoreUnavailable):
        await harness.send(minutes=60)
    assert harness.channel.messages == []
    assert await harness.installation.outcomes() == [("e1", "waiting", None)]
    assert (await harness.send(minutes=61, attempt=2)).outcome == "sent"


async def test_an_exception_during_a_claim_that_was_not_answered_counts(harness: SendHarness, outage: Outage) -> None:
    """X1: the provider was not called, so that the later attempt is the dispatch."""
    outage.lost_commits = 1
    with pytest.raises(StoreUnavailable):
        await harness.send(minutes=60)
    await harness.installation.ingest(buy("b1", 61))
    assert (await harness.send(minutes=62, attempt=2)).state == "excepted"


async def test_a_record_whose_commit_was_not_answered_is_repeated(harness: SendHarness, outage: Outage) -> None:
    """Recording a result a second time changes nothing."""

    async def lose_the_next_commit(_: OutgoingMessage) -> None:
        outage.lost_commits = 1

    harness.channel.meanwhile = lose_the_next_commit
    assert (await harness.send(minutes=60)).outcome == "sent"
    assert await harness.installation.outcomes() == [("e1", "sent", None)]


async def test_another_worker_that_took_the_message_for_lost_is_corrected(
    harness: SendHarness, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker records `send_unknown` first; then the result of the worker that sent corrects the message."""
    monkeypatch.setattr(ledger, "_FIRST_PAUSE_SECONDS", 0.5)
    attempt = await begin(harness, outage)
    outage.is_on = False
    other = SendHarness(harness.installation, FakeChannel())
    assert (await other.send(minutes=61, attempt=2)).reason == "send_unknown"
    assert (await attempt).outcome == "sent"
    assert await harness.installation.outcomes() == [("e1", "sent", None)]
    assert len(harness.channel.messages + other.channel.messages) == 1


async def test_what_is_forgotten_is_logged_with_the_way_out(harness: SendHarness, outage: Outage) -> None:
    """Waiting is logged once; a worker that must end during the outage logs how many results it loses."""
    with capture_logs() as logged:
        attempt = await begin(harness, outage)
        await harness.activity.ledger.close(timeout_seconds=0.01)
    events = [(entry["event"], entry.get("messages")) for entry in logged if entry["event"].startswith("results")]
    assert events == [("results_wait_for_database", None), ("results_forgotten", 1)]
    outage.is_on = False
    await attempt


async def test_cancelled_attempts_harm_no_others_of_their_group(
    harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt is cancelled during the commit of its group's claims: every message goes out once."""
    others = [f"u{number}" for number in range(4)]
    for name in others:
        await harness.save_user(User(id=name, push_tokens=(f"t-{name}",)))
    await harness.installation.ingest(*(push(f"e-{name}", 0, user=name) for name in others))
    rows, now = await harness.installation.rows(), datetime.fromisoformat(at(60))
    requests = [SendRequest(workspace="default", follow_up_id=row.id, campaign="f", channel="push") for row in rows]
    attempts = [asyncio.create_task(harness.activity.attempt(one, now=now, attempt=1)) for one in requests]
    write = harness.installation.database.write

    @asynccontextmanager
    async def cancel_during_commit(workspace: str, *, lock: Lock = "shared") -> AsyncIterator[Transaction]:
        async with write(workspace, lock=lock) as tx:
            yield tx
            for attempt in attempts[:2]:
                asyncio.get_running_loop().call_soon(attempt.cancel)

    monkeypatch.setattr(harness.installation.database, "write", cancel_during_commit)
    await asyncio.wait(attempts)
    await harness.activity.ledger.close(timeout_seconds=10)
    assert {row.state for row in await harness.installation.rows()} == {"sent"}
    assert sorted(harness.channel.users) == ["u", *others]


async def test_an_error_that_is_no_outage_does_not_lose_a_result(
    harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration or a pooler makes a statement fail once: the result is recorded by the next try."""
    real, failures = send.record_messages, [ZeroDivisionError()]

    async def fail_once(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*arguments)

    monkeypatch.setattr(send, "record_messages", fail_once)
    assert (await harness.send(minutes=60)).outcome == "sent"


async def test_an_erased_user_gets_nothing_more(harness: SendHarness) -> None:
    """Guarantee 8: the user is erased while the provider is called, which puts the message off."""

    async def erase(_: OutgoingMessage) -> None:
        async with harness.installation.database.write("default", lock="exclusive") as tx:
            await erase_user(tx, "u", datetime.fromisoformat(at(60)))

    harness.channel.meanwhile, harness.channel.answers = erase, [TryLater("busy"), Accepted()]
    with pytest.raises(ApplicationError, match="busy"):
        await harness.send(minutes=60)
    harness.channel.meanwhile = None
    assert (await harness.send(minutes=61, attempt=2)).reason == "erased"
    assert [state for _, state, _ in await harness.installation.outcomes()] == ["dropped"]
    assert len(harness.channel.messages) == 1


async def test_a_result_after_an_erasure_writes_nothing_back(harness: SendHarness) -> None:
    """Guarantee 8: the user is erased while the provider accepts the message; the provider's id is kept nowhere."""
    database = harness.installation.database

    async def erase(_: OutgoingMessage) -> None:
        async with database.write("default", lock="exclusive") as tx:
            assert await erase_user(tx, "u", datetime.fromisoformat(at(60)))

    harness.channel.meanwhile, harness.channel.answers = erase, [Accepted("id-of-the-person", invalid_tokens=("t",))]
    assert (await harness.send(minutes=60)).outcome == "sent"
    [sent] = await harness.deliveries()
    assert (sent.state, len(sent.provider_id)) == ("sent", 64)
    assert await Traces(["id-of-the-person", "u@example.com", "Ada"]).in_tables(database) == {}
    assert [(trigger, state) for trigger, state, _ in await harness.installation.outcomes()] == [("erased", "sent")]
