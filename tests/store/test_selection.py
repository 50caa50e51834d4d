"""Lists of follow-ups: every filter is read by index, in pages that neither skip nor repeat, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select, text, update

from connector.rules.model.reasons import Reason
from connector.store.engine.database import Database
from connector.store.follow_ups import selection
from connector.store.follow_ups.selection import FollowUpFilter, Position, select_follow_ups, select_page
from connector.store.reporting.overview import list_follow_ups
from connector.store.tables import follow_ups
from tests.support.query_plans import explain, walks
from tests.support.statements import listening_to

W = "default"
NUMBER = 600
STATES = ("waiting", "held", "sending", "sent", "excepted", "dropped", "control", "failed")
LISTED = (None, *STATES, "open", "overdue", "refused", "noted")
REASONS = {"excepted": "exception", "dropped": "stale", "control": "control_group", "failed": "send_failed"}
BASE = datetime(2026, 3, 2, 12, tzinfo=UTC)
AFTER = Position(BASE + timedelta(seconds=30), "1")
PAGE = 7
SECONDS = 600.0

_ROWS = """
INSERT INTO follow_ups (workspace, id, campaign, revision, window_id, user_key, key, trigger_id, trigger, triggered_at,
  due_at, next_at, channels, state, reason, decided_at, created_at, ended_outside)
SELECT 'default', 'f' || n, 'c' || (n % 10), 1, 1, 'k' || (n % 300), CAST(n AS TEXT), 't' || n, '{}', {at}, {at}, {at},
  CASE WHEN n % 2 = 0 THEN '["push"]' ELSE '["email", "sms"]' END,
  CASE n % 8 {states} END, CASE n % 8 {reasons} END, CASE WHEN n % 8 > 2 THEN {at} END, {at}, false
