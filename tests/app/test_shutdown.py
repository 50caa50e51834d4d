"""Work that a shutdown interrupts has ended before its objects are closed."""

import asyncio

import pytest

from connector.app.shutdown import run_unless_stopped


async def test_interrupted_work_has_ended() -> None:
    """A transaction that is cancelled is rolled back before the caller goes on and closes the database."""
    stopped, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        stopped.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    assert await run_unless_stopped(work(), stopped) is None
    assert ended.is_set()


async def test_error_of_the_work_is_raised() -> None:
    """The caller gets the result or the error of work that ends by itself."""

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await run_unless_stopped(fail(), asyncio.Event())
