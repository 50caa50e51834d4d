"""A database that somebody else keeps locked: 503 within a bound, and all is well as soon as it is free."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import create_engine, text

from connector.app.context import build_context
from connector.settings.application import Settings
from connector.store.engine import group_commit
from connector.store.engine.database import Database
from tests.support.api import open_client
from tests.support.builders import at

HOLD = {
    "sqlite": ["BEGIN IMMEDIATE"],
    "postgresql": ["LOCK TABLE users IN EXCLUSIVE MODE"],
}
WAITS = 0.5
BOUND = 10.0
"""Far more than turn and lock may take together here, and far less than for ever."""


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "WAIT_SECONDS", WAITS)


def body(name: str) -> dict[str, object]:
    """One event."""
    seen = {"id": name, "user": f"u-{name}", "type": "event", "name": "seen", "occurred_at": at(0)}
    return {"interactions": [seen]}


@pytest.mark.usefixtures("_short_waits")
async def test_locks_held_by_others_give_503(database_url: str) -> None:
    """Many callers at once, each told to try again in time: never a 500, and never left hanging."""
    database = Database.open(database_url, seconds=WAITS)
    other = create_engine(database_url.replace("+aiosqlite", ""))
    async with open_client(build_context(Settings(), database)) as api:
        assert (await api.post("/v1/interactions", json=body("before"))).status_code == 200
        with other.connect() as held:
            for statement in HOLD[database.dialect]:
                held.execute(text(statement))
            began = time.monotonic()
            answers = await asyncio.gather(
                *(api.post("/v1/interactions", json=body(f"during{number}")) for number in range(30))
            )
            assert time.monotonic() - began < BOUND
            held.rollback()
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["error"]["code"] for answer in answers} == {"store_unavailable"}
        assert all(answer.headers["Retry-After"].isdigit() for answer in answers)
        assert (await api.post("/v1/interactions", json=body("after"))).status_code == 200
    await database.close()
    other.dispose()
