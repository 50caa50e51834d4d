"""The audit trail: entries are appended with the act, complete, and nothing changes or deletes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from connector.rules.model.audit import IN_TEMPORAL, Act, Actor, ActorKind, AuditAction
from connector.store.audit import AuditEntry, AuditFilter, list_audit, record_audit, record_done
from connector.store.engine.database import Database

W = "default"
ALICE = Actor(ActorKind.COMMAND_LINE, "alice", origin="host-1")
SHOP = Actor(ActorKind.KEY, "0123456789ab", origin="10.0.0.7", request_id="r-1")


async def record(database: Database, actor: Actor, *acts: Act, workspace: str = W) -> None:
    async with database.write(workspace) as tx:
        await record_audit(tx, actor, *acts)


async def done(database: Database, action: AuditAction, act_id: str, **subjects: dict[str, object]) -> None:
    async with database.write(W) as tx:
        await record_done(tx, action, act_id, subjects)


async def trail(database: Database, limit: int = 100, **wanted: Any) -> list[AuditEntry]:
    """Return the entries, newest first."""
    async with database.read(W) as tx:
        return await list_audit(tx, AuditFilter(**wanted), limit)


async def test_an_entry_has_everything(database: Database) -> None:
    """Who, from where, what, why, with which outcome; the time is the database's; other workspaces see nothing."""
    act = Act(AuditAction.STOP, "welcome", {"ids": 1, "käse": ["ü"]}, "too many", "requested", "order-1")
    await record(database, SHOP, act)
    await record(database, SHOP, act, workspace="other")
    (entry,) = await trail(database)
    assert (entry.actor, entry.act, entry.key_name) == (SHOP, act, None)
    assert entry.at.utcoffset() == timedelta()


async def test_many_acts_are_one_statement(database: Database) -> None:
    """A batch of joins costs one statement, whatever its size; none at all costs none."""
    acts = [Act(AuditAction.JOIN_USERS, f"user-{number}") for number in range(500)]
    with database.count_statements() as count:
        await record(database, SHOP, *acts)
        await record(database, SHOP)
    assert len([one for one in count.statements if "INTO audit" in one]) == 1
    newest = await trail(database, 2)
    assert [entry.act.subject for entry in newest] == ["user-499", "user-498"]
    assert [entry.act.subject for entry in await trail(database, 1, before=newest[-1].seq)] == ["user-497"]


async def test_filters(database: Database) -> None:
    """By action, actor (an id, or a kind), subject and time."""
    await record(database, ALICE, Act(AuditAction.APPLY, "a"), Act(AuditAction.PUBLISH, "b"))
    await record(database, SHOP, Act(AuditAction.PUBLISH, "c"))
    last = (await trail(database))[0].at

    async def found(**wanted: Any) -> list[str | None]:
        return [entry.act.subject for entry in await trail(database, **wanted)]

    assert await found(action=AuditAction.PUBLISH) == ["c", "b"]
    assert await found(actor="alice") == await found(actor="command_line") == ["b", "a"]
    assert await found(subjects=("a", "c", "nothing")) == ["c", "a"]
    assert await found(subjects=()) == []
    assert await found(since=last + timedelta(seconds=1)) == []


async def test_what_was_requested_is_done_by_its_actor(database: Database) -> None:
    """The entry of the act names the actor and reason of the newest request; a repeated activity adds nothing."""
    request = Act(AuditAction.STOP, "a", {}, "too many", "requested", "order-1")
    await record(database, ALICE, request)
    for _ in range(2):
        await done(database, AuditAction.STOP, "order-1", a={"changed": True}, b={"changed": False})
    entries = await trail(database)
    assert [(entry.act.subject, entry.act.outcome) for entry in entries] == [
        ("b", "done"),
        ("a", "done"),
        ("a", "requested"),
    ]
    assert {(entry.actor, entry.act.reason) for entry in entries} == {(ALICE, "too many")}


async def test_an_act_without_a_request_has_the_actor_temporal(database: Database) -> None:
    """An order given past the starters, in Temporal's own UI, has an entry too."""
    await done(database, AuditAction.PUBLISH, "by-hand", a={})
    (entry,) = await trail(database)
    assert (entry.actor, entry.act.action, entry.act.subject) == (IN_TEMPORAL, AuditAction.PUBLISH, "a")


CHANGES = [
    "UPDATE audit SET reason = 'another'",
    "UPDATE audit SET seq = seq + 1",
    "DELETE FROM audit",
]
PER_DIALECT = {
    "sqlite": ["INSERT OR REPLACE INTO audit SELECT * FROM audit", "REPLACE INTO audit SELECT * FROM audit"],
    "postgresql": [
        "TRUNCATE audit",
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (seq) DO UPDATE SET reason = 'another'",
    ],
}


async def test_the_trail_is_append_only(database: Database) -> None:
    """The database itself refuses every statement that would change or delete an entry."""
    await record(database, ALICE, Act(AuditAction.APPLY, "a"))
    before = await trail(database)
    for statement in [*CHANGES, *PER_DIALECT[database.dialect]]:
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.write(W) as tx:
                await tx.execute(text(statement))
    assert await trail(database) == before
