"""Read the audit trail: one page of entries as JSON values, as the API and the command line show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.model.values import format_instant
from connector.store.audit import AuditEntry, AuditFilter, list_audit
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import load_follow_up
from connector.store.users.users import find_user_keys

MAX_PAGE = 1000


async def read_audit(context: StoreContext, wanted: AuditFilter, limit: int) -> dict[str, Any]:
    """Return at most `limit` entries, newest first; `next` is for the `before` of the next page, None after the last.

    Among the subjects wanted, the id of a user or follow-up selects its user; a user who was erased is found by
    `user_key` only.
    """
    async with context.database.read(context.workspace) as tx:
        found = await list_audit(tx, replace(wanted, subjects=await _with_user_keys(tx, wanted.subjects)), limit + 1)
    entries = [view_audit_entry(entry) for entry in found[:limit]]
    has_more = len(found) > limit
    return {"entries": entries, "has_more": has_more, "next": entries[-1]["seq"] if has_more else None}


async def _with_user_keys(tx: Transaction, subjects: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not subjects:
        return subjects
    known, _ = await find_user_keys(tx, subjects)
    follow_ups = [await load_follow_up(tx, subject) for subject in subjects]
    return *subjects, *known.values(), *(one.user_key for one in follow_ups if one is not None)


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
