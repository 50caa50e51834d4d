"""Backlogs, what waits although its time has come: counted by index, on both databases, in seven statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.outbox import find_to_signal, find_to_start
from connector.store.reporting.backlogs import Backlog, Backlogs, load_backlogs
from connector.store.tables import entries, follow_ups, launches
from tests.support.query_plans import explain
from tests.support.statements import listening_to

W = "default"
HOUR = timedelta(hours=1)
INDEXES = (
    "follow_ups_by_time",
    "follow_ups_to_start",
    "follow_ups_to_signal",
    "follow_ups_moved",
    "follow_ups_of_campaign",
)


def row(now: datetime, name: str, *, due: timedelta, state: str = "waiting", **more: Any) -> dict[str, Any]:
    """Return a follow-up that is due `due` after `now`, and that the outbox has started."""
    return {
        "workspace": W, "id": name, "campaign": "f", "revision": 1, "window_id": 1, "user_key": name, "key": "",
        "trigger_id": name, "trigger": {}, "triggered_at": now - 9 * HOUR, "due_at": now + due, "next_at": now + due,
        "channels": ["push"], "state": state, "created_at": now - 2 * HOUR, "started_at": now - HOUR,
        "ended_outside": False, "signalled_at": None, "decided_at": None, "moved_at": None, **more,
    }  # fmt: skip


def launch(now: datetime, campaign: str, **more: Any) -> dict[str, Any]:
    """Return a launch that has added its whole audience and was at work an hour ago."""
    return {
        "workspace": W, "launch_id": f"l-{campaign}", "campaign": campaign, "published_at": now - 3 * HOUR,
        "changed_in": 1, "told_in": 1, "started_at": now - 3 * HOUR, "begun_at": now - 3 * HOUR, "cursor": "z",
        "paged_at": now - 2 * HOUR, "kept_up_at": now - HOUR, "minute_count": 0, "ended_at": None, **more,
    }  # fmt: skip


async def fill(database: Database) -> None:
    """Store follow-ups and launches of every kind that the backlogs distinguish."""
    async with database.write(W) as tx:
        now = await database_now(tx)
        of_launch = {"campaign": "big", "trigger_id": "l-big", "signalled_at": now}
        rows = [
            row(now, "late", due=-2 * HOUR),
            row(now, "later", due=-HOUR),
            row(now, "claimed", due=-HOUR, state="sending"),
            row(now, "in time", due=timedelta(seconds=-30)),
            row(now, "held", due=HOUR, state="held", moved_at=now - HOUR),
            row(now, "sent", due=-HOUR, state="sent", decided_at=now),
            row(now, "new", due=HOUR, started_at=None),
            row(now, "ended", due=HOUR, state="excepted", ended_outside=True, decided_at=now - HOUR),
            row(now, "due of a launch", due=-HOUR, **of_launch),
            row(now, "open of a launch", due=HOUR, **of_launch),
        ]
        await tx.execute(insert(follow_ups), rows)
        found = [launch(now, "big"), launch(now, "new", paged_at=None, changed_in=2), launch(now, "off")]
        await tx.execute(insert(launches), [*found, launch(now, "over", ended_at=now)])
        states = {"big": "active", "new": "active", "off": "stopped", "over": "active"}
        of_all = {"workspace": W, "kind": "campaign", "newest_revision": 1, "changed_in": 1}
        await tx.execute(insert(entries), [{**of_all, "id": id, "state": state} for id, state in states.items()])


async def read(database: Database) -> tuple[Backlogs, list[str]]:
    """Return the backlogs, and the statements that they took."""
    with database.count_statements() as count:
        async with database.read(W) as tx:
            found = await load_backlogs(tx)
    return found, [one for one in count.statements if one.lstrip().startswith("SELECT")]


async def test_what_waits_too_long(database: Database) -> None:
    """Late follow-ups by state, what the outbox has to do, and the progress of each launch; an end is no delay."""
    await fill(database)
    found, _ = await read(database)

    def ages(backlogs: Any) -> dict[str, tuple[int, int | None]]:
        return {
            name: (one.count, None if one.since is None else round((found.now - one.since) / HOUR))
            for name, one in backlogs.items()
        }

    assert ages(found.overdue) == {"waiting": (2, 2), "held": (0, None), "sending": (1, 1)}
    assert ages(found.outbox) == {"start": (1, 2), "signal": (1, 1), "move": (1, 1), "launch": (1, 3)}
    assert {one.campaign: (one.is_gathering, one.is_paused, one.waiting, one.due) for one in found.launches} == {
        "big": (False, False, 2, 1),
        "new": (True, False, 0, 0),
        "off": (False, True, 0, 0),
    }


async def test_an_empty_store(database: Database) -> None:
    """Nothing waits, which is not the same as not knowing."""
    found, _ = await read(database)
    assert [*found.overdue.values(), *found.outbox.values()] == [Backlog()] * 7
    assert found.launches == []


async def test_no_statement_scans_on_sqlite(sqlite_database: Database) -> None:
    """Every statement finds its follow-ups by an index that has only those; the few launches are read by workspace."""
    _, asked = await read(sqlite_database)
    assert len(asked) == 7
    async with sqlite_database.read(W) as tx:
        with sqlite_database.count_statements() as outbox:
            await find_to_start(tx, 10)
            await find_to_signal(tx, 10)
        plans = [await explain(tx, statement) for statement in (*asked, *outbox.statements)]
    steps = [step for plan in plans for step in plan if " follow_ups " in step]
    # An index that has only such rows, or a campaign's open ones.
    searched = [step.removeprefix("SEARCH follow_ups USING INDEX ") for step in steps]
    assert [step for step in searched if not step.startswith(INDEXES)] == []
    assert {index for index in INDEXES for step in searched if step.startswith(index)} == set(INDEXES)


async def test_postgresql_uses_the_same_indexes(postgresql_database: Database) -> None:
    """The conditions imply those of the partial indexes, so that PostgreSQL takes them when the tables are large."""
    asked: list[tuple[str, Any]] = []
    async with postgresql_database.read(W) as tx:
        with listening_to("before_cursor_execute", lambda _c, _cursor, *said: asked.append(said[:2])):
            await load_backlogs(tx)
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plans = [
            "\n".join((await tx.connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars())
            for statement, parameters in asked
        ]
    assert [plan for plan in plans if "Seq Scan on follow_ups" in plan] == []
    assert {index for index in INDEXES for plan in plans if index in plan} >= set(INDEXES[:4])
