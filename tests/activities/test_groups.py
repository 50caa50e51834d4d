"""Sends in groups: fixed numbers of statements, one message of a user at a time, and nothing lost at any step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, select

from activities import claims
from connector.channels.protocol import OutgoingMessage
from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.tables import receipts
from connector.wire import SendOutcome, SendRequest
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on, push
from tests.support.fake_channel import FakeChannel, Killed
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.send_harness import SendHarness
from tests.support.statements import listening_to

DELAYED = follow_on("f", PUSHED, delay={"after": "30 minutes"})
ON_TWO_CHANNELS = follow_on(
    "f",
    PUSHED,
    delay={"after": "30 minutes"},
    messages={"push": {"title": "a", "body": "b"}, "email": {"subject": "s", "text": "t"}},
)
MAX_CLAIM_STATEMENTS, MAX_RESULT_STATEMENTS = 14, 12


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """An installation without users."""
    return SendHarness(installation, FakeChannel())


class Gate:
    """Holds every message at its provider until the test opens it."""

    def __init__(self, channel: FakeChannel) -> None:
        self.reached, self.opened = 0, asyncio.Event()
        channel.meanwhile = self._wait

    async def _wait(self, _: OutgoingMessage) -> None:
        self.reached += 1
        await self.opened.wait()


async def add_users(harness: SendHarness, *names: str) -> None:
    """Add users who wait for one message each."""
    for name in names:
        await harness.save_user(User(id=name, push_tokens=(f"t-{name}",), email=f"{name}@example.com"))
    await harness.installation.ingest(*(push(f"e-{name}", 0, user=name) for name in names))


async def send_all(harness: SendHarness, *, minutes: float = 30, attempt: int = 1) -> list[SendOutcome | BaseException]:
    """Send every message that waits or was begun at once, as the slots of one worker do."""
    return await send(harness, await open_messages(harness.installation), minutes=minutes, attempt=attempt)


async def open_messages(installation: Installation) -> list[SendRequest]:
    """Return the messages of all follow-ups that have not ended."""
    return [
        SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        for row in await installation.rows()
        for channel in row.channels
        if row.decided_at is None
    ]


async def send(
    harness: SendHarness, requests: Sequence[SendRequest], *, minutes: float = 30, attempt: int = 1
) -> list[SendOutcome | BaseException]:
    """Send these messages at once."""
    now = datetime.fromisoformat(at(minutes))
    attempts = (harness.activity.attempt(request, now=now, attempt=attempt) for request in requests)
    return await asyncio.gather(*attempts, return_exceptions=True)


async def states(installation: Installation) -> Counter[tuple[str, str | None]]:
    """Count the follow-ups by state and reason."""
    return Counter((row.state, row.reason) for row in await installation.rows())


async def count_statements(harness: SendHarness, *names: str) -> tuple[int, int]:
    """Return how many statements the claims and the results of these users' messages take."""
    await add_users(harness, *names)
    gate, messages = Gate(harness.channel), await open_messages(harness.installation)
    with harness.installation.database.count_statements() as counted:
        sends = asyncio.create_task(send(harness, messages))
        await until(lambda: gate.reached == len(names))
        of_claims = len(counted.statements)
        gate.opened.set()
        await sends
    return of_claims, len(counted.statements) - of_claims


@pytest.mark.parametrize("count", [1, 30])
async def test_claims_and_results_take_a_fixed_number_of_statements(harness: SendHarness, count: int) -> None:
    """Claims, and results with their `receive_push`: as many statements for thirty messages as for one."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    of_claims, of_results = await count_statements(harness, *(f"u{number}" for number in range(count)))
    assert await states(harness.installation) == {("sent", None): count}
    assert of_claims <= MAX_CLAIM_STATEMENTS
    assert of_results <= MAX_RESULT_STATEMENTS


async def test_all_facts_of_a_claim_fit_into_the_budget(harness: SendHarness) -> None:
    """Caps, a control group and a second look at the audience each cost one statement, for any number of messages."""
    caps = {"workspace": "default", "frequency_caps": [{"channel": "push", "at_most": 1, "per": "day"}]}
    interacted = {"interacted": {"interaction": "receive_push", "campaign": "o", "within": "30 days"}}
    all_facts = follow_on(
        "f",
        PUSHED,
        delay={"after": "30 minutes"},
        recheck_audience=True,
        audience={"not": {"interacted": {**interacted["interacted"], "interaction": "open_push"}}},
        control_group=1,
    )
    await harness.installation.publish(caps, ORIGINAL, all_facts)
    of_claims, _ = await count_statements(harness, *(f"u{number}" for number in range(10)))
    assert of_claims <= MAX_CLAIM_STATEMENTS


async def test_messages_of_one_user_are_evaluated_one_after_the_other(harness: SendHarness) -> None:
    """W2: of two messages that are due together, the cap drops the one that is evaluated second."""
    caps = {"workspace": "default", "frequency_caps": [{"channel": "push", "at_most": 1, "per": "day"}]}
    await harness.installation.publish(caps, ORIGINAL, DELAYED, follow_on("g", PUSHED, delay={"after": "30 minutes"}))
    await add_users(harness, "u1", "u2")
    await send_all(harness)
    assert await states(harness.installation) == {("sent", None): 2, ("dropped", "frequency_capped"): 2}
    assert sorted(harness.channel.users) == ["u1", "u2"]


async def test_channels_of_one_follow_up_in_one_group(harness: SendHarness) -> None:
    """Each channel has its own delivery, and the follow-up ends with the last."""
    await harness.installation.publish(ORIGINAL, ON_TWO_CHANNELS)
    await add_users(harness, "u1", "u2")
    await send_all(harness)
    assert Counter(harness.channel.users) == {"u1": 2, "u2": 2}
    assert await states(harness.installation) == {("sent", None): 2}


async def test_an_attempt_that_is_repeated_in_one_group(harness: SendHarness) -> None:
    """Guarantee 4: Temporal takes an attempt for lost that still waits for its transaction; one message goes out."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await add_users(harness, "u1", "u2")
    await asyncio.gather(send_all(harness), send_all(harness, minutes=31, attempt=2))
    assert sorted(harness.channel.users) == ["u1", "u2"]


