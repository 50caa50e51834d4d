"""The audit trail: entries are appended and read; triggers of the database refuse to change or delete them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, true

from connector.rules.model.audit import IN_TEMPORAL, Act, Actor, ActorKind, AuditAction
from connector.store.engine.bulk import as_table, in_set, insert_into
from connector.store.engine.transaction import Transaction, clock
from connector.store.tables import audit, keys

_BY_KEY = (ActorKind.KEY.value, ActorKind.CONSOLE.value)
"""The kinds of actor whose id is the id of a key."""


@dataclass(frozen=True)
class AuditEntry:
    """One entry. `at` is UTC by the database's clock; `key_name` is the name of the actor's key, None for others."""

    seq: int
    at: datetime
    actor: Actor
    key_name: str | None
    act: Act


@dataclass(frozen=True)
class AuditFilter:
    """Which entries to read; None leaves a criterion out.

    Args:
        since: entries from this instant on, UTC.
        actor: the id of a key, a user name of the operating system, or a kind of actor.
        subjects: entries about one of these ids of campaigns, cards or keys, or of these surrogate keys of users.
        before: entries older than the one with this `seq`.
    """

    since: datetime | None = None
    action: AuditAction | None = None
    actor: str | None = None
    subjects: tuple[str, ...] | None = None
    before: int | None = None


async def record_audit(tx: Transaction, actor: Actor, *acts: Act) -> None:
    """Append one entry for each act, in their order and in one statement, in the transaction of the acts themselves."""
    if not acts:
        return
    rows = [
        {
            "workspace": tx.workspace,
            "actor_kind": actor.kind.value,
            "actor_id": actor.id,
            "origin": actor.origin,
            "request_id": actor.request_id,
            "action": act.action.value,
            "subject": None if act.subject is None else _storable(act.subject),
            "details": dict(act.details),
            "reason": act.reason,
            "outcome": act.outcome,
            "act_id": act.act_id,
        }
        for act in acts
    ]
    types = {name: audit.c[name].type for name in rows[0]}
    entries = select(*as_table(tx, types, rows).c, clock(tx)).where(true())
    await tx.execute(insert_into(tx, audit).from_select([*types, "at"], entries, include_defaults=False))


async def record_done(
    tx: Transaction, action: AuditAction, act_id: str, subjects: Mapping[str, Mapping[str, Any]]
) -> None:
    """Append that a requested act was done, by the actor and with the reason of its newest request.

    The activity that commits the act calls this in its transaction, so that nothing takes effect without an entry. If
    no one requested it, the actor is `temporal`. A repeated call appends nothing.

    Args:
        subjects: what the act changed, each with the details of its entry.
    """
    of_act = select(audit).where(tx.in_workspace(audit), audit.c.act_id == act_id, audit.c.action == action.value)
    newest = (await tx.execute(of_act.order_by(audit.c.seq.desc()).limit(1))).mappings().one_or_none()
    if newest is not None and newest["outcome"] == "done":
        return
    actor, reason = (IN_TEMPORAL, None) if newest is None else (_entry(newest).actor, newest["reason"])
    acts = [Act(action, subject, details, reason, "done", act_id) for subject, details in subjects.items()]
    await record_audit(tx, actor, *acts)


async def list_audit(tx: Transaction, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
    """Load at most `limit` entries, newest first."""
    columns = audit.c
    criteria = [
        None if wanted.since is None else columns.at >= wanted.since,
        None if wanted.action is None else columns.action == wanted.action.value,
        None if wanted.actor is None else (columns.actor_id == wanted.actor) | (columns.actor_kind == wanted.actor),
        None if wanted.subjects is None else in_set(tx, columns.subject, wanted.subjects),
        None if wanted.before is None else columns.seq < wanted.before,
    ]
    key_of_actor = (keys.c.workspace == columns.workspace) & (keys.c.id == columns.actor_id)
    statement = (
        select(audit, keys.c.name.label("key_name"))
        .outerjoin(keys, key_of_actor & columns.actor_kind.in_(_BY_KEY))
        .where(tx.in_workspace(audit), *(one for one in criteria if one is not None))
        .order_by(columns.seq.desc())
        .limit(limit)
    )
    return [_entry(row) for row in (await tx.execute(statement)).mappings()]


def _storable(subject: str) -> str:
    """Return an unchecked id, such as that of a refused order, in a form that a column can hold."""
    return subject.encode(errors="replace").decode().replace("\0", "?")[:255]


def _entry(row: RowMapping) -> AuditEntry:
    actor = Actor(ActorKind(row["actor_kind"]), row["actor_id"], row["origin"], row["request_id"])
    act = Act(AuditAction(row["action"]), row["subject"], row["details"], row["reason"], row["outcome"], row["act_id"])
    return AuditEntry(row["seq"], row["at"], actor, row.get("key_name"), act)
