"""A late item costs what it touches: a long log of the same user does not hold up the writer (T5, guarantee 9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from connector.store.engine.database import LONG_SECONDS, Database
from connector.store.tables import interactions
from connector.store.users.users import find_user
from tests.support.builders import BASE, at, follow_on
from tests.support.installation import Installation
from tests.support.loaded_entries import loaded_entries

LOGGED = 30_000
GO, STOP, IDLE = "go", "stop", "idle"
WAITS = {"delay": {"after": "1 day"}, "eligible_again": "always"}
MAX_LOADED = 600
"""The most entries that one late item may load: of each type of items that bears on a follow-on, one or two parts."""


def _event(name: str, id: str, minutes: float, **properties: Any) -> dict[str, Any]:
    item = {"id": id, "user": "u", "type": "event", "name": name, "occurred_at": at(minutes)}
    return {**item, "properties": properties}


async def _log(database: Database, events: Sequence[str]) -> None:
    """Log 30,000 events of the user in turn, over an hour, as if they had been evaluated when they arrived."""
    async with database.write("default", seconds=LONG_SECONDS) as tx:
        stored = await find_user(tx, "u")
        assert stored is not None
        rows = [
            {
                "workspace": "default", "day": t.date(), "id": f"logged-{n}", "seq": 1_000 + n,
                "user_key": stored.user_key, "kind": "event", "topic": events[n % len(events)], "t": t,
                "occurred_at": t, "received_at": t, "properties": {},
            }
            for n in range(LOGGED)
            for t in [BASE + timedelta(minutes=30, milliseconds=100 * n)]
        ]  # fmt: skip
        await tx.execute(insert(interactions), rows)


@pytest.mark.parametrize(
    ("logged", "late", "exception"),
    [
        # Of the log, nothing bears on the late item, or nothing listens to the late item itself.
        ([IDLE], _event(GO, "late", 29.7), "newest"),
        ([STOP, GO], _event(IDLE, "late", 29.7), None),
        ([IDLE, STOP], _event(GO, "late", 29.7), "logged-1"),
        # Everything bears on it: only the first items can make a difference, or none of them does.
        ([STOP], _event(GO, "late", 29.7), "logged-0"),
        ([GO], _event(GO, "late", 29.7), "newest"),
        ([GO, STOP], _event(GO, "late", 29.7), "logged-1"),
        ([GO, IDLE], _event(STOP, "late", 29.2), None),
    ],
)
async def test_late_item_costs_what_it_touches(
    logged: Sequence[str],
    late: dict[str, Any],
    exception: str | None,
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T5: with 30,000 later items in the log, one late item loads and evaluates a bounded number of them."""
    loaded, found = await _ingest_late(sqlite_database, logged, late, monkeypatch)
    assert loaded <= MAX_LOADED
    assert found == exception


async def test_cost_of_an_overtaken_trigger(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """T5: so does a late trigger that a later one superseded, although it leaves no row."""
    late = _event(GO, "late", 29.7)
    loaded, found = await _ingest_late(sqlite_database, [GO, STOP], late, monkeypatch, retrigger="restart")
    assert loaded <= MAX_LOADED
    assert found is None


async def test_late_item_on_postgresql(postgresql_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """T5: the same there, with a log of which one half bears on the late item, and the other half does not."""
    loaded, found = await _ingest_late(postgresql_database, [IDLE, GO], _event(GO, "late", 29.7), monkeypatch)
    assert loaded <= MAX_LOADED
    assert found == "newest"


async def _ingest_late(
    database: Database, logged: Sequence[str], late: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **rules: Any
) -> tuple[int, str | None]:
    """Return how many entries of the log were loaded, and the exception that ended the late item's follow-up."""
    installation = Installation(database)
    await installation.publish(follow_on("f", {"event": GO}, **{**WAITS, "exceptions": [{"event": STOP}], **rules}))
    await installation.ingest(_event(GO, "first", 29), _event(STOP, "second", 29.5))
    await _log(database, logged)
    await installation.ingest(_event(STOP, "newest", 90))
    with loaded_entries(monkeypatch) as loaded:
        (result,) = await installation.ingest(late)
    assert result.status == "accepted"
    exceptions = {trigger: exception for trigger, _, exception in await installation.outcomes()}
    return len(loaded), exceptions.get("late")
