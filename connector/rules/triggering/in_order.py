"""Evaluate an item that is newer than all before it, for the follow-ups of one key (T2, T3, P9, X1 to X4)."""

from __future__ import annotations

from collections.abc import Sequence

from connector.rules.model.follow_up import FollowUp, supersede
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluateTrigger,
    EvaluationScope,
    NewFollowUp,
)
from connector.rules.triggering.exceptions import end_by_exception, late_exceptions


def apply_in_order(
    logged: LogEntry, follow_ups: Sequence[FollowUp], evaluate: EvaluateTrigger, scope: EvaluationScope
) -> list[Change]:
    """Return the changes of an item that is newer than all before it: first as an exception, then as a trigger (T3).

    Args:
        follow_ups: this key's follow-ups that are open or were dispatched after the item's time.
    """
    blocking = next((follow_up for follow_up in follow_ups if follow_up.is_open), None)
    changes: list[Change] = late_exceptions(logged, follow_ups, scope)
    if blocking is not None and (ended := scope.end_if_stopped(blocking, logged.t)) is not None:
        changes.append(EndedFollowUp(ended))
        blocking = ended if ended.is_open else None
    cancelled = end_by_exception(blocking, logged, scope)
    outcome = evaluate(logged, blocking if cancelled is None or cancelled.is_open else None, False)
    if blocking is not None and outcome is Reason.ALREADY_WAITING and (ended := scope.end_if_stale(blocking, logged.t)):
        changes.append(EndedFollowUp(ended))
        blocking, outcome = None, evaluate(logged, None, False)
    if blocking is not None and isinstance(outcome, FollowUp):
        changes.append(EndedFollowUp(supersede(blocking, scope.now, logged.t)))
    elif cancelled is not None:
        changes.append(EndedFollowUp(cancelled))
    if isinstance(outcome, FollowUp):
        changes.append(NewFollowUp(scope.end_if_stopped(outcome, scope.now) or outcome))
    elif isinstance(outcome, Reason):
        changes.append(scope.refuse(logged, outcome))
    return changes
