"""What one item does to a user's follow-ups of one key, in order and out of it (T2, T3, T5, P9, X1 to X4).

`apply_in_order` judges one item in its turn. `apply_late` judges a stretch of a key's items again in event order,
because one of them came late; what has gone out stays as it is. Both give changes; nothing is decided anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.rules.model.follow_up import FollowUp, cancel_by_exception, supersede
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluateTrigger,
    EvaluationScope,
    LateException,
    NewFollowUp,
)
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.replay import Replay


def apply_in_order(
    logged: LogEntry, follow_ups: Sequence[FollowUp], judge: EvaluateTrigger, scope: EvaluationScope
) -> list[Change]:
    """What an item that is newer than all judged before it does to one key: first as an exception, then as a trigger.

    Args:
        follow_ups: this key's follow-ups that are open or were dispatched after the item's time.
    """
    notes: list[Change] = [
        LateException(follow_up, logged)
        for follow_up in follow_ups
        if follow_up.is_dispatched and is_cancelled_by(follow_up, logged, scope.catalogue)
    ]
    standing = next((follow_up for follow_up in follow_ups if follow_up.is_open), None)
    changes: list[Change] = []
    if standing is not None and (ended := scope.end_if_stopped(standing, logged.t)) is not None:
        changes.append(EndedFollowUp(ended))
        standing = None
    called_off = (
        standing is not None and standing.can_be_cancelled and is_cancelled_by(standing, logged, scope.catalogue)
    )
    verdict = judge(logged, None if called_off else standing, False)
    if standing is not None and verdict is Reason.ALREADY_WAITING and (ended := scope.end_if_stale(standing, logged.t)):
        changes.append(EndedFollowUp(ended))
        standing, verdict = None, judge(logged, None, False)
    if standing is not None and isinstance(verdict, FollowUp):
        changes.append(EndedFollowUp(supersede(standing, scope.now, logged.t)))
    elif standing is not None and called_off:
        changes.append(EndedFollowUp(cancel_by_exception(standing, logged, scope.now)))
    if isinstance(verdict, FollowUp):
        changes.append(NewFollowUp(scope.end_if_stopped(verdict, scope.now) or verdict))
    elif isinstance(verdict, Reason):
        changes.append(scope.refuse(logged, verdict))
    return notes + changes


def apply_late(
    items: Sequence[LogEntry],
    late: frozenset[str],
    follow_ups: Sequence[FollowUp],
    judge: EvaluateTrigger,
    scope: EvaluationScope,
) -> list[Change]:
    """Judge one key's items again in event order, and say how the stored follow-ups must change (T5).

    Args:
        items: the user's logged items from the beginning of the first of `follow_ups`, or the first late item, on.
        late: the ids of the items that are judged for the first time.
        follow_ups: this key's follow-ups that had not ended before the first late item.
        judge: for items that were judged before the first late one, what came of them is kept.
    """
    ordered = sorted(items, key=lambda logged: (logged.t, logged.seq))
    replay = Replay(ordered, late, follow_ups, judge, scope)
    for logged in ordered:
        replay.take(logged)
    return replay.changes()
