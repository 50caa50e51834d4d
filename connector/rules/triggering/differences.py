"""Compare the follow-ups of a replay with the stored rows (T5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp, supersede
from connector.rules.model.reasons import Reason, State
from connector.rules.triggering.changes import Change, EndedFollowUp
from connector.rules.triggering.overtaken import never_waited


def compare_with_stored(
    replayed: Sequence[FollowUp], stored: dict[str, FollowUp], now: datetime
) -> tuple[list[Change], list[FollowUp]]:
    """Return the changes of the stored rows, and the replayed follow-ups that need a row of their own.

    Args:
        replayed: the follow-ups that the replay ended, and the open one, if any.
        stored: the rows that may change, by trigger. A row whose trigger was not replayed is superseded.
        now: UTC.
    """
    left = dict(stored)
    ends: list[Change] = []
    begun: list[FollowUp] = []
    for follow_up in replayed:
        before = left.pop(follow_up.trigger.id, None)
        if before is None:
            begun.append(follow_up)
        elif before.is_open and follow_up.is_open:
            continue
        elif follow_up.is_open:
            if before.id != follow_up.id:
                ends.append(EndedFollowUp(supersede(before, now, before.trigger.t)))
            begun.append(follow_up)
        elif _end_of(before) != _end_of(follow_up):
            same_row = replace(follow_up, id=before.id, due_at=before.due_at, next_at=before.next_at)
            ends.append(EndedFollowUp(same_row))
    ends += [EndedFollowUp(supersede(row, now, row.trigger.t)) for row in left.values() if not never_waited(row)]
    return ends, begun


def _end_of(follow_up: FollowUp) -> tuple[State, Reason | None, str | None, datetime | None]:
    return follow_up.state, follow_up.reason, follow_up.exception_id, follow_up.exception_at
