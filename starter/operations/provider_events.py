"""Providers' events that match no delivery: listed without their recipients, and matched again.

Matching again may change follow-ups, consent and suppressed addresses, so that it leaves entries in the audit trail.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from connector.app.context import AppContext
from connector.app.store_context import StoreContext
from connector.provider_events.intake import RetryResult, open_provider_event_intake
from connector.rules.model.audit import Act, Actor, AuditAction, Outcome
from connector.rules.model.values import canonical_json, format_instant
from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY
from connector.store.audit import record_audit
from connector.store.engine.database import LONG_SECONDS
from connector.store.follow_ups.selection import Position
from connector.store.provider_events import events as stored
from connector.store.provider_events.events import UnmatchedEvent, count_unmatched, newest_unmatched
from starter.operations.cursors import read_cursor, write_cursor

MAX_PAGE = 1000
MAX_CURSOR_CHARACTERS = 4000
"""A cursor names an event by its id, which providers make."""


async def list_provider_events(
    context: StoreContext,
    *,
    provider: str | None = None,
    reason: Unmatched | None = None,
    limit: int = 100,
    after: str | None = None,
) -> dict[str, Any]:
    """Return the events that match nothing, the newest received first, and their numbers by provider and reason.

    Recipients are personal data, and are not shown. The numbers are those of all events that the filters select.

    Args:
        after: `next` of the previous page. Its filters must be the same.

    Raises:
        DefinitionError: the cursor is wrong. StoreUnavailable.
    """
    of_list = canonical_json(["provider_events", provider, reason])
    position = None if after is None else _read_position(after, of_list)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts = await count_unmatched(tx, provider=provider, reason=reason)
        found = await newest_unmatched(tx, provider=provider, reason=reason, after=position, limit=limit + 1)
    return {
        "counts": [{"provider": name, "reason": why, "count": number} for name, why, number in counts],
        "reports": [_view(one) for one in found[:limit]],
        "has_more": len(found) > limit,
        "next": _write_position(found[limit - 1], of_list) if len(found) > limit else None,
    }


async def match_provider_events(
    context: AppContext, actor: Actor, *, provider: str | None = None, note: str | None = None, after: str | None = None
) -> dict[str, Any]:
    """Match the oldest unmatched events again, of one provider or of all, some thousands at a time.

    The audit trail has an entry before the work and one after it.

    Args:
        after: `next` of the result before; None: from the oldest event on.

    Raises:
        DefinitionError: the cursor is wrong. StoreUnavailable: some events may have been matched; repeat it.
    """
    of_list = canonical_json(["match_provider_events", provider])
    position = stored.BEGINNING if after is None else _read_position(after, of_list)
    act_id = uuid4().hex
    intake = open_provider_event_intake(context.settings, context.database, context.cache, context.intake)
    await _record(context, actor, provider, note, "requested", act_id, {})
    matched = await intake.retry(provider, after=position)
    numbers = _numbers(matched)
    await _record(context, actor, provider, note, "done", act_id, numbers)
    context.outbox.nudge()
    following = None if matched.next is None else _cursor(matched.next, of_list)
    return {**numbers, "has_more": following is not None, "next": following}


async def _record(
    context: StoreContext,
    actor: Actor,
    provider: str | None,
    note: str | None,
    outcome: Outcome,
    act_id: str,
    details: dict[str, int],
) -> None:
    act = Act(AuditAction.RETRY_REPORTS, provider, details, note, outcome, act_id)
    async with context.database.write(context.workspace, lock="none") as tx:
        await record_audit(tx, actor, act)


def _numbers(matched: RetryResult) -> dict[str, int]:
    return {"led_back": matched.led_back, "dropped": matched.dropped, "left": matched.left}


def _view(unmatched: UnmatchedEvent) -> dict[str, Any]:
    """Return one event without its recipient, which is personal data."""
    event = unmatched.event
    return {
        "provider": event.provider,
        "id": unmatched.key[1],
        "kind": event.happened.value,
        "at": format_instant(event.at),
        "received_at": format_instant(unmatched.received_at),
        "reason": unmatched.reason.value,
        "campaign": event.arguments.get(CAMPAIGN),
        "delivery": event.arguments.get(DELIVERY),
    }


def _write_position(unmatched: UnmatchedEvent, of_list: str) -> str:
    return _cursor((unmatched.received_at, *unmatched.key), of_list)


def _cursor(position: stored.Position, of_list: str) -> str:
    return write_cursor(Position(position[0], json.dumps(position[1:])), of_list)


def _read_position(cursor: str, of_list: str) -> stored.Position:
    position = read_cursor(cursor, of_list)
    provider, id = json.loads(position.id)
    return position.at, provider, id