async def test_a_message_that_breaks_its_group_fails_alone(
    harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that only one user's data triggers fails that message; the others go out."""
    await harness.installation.publish(ORIGINAL, DELAYED)
    await add_users(harness, "u1", "u2", "u3")
    real = claims.decide_message

    def break_for_one(due: Any, recipient: Any, *rest: Any) -> Any:
        if recipient.user.id == "u2":
            raise ZeroDivisionError
        return real(due, recipient, *rest)

    monkeypatch.setattr(claims, "decide_message", break_for_one)
    results = await send_all(harness)
    assert sorted(type(result).__name__ for result in results) == ["SendOutcome", "SendOutcome", "ZeroDivisionError"]
    assert sorted(harness.channel.users) == ["u1", "u3"]
    assert await states(harness.installation) == {("sent", None): 2, ("waiting", None): 1}


async def _send_and_die(harness: SendHarness, number: int) -> int:
    """Send all, and end the process before the statement of this number; returns how many statements were begun."""
    messages, begun = await open_messages(harness.installation), 0

    def die_from_then_on(*_: object) -> None:
        nonlocal begun
        begun += 1
        if begun >= number:
            raise Killed

    with listening_to("before_cursor_execute", die_from_then_on):
        await send(harness, messages)
    return begun


async def test_killed_before_any_statement_of_a_group(database: Database) -> None:
    """Guarantee 4, case 22: whatever was committed before the kill, no user gets two messages, and no claim is left.

    Before the commit of the claims nothing has happened, and the next process sends; after it, the process may have
    called the provider, so that the messages are unknown.
    """
    installation = Installation(database)
    await installation.publish(ORIGINAL, DELAYED)
    total = await _send_and_die(await _waiting_users(installation, "whole"), 1000)
    for number in range(1, total + 1):
        killed = await _waiting_users(installation, f"at-{number}")
        await _send_and_die(killed, number)
        next_process = SendHarness(installation, FakeChannel())
        await send_all(next_process, minutes=31, attempt=2)
        sent = Counter(killed.channel.users) + Counter(next_process.channel.users)
        assert set(sent.values()) == {1}, number
        rows = [row for row in await installation.rows() if row.trigger_id.startswith(f"e-at-{number}-")]
        was_claimed = bool(killed.channel.users)
        assert {(row.state, row.reason) for row in rows} == {
            ("failed", "send_unknown") if was_claimed else ("sent", None)
        }


async def test_killed_at_a_commit(database: Database) -> None:
    """Guarantee 4: the same if the process ends just before the claims' commit, or the results'."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, DELAYED)
    for commits_before in (0, 1):
        killed = await _waiting_users(installation, f"commit-{commits_before}")
        seen = 0

        def die_at_commit(_: Connection, before: int = commits_before) -> None:
            nonlocal seen
            seen += 1
            if seen > before:
                raise Killed

        messages = await open_messages(installation)
        with listening_to("commit", die_at_commit):
            await send(killed, messages)
        next_process = SendHarness(installation, FakeChannel())
        await send_all(next_process, minutes=31, attempt=2)
        assert set((Counter(killed.channel.users) + Counter(next_process.channel.users)).values()) == {1}


async def _waiting_users(installation: Installation, name: str) -> SendHarness:
    """Return a process for which two new users wait; those of earlier rounds have ended."""
    harness = SendHarness(installation, FakeChannel())
    await add_users(harness, f"{name}-1", f"{name}-2")
    return harness


async def test_a_receipt_for_each_message_of_a_group(harness: SendHarness) -> None:
    """T1, M4: every user of a group has the receipt and the chain's trigger, as after a message alone."""
    chained = follow_on("g", {"interaction": "receive_push", "campaign": "f"}, delay={"after": "1 day"})
    await harness.installation.publish(ORIGINAL, DELAYED, chained)
    await add_users(harness, "u1", "u2", "u3")
    await send_all(harness)
    assert await states(harness.installation) == {("sent", None): 3, ("waiting", None): 3}
    async with harness.installation.database.read("default") as tx:
        rows = (await tx.execute(select(receipts))).all()
    assert {row.received_at for row in rows} == {datetime.fromisoformat(at(30))}
    assert len(rows) == 3
