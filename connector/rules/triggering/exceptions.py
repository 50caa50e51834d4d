"""Exceptions: whether an item cancels a follow-up (X1 to X4)."""

from __future__ import annotations

from collections.abc import Sequence

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, cancel_by_exception
from connector.rules.model.interactions import Interaction, LogEntry
from connector.rules.model.times import is_at, is_before
from connector.rules.targeting.matching import has_same_properties, matches, passes_robot_filter
from connector.rules.triggering.changes import Change, EvaluationScope, LateException


def is_cancelled_by(follow_up: FollowUp, logged: LogEntry, catalogue: Catalogue) -> bool:
    """Return whether the item is an exception of the follow-up with t in [trigger, dispatch) (X1, X2).

    The exceptions are those of the revision that the follow-up began with (P10). Each channel has its own dispatch: if
    some are still to come, True means that these end. If none is, the exception is late. A time in whole seconds means
    that second (M8), at the due instant too; only times that are equal as given are both "exactly at the trigger's
    instant".
    """
    return _is_in_time(follow_up, logged) and _is_exception(follow_up, logged, catalogue)


def is_late_exception(follow_up: FollowUp, logged: LogEntry, catalogue: Catalogue) -> bool:
    """Return whether the item is an exception from before the dispatch of a message that went out (X1)."""
    return (
        follow_up.is_dispatched
        and _is_before_dispatch(follow_up, logged)
        and is_cancelled_by(follow_up, logged, catalogue)
    )


def late_exceptions(logged: LogEntry, follow_ups: Sequence[FollowUp], scope: EvaluationScope) -> list[Change]:
    """Return a change for each of the follow-ups for which the item is a late exception (X1)."""
    return [
        LateException(follow_up, logged)
        for follow_up in follow_ups
        if is_late_exception(follow_up, logged, scope.catalogue)
    ]


def end_by_exception(follow_up: FollowUp | None, logged: LogEntry, scope: EvaluationScope) -> FollowUp | None:
    """Return the follow-up as ended by the item, wholly or for its channels still to come; None if it is not ended."""
    if follow_up is None or not follow_up.can_be_ended or not is_cancelled_by(follow_up, logged, scope.catalogue):
        return None
    return cancel_by_exception(follow_up, logged, scope.now)


def _is_in_time(follow_up: FollowUp, logged: LogEntry) -> bool:
    began = follow_up.trigger.t
    if logged.id == follow_up.trigger.id or is_before(logged.t, began) or is_at(logged.t, follow_up.next_at):
        return False
    if logged.t == began and not _has_trigger_target(follow_up, logged):
        return False
    return follow_up.can_be_ended or _is_before_dispatch(follow_up, logged)


def _is_before_dispatch(follow_up: FollowUp, logged: LogEntry) -> bool:
    return follow_up.dispatched_at is not None and is_before(logged.t, follow_up.dispatched_at)


def _has_trigger_target(follow_up: FollowUp, logged: LogEntry) -> bool:
    trigger, item = follow_up.trigger.item, logged.item
    return (
        isinstance(trigger, Interaction)
        and isinstance(item, Interaction)
        and (trigger.campaign, trigger.card) == (item.campaign, item.card)
    )


def _is_exception(follow_up: FollowUp, logged: LogEntry, catalogue: Catalogue) -> bool:
    entry = catalogue.entries.get(follow_up.campaign)
    follow_on = entry.follow_on(entry.revision(follow_up.revision)) if entry else None
    if follow_on is None or not passes_robot_filter(logged.item, catalogue.workspace.robots):
        return False
    properties, trigger_properties = logged.item.properties, follow_up.trigger.item.properties
    return any(
        matches(logged.item, condition) and has_same_properties(properties, trigger_properties, condition.same)
        for condition in follow_on.exceptions
    )
