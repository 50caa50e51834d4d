"""Batches that wait together: one transaction, an answer each, and nothing that one of them does to another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from connector.ingest.parsing import IngestRequest, read_item
from connector.store.engine import group_commit
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.engine.group_commit import GroupCommit
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation


def batch(*names: str, users: Sequence[dict[str, Any]] = ()) -> IngestRequest:
    """A push each, of a user by the same name."""
    return IngestRequest([read_item(push(name, 0, user=name)) for name in names], users)


class Ingest:
    """Ingests batches once `go` is set, and remembers which ones went together."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.together: list[list[str]] = []
        self.faults: dict[str, BaseException] = {}

    async def __call__(self, batches: Sequence[IngestRequest]) -> list[str]:
        names = ["+".join(str(getattr(item, "id", None)) for item in one.items) for one in batches]
        self.together.append(names)
        await self.go.wait()
        for name in names:
            if name in self.faults:
                raise self.faults[name]
        return names


async def started(coalescer: GroupCommit[IngestRequest, str], *batches: IngestRequest) -> list[asyncio.Task[str]]:
    """The batches on their way: the first one at work, the others waiting."""
    tasks = []
    for one in batches:
        tasks.append(asyncio.create_task(coalescer.submit(one)))
        await asyncio.sleep(0)
    return tasks


A_USER = {"id": "x", "attributes": {}}


@pytest.mark.parametrize(
    ("batches", "together"),
    [
        ([batch("a"), batch("b"), batch("c")], [["a"], ["b", "c"]]),
        ([batch("a"), batch("b"), batch("b"), batch("c")], [["a"], ["b", "c"], ["b"]]),
        ([batch("a"), batch("b"), batch("b", "c"), batch("c")], [["a"], ["b"], ["b+c"], ["c"]]),
        ([batch("a"), batch("b"), batch("c", users=[A_USER]), batch("d")], [["a"], ["b", "d"], ["c"]]),
        ([batch("a"), batch("b", users=[A_USER]), batch("c")], [["a"], ["b", "c"]]),
        ([batch("a"), batch("b", users=[A_USER]), batch("x")], [["a"], ["b"], ["x"]]),
    ],
)
async def test_who_goes_together(batches: Sequence[IngestRequest], together: list[list[str]]) -> None:
    """Those that share a user or an id stay apart and in order, and so do descriptions of users."""
    ingest = Ingest()
    tasks = await started(GroupCommit(ingest, max_transactions=1), *batches)
    ingest.go.set()
    assert await asyncio.gather(*tasks) == ["+".join(item.id or "" for item in one.items) for one in batches]
    assert ingest.together == together


async def test_a_fault_of_one_fails_no_other() -> None:
    """What goes wrong in a transaction of several is tried one by one, and only who is at fault hears of it."""
    ingest = Ingest()
    ingest.faults["c"] = ZeroDivisionError()
    tasks = await started(GroupCommit(ingest, max_transactions=1), *(batch(name) for name in "abcd"))
    ingest.go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ended] == [str, str, ZeroDivisionError, str]
    assert ingest.together == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


async def test_whoever_is_cancelled_takes_no_other_along() -> None:
    """At work, waiting, or just as its turn comes: the others are ingested all the same."""
    ingest = Ingest()
    tasks = await started(GroupCommit(ingest, max_transactions=1), *(batch(name) for name in "abcd"))
    tasks[2].cancel()
    tasks[0].cancel()
    await asyncio.sleep(0)
    ingest.go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError, str, asyncio.CancelledError, str]


@pytest.mark.parametrize("ticks", range(6))
async def test_a_turn_is_never_lost(ticks: int) -> None:
    """Cancelled at any step of passing the turn: later batches are ingested."""
    ingest = Ingest()
    ingest.go.set()
    coalescer = GroupCommit(ingest, max_transactions=1)
    tasks = await started(coalescer, *(batch(name) for name in "ab"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await asyncio.wait_for(coalescer.submit(batch("c")), 5) == "c"


async def test_without_the_store_all_are_told_to_try_again() -> None:
    """Nothing of any of them was stored."""
    ingest = Ingest()
    ingest.faults["b"] = StoreUnavailable("away")
    tasks = await started(GroupCommit(ingest, max_transactions=1), *(batch(name) for name in "abc"))
    ingest.go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ended] == [str, StoreUnavailable, StoreUnavailable]


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that waits too long must be sent again; the one that is being ingested goes on."""
    monkeypatch.setattr(group_commit, "WAIT_SECONDS", 0.05)
    ingest = Ingest()
    coalescer = GroupCommit(ingest, max_transactions=1)
    tasks = await started(coalescer, *(batch(name) for name in "ab"))
    with pytest.raises(StoreUnavailable):
        await tasks[1]
    ingest.go.set()
    assert await tasks[0] == "a"
    assert await coalescer.submit(batch("c")) == "c"


async def test_together_gives_what_one_by_one_gives(installation: Installation, database: Database) -> None:
    """Triggers and exceptions of many users at once: the same rows, in far fewer statements."""
    await installation.publish(ORIGINAL, ABANDONED)
    users = [f"u{number}" for number in range(20)]
    alone = [f"v{number}" for number in range(20)]
    with database.count_statements() as one_by_one:
        for user in alone:
            await installation.ingest(push(f"p-{user}", 0, user=user))
            await installation.ingest(buy(f"b-{user}", 1, user=user))
    with database.count_statements() as together:
        for make, prefix, minutes in ((push, "p", 0), (buy, "b", 1)):
            await asyncio.gather(*(installation.ingest(make(f"{prefix}-{user}", minutes, user=user)) for user in users))
    assert len(together.statements) < len(one_by_one.statements) / 2
    ends = {trigger: (state, reason) for trigger, state, reason in await installation.outcomes()}
    assert ends == {f"p-{user}": ("excepted", f"b-{user}") for user in users + alone}


async def test_what_concerns_nobody_asks_for_nothing(installation: Installation, database: Database) -> None:
    """A batch that no follow-on listens to is resolved and logged, and nothing else."""
    await installation.publish(ORIGINAL, ABANDONED)
    seen = {"type": "event", "name": "seen", "occurred_at": push("x", 0)["occurred_at"]}
    await installation.ingest({**seen, "id": "a", "user": "u"})
    with database.count_statements() as count:
        await installation.ingest({**seen, "id": "b", "user": "u"})
    assert len(count.statements) <= 6


@pytest.mark.parametrize("noisy", [False, True])
async def test_noise_between_changes_nothing(installation: Installation, noisy: bool) -> None:
    """T5: an irrelevant item leaves no mark that would change the evaluation of late items."""
    await installation.publish(ORIGINAL, ABANDONED)
    noise = {"id": "n", "user": "u", "type": "event", "name": "seen", "occurred_at": push("x", 50)["occurred_at"]}
    for item in (buy("b1", 30), *([noise] if noisy else []), push("p1", 10), push("p2", 40), buy("b2", 35)):
        await installation.ingest(item)
    assert await installation.outcomes() == [("p1", "excepted", "b1"), ("p2", "waiting", None)]
