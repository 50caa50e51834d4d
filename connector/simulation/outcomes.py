"""Report each decision as one line; a line whose decision a late arrival changes is removed (T5)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pydantic_core import to_json

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import format_instant
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.launching import is_launched
from connector.rules.triggering.changes import LateException, Refusal
from connector.simulation import sort_keys
from connector.simulation.sort_keys import SortKey
from connector.simulation.spill_store import SpillStore
from connector.simulation.users import SimulatedUser, TriggerKey

Outcome = dict[str, Any]
"""One line: an object of the contract (design 8), its keys in their order, times with Z, fractions only if not zero."""


class Outcomes:
    """Reports the final outcome of each trigger, once. `sort_key` is that of the current event.

    Args:
        with_messages: every outcome also has `messages`: what went out, as rendered, by channel.
    """

    def __init__(self, store: SpillStore, *, with_messages: bool = False) -> None:
        self._store, self._with_messages = store, with_messages
        self.sort_key: SortKey = sort_keys.BEGINNING

    def begun(self, user: SimulatedUser, follow_up: FollowUp) -> None:
        """Remove the line of a trigger that was refused or superseded, and begins a follow-up after all (T5)."""
        self._remove(user, _trigger_key(follow_up))

    def ended(self, user: SimulatedUser, follow_up: FollowUp) -> None:
        """Report that a follow-up has ended, in place of an earlier end; launches are not reported."""
        if is_launched(follow_up):
            return
        self._remove(user, _trigger_key(follow_up))
        user.lines[_trigger_key(follow_up)] = self._write(
            _outcome_of(user, follow_up, follow_up.state), _rendered(user, follow_up)
        )

    def refused(self, user: SimulatedUser, refusal: Refusal, now: datetime) -> None:
        """Report that a trigger began nothing, in place of an earlier reason."""
        trigger = (refusal.campaign, refusal.key, refusal.logged.id)
        self._remove(user, trigger)
        user.lines[trigger] = self._write(_outcome_of_refusal(user, refusal, now))

    def rejected(self, user: SimulatedUser, refusal: Refusal, now: datetime) -> None:
        """Report that a trigger is a duplicate or stale; the line stays, whatever the outcome of the first report."""
        self._write(_outcome_of_refusal(user, refusal, now))

    def noted(self, user: SimulatedUser, late: LateException, now: datetime) -> None:
        """Report an exception that came too late, with its id and the follow-up, which does not change (X1, X3)."""
        outcome = _outcome(user, late.follow_up, "noted", Reason.LATE_EXCEPTION.value, now)
        self._write({**outcome, "exception": late.logged.id}, _rendered(user, late.follow_up))

    def waiting(self, user: SimulatedUser, follow_up: FollowUp) -> None:
        """Report that a follow-up still waits in the end; a partly sent one is held."""
        if not is_launched(follow_up):
            state = State.HELD if follow_up.state is State.SENDING else follow_up.state
            self._write(_outcome_of(user, follow_up, state), _rendered(user, follow_up))

    def lines(self) -> Iterator[str]:
        """Yield all lines as JSON, in the order of the decisions."""
        return self._store.lines()

    def _write(self, outcome: Outcome, rendered: Mapping[str, Any] = MappingProxyType({})) -> int:
        if self._with_messages:
            outcome["messages"] = dict(rendered)
        return self._store.write_line(to_json(outcome).decode(), self.sort_key)

    def _remove(self, user: SimulatedUser, trigger: TriggerKey) -> None:
        line = user.lines.pop(trigger, None)
        if line is not None:
            self._store.remove_line(line)


def _rendered(user: SimulatedUser, follow_up: FollowUp) -> Mapping[str, Any]:
    return user.rendered.get(follow_up.id, {})


def sent_channels(user: SimulatedUser, follow_up: FollowUp) -> tuple[str, ...]:
    """Return the channels on which a follow-up was sent."""
    deliveries = user.messages.get(follow_up.id, {})
    return tuple(delivery.channel for delivery in deliveries.values() if delivery.state is DeliveryState.SENT)


def _trigger_key(follow_up: FollowUp) -> TriggerKey:
    return follow_up.campaign, follow_up.key, follow_up.trigger.id


def _outcome_of(user: SimulatedUser, follow_up: FollowUp, state: State) -> Outcome:
    reason = follow_up.reason.value if follow_up.reason else None
    outcome = _outcome(user, follow_up, state.value, reason, follow_up.decided_at)
    return outcome if state is not State.EXCEPTED else {**outcome, "exception": follow_up.exception_id}


def _outcome_of_refusal(user: SimulatedUser, refusal: Refusal, now: datetime) -> Outcome:
    return {
        **_trigger_facts(user, refusal.campaign, refusal.key, refusal.logged),
        "due_at": None,
        "state": State.REFUSED.value,
        "reason": refusal.reason.value,
        "decided_at": format_instant(now),
        "channels": [],
    }


def _outcome(
    user: SimulatedUser, follow_up: FollowUp, state: str, reason: str | None, decided_at: datetime | None
) -> Outcome:
    return {
        **_trigger_facts(user, follow_up.campaign, follow_up.key, follow_up.trigger),
        "due_at": format_instant(follow_up.due_at),
        "state": state,
        "reason": reason,
        "decided_at": format_instant(decided_at),
        "channels": list(sent_channels(user, follow_up)),
    }


def _trigger_facts(user: SimulatedUser, campaign: str, key: str, trigger: LogEntry) -> Outcome:
    return {
        "campaign": campaign,
        "user": user.id,
        "trigger": trigger.id,
        "key": json.loads(key) if key else None,
        "triggered_at": format_instant(trigger.t),
    }
