"""Operator actions on one follow-up: updates of its workflow, which answers with what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from connector.app.context import AppContext
from connector.rules.model.audit import Actor
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import format_instant
from connector.temporal.follow_up_client import FollowUpClient
from connector.wire import OperationResult, OperatorVerb


async def send_now(context: AppContext, actor: Actor, id: str, *, note: str | None = None) -> dict[str, Any]:
    """Evaluate and send a follow-up now; the rules of its due time still apply.

    Args:
        id: its id, or that of its workflow. note: why, for Temporal's UI and the audit trail.

    Raises:
        FollowUpUnknown: there is none. OperationRefused: it has ended, is being sent, or belongs to a launch.
        FollowUpUnavailable, TemporalUnavailable: there was no answer; it can be repeated.
    """
    return _view(id, "send_now", await _client(context, actor).send_now(id, note=note))


async def postpone(
    context: AppContext,
    actor: Actor,
    id: str,
    *,
    until: datetime | None = None,
    by: timedelta | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Make a follow-up wait until an instant with a time zone, or longer by a duration than it waits now.

    Raises:
        DefinitionError: not exactly one of `until` and `by` is given. Else as `send_now`.
    """
    if (until is None) == (by is None):
        raise DefinitionError([Fault("until", "give either until or by")])
    client = _client(context, actor)
    if until is None:
        until = (await client.find(id)).next_at + (by or timedelta())
    return _view(id, "postpone", await client.postpone(id, until, note=note))


async def cancel(context: AppContext, actor: Actor, id: str, *, note: str | None = None) -> dict[str, Any]:
    """End a follow-up as `dropped: cancelled_by_operator`, or as `sent` if a channel went out. Raises as `send_now`."""
    return _view(id, "cancel", await _client(context, actor).cancel(id, note=note))


def _client(context: AppContext, actor: Actor) -> FollowUpClient:
    return FollowUpClient(context.database, context.workspace, context.temporal.client, actor)


def _view(id: str, verb: OperatorVerb, operated: OperationResult) -> dict[str, Any]:
    result = {**operated.model_dump(exclude={"done"}), "next_at": format_instant(operated.next_at)}
    return {"id": id, "update": verb, **result}
