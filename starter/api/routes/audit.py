"""`GET /v1/audit`: who did what, from where, when and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from connector.rules.model.audit import AuditAction
from connector.rules.model.values import Instant
from connector.store.audit import AuditFilter
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.routes.follow_ups import Word
from starter.operations.audit import MAX_PAGE, read_audit

router = APIRouter(tags=["audit"])

_MAX_SEQ = 2**63 - 1


@router.get("/v1/audit", dependencies=[Depends(needs(Scope.MANAGE))])
async def read_entries(
    context: ContextHere,
    since: Instant | None = None,
    action: AuditAction | None = None,
    actor: Word = None,
    subject: Word = None,
    before: Annotated[int | None, Query(ge=1, le=_MAX_SEQ)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> dict[str, Any]:
    """List the entries of the audit trail, newest first: orders, drafts, keys, erasures, joins, operator actions.

    An act that goes through Temporal has an entry `requested`, and then one `done` or `refused` with the same `act_id`.
    A user appears by `user_key`; `subject` finds the entries of a user by any id, or by that of a follow-up. `next` is
    the `before` of the next page; null: there is none.
    """
    subjects = None if subject is None else (subject,)
    return await read_audit(context, AuditFilter(since, action, actor, subjects, before), limit)