FROM numbers"""
_DECISIONS = """
INSERT INTO decisions (workspace, campaign, user_key, key, interaction_id, t, state, reason, decided_at)
SELECT 'default', 'c' || (n % 10), 'k' || (n % 300), '', 'i' || n, {at},
  CASE n % 9 WHEN 0 THEN 'noted' ELSE 'refused' END, 'not_in_audience', {at} FROM numbers"""
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 599)",
    "postgresql": "WITH numbers AS (SELECT n FROM generate_series(0, 599) AS n)",
}
_AT = {
    # Ten follow-ups share a trigger's instant.
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-03-02 12:00:00', (n / 10) || ' seconds')",
    "postgresql": "timestamptz '2026-03-02 12:00:00Z' + (n / 10) * interval '1 second'",
}


@pytest.fixture
async def full(database: Database) -> Database:
    """600 follow-ups of ten campaigns and 300 users in all states, and as many refusals."""
    states = " ".join(f"WHEN {n} THEN '{state}'" for n, state in enumerate(STATES))
    reasons = " ".join(f"WHEN {STATES.index(state)} THEN '{reason}'" for state, reason in REASONS.items())
    async with database.write(W, seconds=SECONDS) as tx:
        for statement in (_ROWS, _DECISIONS):
            filled = (
                statement.replace("{at}", _AT[tx.dialect]).replace("{states}", states).replace("{reasons}", reasons)
            )
            if tx.dialect == "sqlite":
                begin, _, rest = filled.strip().partition("SELECT")
                await tx.connection.exec_driver_sql(f"{begin} {_NUMBERS['sqlite']} SELECT{rest}")
            else:
                json = filled.replace("'{}'", "'{}'::jsonb").replace(
                    "END,\n  CASE n % 8 WHEN", "END::jsonb,\n  CASE n % 8 WHEN"
                )
                begin, _, rest = json.strip().partition("SELECT")
                await tx.connection.exec_driver_sql(f"{begin} {_NUMBERS['postgresql']} SELECT{rest}".replace("%", "%%"))
        await tx.execute(text("ANALYZE"))
        if tx.dialect == "sqlite":  # production has no statistics there
            await tx.execute(text("DELETE FROM sqlite_stat1"))
    return database


def _filters() -> list[FollowUpFilter]:
    """Return every state with every other criterion on its own, and some together."""
    others: list[dict[str, Any]] = [
        {},
        {"campaign": "c3"},
        {"user_key": "k7"},
        {"reason": Reason.STALE},
        {"since": BASE},
        {"until": BASE + timedelta(minutes=1)},
        {"campaign": "c3", "reason": Reason.STALE, "since": BASE},
        {"campaign": "c3", "user_key": "k3"},
    ]
    channels: list[dict[str, Any]] = [{"channel": "email"}, {"campaign": "c3", "channel": "sms"}]
    listed = [FollowUpFilter(state=state, **one) for state, one in product(LISTED, others)]
    return listed + [FollowUpFilter(state=state, **one) for state, one in product(LISTED[:-2], channels)]


async def test_every_filter_is_read_by_index(full: Database) -> None:
    """No plan of a page reads a table from end to end, and a page takes three statements at most."""
    asked: list[tuple[str, Any]] = []
    explained: set[str] = set()
    found: dict[str, str] = {}
    async with full.read(W, seconds=SECONDS) as tx:
        if tx.dialect == "postgresql":  # the tables are small: what has no index is read whole all the same
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
        for wanted in _filters():
            asked.clear()
            with listening_to("before_cursor_execute", lambda _c, _k, told, values, *_: asked.append((told, values))):
                await list_follow_ups(tx, wanted, limit=PAGE, after=AFTER)
            assert len(asked) <= 3
            for statement, values in asked:
                if statement in explained:
                    continue
                explained.add(statement)
                if tx.dialect == "sqlite":
                    steps = [step for step in await explain(tx, statement) if walks(step)]
                    bad = [step for step in steps if not step.startswith(("SCAN one_channel", "SCAN (", "SCAN anon"))]
                else:
                    plan = await tx.connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                    bad = [line for line in plan.scalars() if _reads_all(line)]
                if bad:
                    found[str(wanted)] = f"{bad} {statement}"
    assert found == {}


async def test_pages_neither_skip_nor_repeat(full: Database) -> None:
    """Whatever the filter, the pages together are the whole list, in its order, each row once."""
    async with full.read(W, seconds=SECONDS) as tx:
        for state, user_key in product(LISTED, (None, "k7")):
            wanted = FollowUpFilter(state, user_key=user_key, campaign=None if user_key else "c3")
            whole = (await list_follow_ups(tx, wanted, limit=1000)).listings
            size = max(2, len(whole) // 5)
            paged, page = [], await list_follow_ups(tx, wanted, limit=size)
            while page.next is not None:
                paged += page.listings
                page = await list_follow_ups(tx, wanted, limit=size, after=page.next)
            assert [*paged, *page.listings] == whole, wanted
            assert len({one.id or one.triggered_at for one in whole}) == len(whole)


async def test_what_a_filter_selects(full: Database) -> None:
    """Each criterion leaves out what it says, and what is left is the newest trigger first."""
    async with full.write(W, seconds=SECONDS) as tx:
        rows = (await tx.execute(select(follow_ups))).all()
        since = BASE + timedelta(seconds=30)
        wanted = {
            FollowUpFilter("failed"): lambda row: row.state == "failed",
            FollowUpFilter("failed", "c7"): lambda row: (row.state, row.campaign) == ("failed", "c7"),
            FollowUpFilter(reason=Reason.STALE): lambda row: row.reason == "stale",
            FollowUpFilter(channel="sms"): lambda row: "sms" in row.channels,
            FollowUpFilter("sent", since=since): lambda row: row.state == "sent" and row.decided_at >= since,
            FollowUpFilter("waiting", until=since): lambda row: row.state == "waiting" and row.next_at < since,
            FollowUpFilter(user_key="k7"): lambda row: row.user_key == "k7",
            FollowUpFilter(): lambda row: True,
        }
        for one, is_wanted in wanted.items():
            expected = sorted(((row.triggered_at, row.id) for row in rows if is_wanted(row)), reverse=True)
            found = await select_follow_ups(tx, one, NUMBER)
            assert [(position.at, position.id) for position in found] == expected, one
        # Of a launch: it was marked as signalled when it was inserted.
        launched = follow_ups.c.id == "f8"
        await tx.execute(update(follow_ups).where(launched).values(signalled_at=BASE))
        open_rows = sorted((row.next_at, row.id) for row in rows if row.state in STATES[:3] and row.id != "f8")
        overdue = await select_follow_ups(tx, FollowUpFilter("overdue"), NUMBER)
        assert [(position.at, position.id) for position in overdue] == open_rows


async def test_pages_stay_while_follow_ups_change(full: Database) -> None:
    """A row that leaves the list, or comes to its beginning, shifts no later page."""
    wanted = FollowUpFilter("waiting")
    async with full.write(W, seconds=SECONDS) as tx:
        whole = [position.id for position in await select_follow_ups(tx, wanted, NUMBER)]
        first = await select_follow_ups(tx, wanted, 20)
        gone = [position.id for position in first[5:15]] + [whole[25]]
        await tx.execute(update(follow_ups).where(follow_ups.c.id.in_(gone)).values(state="sent", decided_at=BASE))
        rest = await select_follow_ups(tx, wanted, NUMBER, after=first[-1])
    assert [position.id for position in rest] == [id for id in whole[20:] if id != whole[25]]


def _reads_all(step: str) -> bool:
    return any(f"Seq Scan on {table}" in step for table in ("follow_ups", "decisions"))


@pytest.mark.parametrize("examined", [7, 40])
async def test_a_page_of_a_channel_examines_so_many_rows(
    full: Database, monkeypatch: pytest.MonkeyPatch, examined: int
) -> None:
    """A page is short, or empty, rather than that it reads on; the pages together are the whole list."""
    monkeypatch.setattr(selection, "MAX_EXAMINED", examined)
    async with full.read(W, seconds=SECONDS) as tx:
        for state, campaign in product((None, "sent", "open", "overdue"), (None, "c3")):
            wanted = FollowUpFilter(state, campaign, channel="sms")
            whole = await select_follow_ups(tx, wanted, NUMBER)
            without = await select_follow_ups(tx, replace(wanted, channel=None), NUMBER)
            found, page = [], await select_page(tx, wanted, 5)
            pages = 1
            while page.next is not None:
                found += page.positions
                page = await select_page(tx, wanted, 5, after=page.next)
                pages += 1
            assert [*found, *page.positions] == whole, wanted
            assert whole, wanted
            assert pages <= len(without) // examined + len(whole) // 5 + 1
