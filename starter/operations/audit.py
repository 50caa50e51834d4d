"""Read the audit trail: one page of entries as JSON values, as the API and the command line show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.model.audit import AuditAction
from connector.rules.model.values import format_instant
from connector.store.audit import AuditEntry, AuditFilter, list_audit
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import load_follow_up
from connector.store.users.users import find_user_keys

MAX_PAGE = 1000


@dataclass(frozen=True)
class AuditQuery:
    """Which entries a reader wants; None leaves a criterion out.

    Args:
        since: UTC.
        actor: the id of a key, a user name of the operating system, or a kind of actor.
        subject: the id of a campaign, card or key, or a `user_key`; the id of a user or follow-up selects its user.
        before: the `next` of the previous page.
    """

    since: datetime | None = None
    action: AuditAction | None = None
    actor: str | None = None
    subject: str | None = None
    before: int | None = None


async def read_audit(context: StoreContext, query: AuditQuery, limit: int) -> dict[str, Any]:
    """Return at most `limit` entries, newest first; `next` is for the `before` of the next page, None after the last.

    A user who was erased is found by `user_key` only.
    """
    async with context.database.read(context.workspace) as tx:
        wanted = AuditFilter(query.since, query.action, query.actor, await _subjects(tx, query.subject), query.before)
        found = await list_audit(tx, wanted, limit + 1)
    entries = [view_audit_entry(entry) for entry in found[:limit]]
    return {"entries": entries, "next": entries[-1]["seq"] if len(found) > limit else None}


async def _subjects(tx: Transaction, subject: str | None) -> tuple[str, ...] | None:
    if subject is None:
        return None
    known, _ = await find_user_keys(tx, [subject])
    follow_up = await load_follow_up(tx, subject)
    return subject, *known.values(), *([] if follow_up is None else [follow_up.user_key])


def view_audit_entry(entry: AuditEntry) -> dict[str, Any]:
    """Return one entry; `at` is UTC with `Z`."""
    actor, act = entry.actor, entry.act
    return {
        "seq": entry.seq,
        "at": format_instant(entry.at),
        "actor": {"kind": actor.kind.value, "id": actor.id, "name": entry.key_name},
        "origin": actor.origin,
        "action": act.action.value,
        "subject": act.subject,
        "outcome": act.outcome,
        "reason": act.reason,
        "details": dict(act.details),
        "act_id": act.act_id,
        "request_id": actor.request_id,
    }
