"""What one user does within an hour, in any order of arrival, and the outcome in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Table, select

from connector.store.engine.database import Database
from connector.store.tables import decisions, follow_ups, interactions, user_aliases
from tests.support.builders import BOUGHT, OPENED, PUSHED, at, follow_on

SEEN = {"event": "seen"}
DELAY: dict[str, Any] = {"delay": {"after": "12 hours"}, "eligible_again": "always"}
FOLLOW_ONS = [
    follow_on("ignores", PUSHED, **DELAY, exceptions=[BOUGHT, OPENED]),
    follow_on("restarts", PUSHED, **DELAY, exceptions=[BOUGHT, OPENED], retrigger="restart"),
    follow_on("debounces", SEEN, **DELAY, exceptions=[SEEN, BOUGHT]),
    follow_on("either", [SEEN, PUSHED], **DELAY, exceptions=[PUSHED]),
    follow_on("keyed", SEEN, **DELAY, key="properties.sku", exceptions=[{**BOUGHT, "same": ["sku"]}]),
    follow_on("keyed-restarts", SEEN, **DELAY, key="properties.sku", exceptions=[BOUGHT], retrigger="restart"),
]
PUSH, OPEN, BUY, SEE = KINDS = (
    {"type": "receive_push", "campaign": "o"},
    {"type": "open_push", "campaign": "o"},
    {"type": "make_purchase"},
    {"type": "event", "name": "seen"},
)

Done = tuple[int, Mapping[str, Any], str]
"""Minute, kind and sku of an item; a user does at most one thing a minute."""

_OF_ITS_OWN = {"user_key", "seq", "created_at", "decided_at", "received_at"}
_users = count()


def new_user() -> str:
    """Return a user whom no database has."""
    return f"u{next(_users)}"


def as_items(user: str, batch: Sequence[Done]) -> list[dict[str, Any]]:
    """Return the batch in wire form; the minute is part of the id."""
    return [
        {**kind, "id": f"{user}-{n}", "user": user, "occurred_at": at(n), "properties": {"sku": sku}}
        for n, kind, sku in batch
    ]


def in_order(batches: Sequence[Sequence[Done]]) -> list[list[Done]]:
    """Return each item once, in its own batch, in event order."""
    each = {done[0]: done for batch in batches for done in batch}
    return [[each[minute]] for minute in sorted(each)]


@st.composite
def draw_batches(draw: st.DrawFn, *, most: int = 7) -> list[list[Done]]:
    """Draw batches in any order of arrival."""
    minutes = draw(st.lists(st.integers(0, 60), min_size=2, max_size=most, unique=True))
    items = [(n, draw(st.sampled_from(KINDS)), draw(st.sampled_from("AB"))) for n in minutes]
    batches: list[list[Done]] = [[]]
    for item in items:
        if draw(st.booleans()) and batches[-1]:
            batches.append([])
        batches[-1].append(item)
    return batches


async def load_outcomes(database: Database, user: str) -> set[tuple[Any, ...]]:
    """Return the outcomes of triggers that started a follow-up, but for those that were superseded."""
    number = len(user) + 1
    return {
        (row.campaign, row.key, row.trigger_id[number:], row.state, (row.exception_id or "")[number:])
        for row in await load_rows(database, follow_ups, user)
        if row.reason != "superseded"
    }


async def load_rows(database: Database, table: Table, user: str) -> Sequence[Any]:
    """Return the user's rows of this table."""
    alias = user_aliases.c
    key = select(alias.user_key).where(alias.external_id == user).scalar_subquery()
    async with database.read("default") as tx:
        return (await tx.execute(select(table).where(table.c.user_key == key))).all()


async def load_written(database: Database, user: str) -> list[list[dict[str, Any]]]:
    """Return the user's follow-ups, refused and log, without what differs by user and by time."""
    tables = (follow_ups, decisions, interactions)
    return [
        sorted((_plain(row._mapping, user) for row in await load_rows(database, table, user)), key=repr)
        for table in tables
    ]


def _plain(row: Mapping[str, Any], user: str) -> dict[str, Any]:
    plain = {name: value for name, value in row.items() if name not in _OF_ITS_OWN}
    if "id" in row and "trigger_id" in row:  # a follow-up's id is a hash of the user's, the log's is the item's
        del plain["id"]
        plain["trigger"] = {name: value for name, value in row["trigger"].items() if name != "seq"}
    return {name: value.removeprefix(user) if isinstance(value, str) else value for name, value in plain.items()}
