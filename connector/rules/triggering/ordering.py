"""What one item does to a user's follow-ups of one key, in order and out of it (T2, T3, T5, P9, X1 to X4).

`step` judges one item in its turn. `fold` judges a stretch of a key's items again in event order, because one of them
came late; what has gone out stays as it is. Both give changes; nothing is decided anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.rules.model.follow_up import Passage, excepted, superseded
from connector.rules.model.interactions import Logged
from connector.rules.model.reasons import Reason
from connector.rules.triggering.changes import Begin, Change, End, Judge, Note, Scope
from connector.rules.triggering.exceptions import calls_off
from connector.rules.triggering.replay import Replay


def step(logged: Logged, passages: Sequence[Passage], judge: Judge, scope: Scope) -> list[Change]:
    """What an item that is newer than all judged before it does to one key: first as an exception, then as a trigger.

    Args:
        passages: this key's follow-ups that are open or were dispatched after the item's time.
    """
    notes: list[Change] = [
        Note(passage, logged) for passage in passages if passage.stands and calls_off(passage, logged, scope.catalogue)
    ]
    standing = next((passage for passage in passages if passage.is_open), None)
    changes: list[Change] = []
    if standing is not None and (ended := scope.stopped_by(standing, logged.t)) is not None:
        changes.append(End(ended))
        standing = None
    called_off = standing is not None and standing.can_be_called_off and calls_off(standing, logged, scope.catalogue)
    verdict = judge(logged, None if called_off else standing, False)
    if standing is not None and verdict is Reason.ALREADY_WAITING and (ended := scope.stale_by(standing, logged.t)):
        changes.append(End(ended))
        standing, verdict = None, judge(logged, None, False)
    if standing is not None and isinstance(verdict, Passage):
        changes.append(End(superseded(standing, scope.now, logged.t)))
    elif standing is not None and called_off:
        changes.append(End(excepted(standing, logged, scope.now)))
    if isinstance(verdict, Passage):
        changes.append(Begin(scope.stopped_by(verdict, scope.now) or verdict))
    elif isinstance(verdict, Reason):
        changes.append(scope.refuse(logged, verdict))
    return notes + changes


def fold(
    items: Sequence[Logged], late: frozenset[str], passages: Sequence[Passage], judge: Judge, scope: Scope
) -> list[Change]:
    """Judge one key's items again in event order, and say how the stored follow-ups must change (T5).

    Args:
        items: the user's logged items from the beginning of the first of `passages`, or the first late item, on.
        late: the ids of the items that are judged for the first time.
        passages: this key's follow-ups that had not ended before the first late item.
        judge: for items that were judged before the first late one, what came of them is kept.
    """
    ordered = sorted(items, key=lambda logged: (logged.t, logged.seq))
    replay = Replay(ordered, late, passages, judge, scope)
    for logged in ordered:
        replay.take(logged)
    return replay.changes()
