"""Live counts: one load per interval and question, whatever the number of pages."""

import asyncio

import pytest
from sqlalchemy import func, select

from connector.store.engine.database import Database
from connector.store.tables import follow_ups
from starter.console import polling as module
from starter.console.polling import Polling
from tests.support.api import Clock
from tests.support.statements import listening_to

PAGES = 100


async def test_a_hundred_pages_cost_one_statement_per_interval(sqlite_database: Database) -> None:
    """100 open pages that ask in each of 5 intervals cause 5 statements, and different questions one each."""
    clock, statements = Clock(), []
    answers = Polling(5, clock)

    async def count() -> int:
        async with sqlite_database.read("default") as tx:
            return (await tx.execute(select(func.count()).select_from(follow_ups))).scalar_one()

    with listening_to("before_cursor_execute", lambda *words: statements.append(words[2])):
        for _ in range(5):
            for _ in range(3):
                found = await asyncio.gather(*(answers.ask("waiting", count) for _ in range(PAGES)))
                assert found == [0] * PAGES
                clock.now += 5 / 3 + 0.001
        assert len([one for one in statements if "follow_ups" in one]) == 5
        await asyncio.gather(*(answers.ask(("campaign", id % 2), count) for id in range(PAGES)))
    assert len([one for one in statements if "follow_ups" in one]) == 7


async def test_a_slow_load_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that takes longer than the interval is not begun again beside itself, and one who leaves ends it not."""
    clock, gate, loads = Clock(), asyncio.Event(), []
    answers = Polling(5, clock)

    async def load() -> int:
        loads.append(clock.now)
        await gate.wait()
        return len(loads)

    first = asyncio.create_task(answers.ask("q", load))
    await asyncio.sleep(0)
    clock.now += 60
    second = asyncio.create_task(answers.ask("q", load))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == 1
    assert len(loads) == 1


async def test_failures_are_shared_and_end() -> None:
    """A database that is away is asked once per interval too, and answers again when it is back."""
    clock, loads = Clock(), []
    answers = Polling(5, clock)

    async def load() -> int:
        loads.append(clock.now)
        if len(loads) == 1:
            raise OSError("away")
        return 7

    for _ in range(10):
        with pytest.raises(OSError, match="away"):
            await answers.ask("q", load)
    clock.now += 5
    assert await answers.ask("q", load) == 7
    answers.forget()
    await answers.ask("q", load)
    assert len(loads) == 3


async def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question asked for longest ago is forgotten."""
    monkeypatch.setattr(module, "MAX_QUESTIONS", 3)
    answers, loads = Polling(1000), []

    async def load() -> None:
        loads.append(None)

    for question in (1, 2, 3, 1, 4, 1, 2):
        await answers.ask(question, load)
    assert len(loads) == 5
