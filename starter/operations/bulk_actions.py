"""Actions on many follow-ups: their parameters, the checks of these, and which follow-ups they select."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import canonical_json, format_instant
from connector.rules.sending.operating import BulkVerb
from connector.store.follow_ups.selection import OPEN, OVERDUE
from starter.operations.follow_ups import Criteria, check_criteria

MAX_ACTED_ON = 500
"""The most follow-ups of one page."""

_OPEN_STATES = (OPEN, OVERDUE, State.WAITING, State.HELD, State.SENDING)
_CONCERNS_FAILED = {"resend": ("is sent again", Reason.SEND_FAILED), "resolve": ("is settled", Reason.SEND_UNKNOWN)}
"""The actions on failed follow-ups: their words, and the reason that they select if the criteria name none."""


@dataclass(frozen=True)
class BulkAction:
    """An action on all follow-ups that match the criteria, or on those of these ids.

    Args:
        to: for `postpone`: the new time, or how long after its original due time each waits at least.
        note: why, for the audit trail; for `resolve`: how the operator knows.
        ids: at most 500; what the action does not concern among them is refused. The criteria then select nothing.
        was_sent: for `resolve`: whether the messages whose results are unknown were sent.
    """

    verb: BulkVerb | Literal["resend", "resolve"]
    criteria: Criteria
    to: datetime | timedelta | None = None
    note: str | None = None
    ids: tuple[str, ...] = ()
    was_sent: bool | None = None

    @property
    def digest(self) -> str:
        """A text that differs between actions, for cursors."""
        to = format_instant(self.to) if isinstance(self.to, datetime) else self.to and self.to.total_seconds()
        said = [] if self.was_sent is None else [self.was_sent]
        return canonical_json([self.verb, self.criteria.digest, to, *said, *self.ids])


def check_action(action: BulkAction, now: datetime) -> None:
    """Raise DefinitionError if the action selects too much, or states that it never concerns, or lacks a parameter.

    Args:
        now: UTC; a follow-up cannot be postponed until before it.
    """
    faults = []
    if len(action.ids) > MAX_ACTED_ON:
        faults.append(Fault("ids", f"are {len(action.ids)}, and at most {MAX_ACTED_ON} are possible"))
    if not action.ids and action.criteria.campaign is None and action.criteria.user is None:
        faults.append(Fault("campaign", "name the campaign or the user: no action concerns all of a workspace"))
    faults += _find_foreign_criteria(action)
    if action.verb == "postpone" and action.to is None:
        faults.append(Fault("until", "say until when, or by how much"))
    if isinstance(action.to, datetime) and action.to <= now:
        faults.append(Fault("until", f"{format_instant(action.to)} has passed; to send at once, use send_now"))
    if action.verb == "resolve" and action.was_sent is None:
        faults.append(Fault("sent", "say whether the messages were sent"))
    if action.verb == "resolve" and not action.note:
        faults.append(Fault("note", "say how you know, for the audit trail"))
    if faults:
        raise DefinitionError(faults)
    check_criteria(action.criteria)


def _find_foreign_criteria(action: BulkAction) -> Iterator[Fault]:
    """Yield a fault of the state or the reason if the action never concerns follow-ups that have it."""
    state, reason = action.criteria.state, action.criteria.reason
    words, _ = _CONCERNS_FAILED.get(action.verb, ("", None))
    if words and state not in (None, State.FAILED):
        yield Fault("state", f"only what failed {words}, not what is {state}")
    if not words and state is not None and state not in _OPEN_STATES:
        yield Fault("state", f"what is {state} has ended: choose one of {', '.join(_OPEN_STATES)}")
    if action.verb == "resolve" and reason not in (None, Reason.SEND_UNKNOWN):
        yield Fault("reason", f"only what is {Reason.SEND_UNKNOWN} is settled, not what is {reason}")


def select_criteria(action: BulkAction) -> Criteria:
    """Return the criteria with the state and the reason that the action concerns if they name none."""
    given = action.criteria
    if action.verb in _CONCERNS_FAILED:
        return replace(given, state="failed", reason=given.reason or _CONCERNS_FAILED[action.verb][1])
    return given if given.state is not None else replace(given, state="open")
