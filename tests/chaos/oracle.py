"""The oracle: `simulate` over what the store recorded, with every message claimed and its result recorded when it was.

Faults delay claims, lose results and close workflows; `verdict` says whether that was right. Given these facts of
each follow-up, its outcome must be what `simulate` decides: which interaction triggered or cancelled it, what was
refused and why, and what went out. In `simulate` a claim has its result at once; here it has it when production
recorded it, because until then the message is being sent, and a further trigger is refused as `already_waiting`. So it
is during an attempt that the provider did not accept: the oracle claims the message then, and releases it.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import DeliveryState, DueMessage
from connector.rules.sending.results import SendResult, decide_release, decide_result
from connector.simulation import Simulation, SpillStore
from connector.simulation.users import SimulatedUser
from tests.chaos.records import Records, Row
from tests.parity.outcomes import MadeIds, Outcomes
from tests.parity.outcomes import Row as OutcomeRow
from tests.parity.simulated import collect_outcomes

_INSTANT = timedelta(microseconds=1)
_ATTEMPT = timedelta(seconds=30)
_NEVER = datetime(2100, 1, 1, tzinfo=UTC)
_ENDED_BY_OTHERS = (Reason.EXCEPTION, Reason.SUPERSEDED, Reason.STOPPED, Reason.CANCELLED_BY_OPERATOR)
"""Follow-ups with these ends were never claimed: the oracle sends one at last unless something ends it."""
_OVERTAKEN = (Reason.SUPERSEDED.value, Reason.ALREADY_WAITING.value)
_OUT = (DeliveryState.SENT.value, DeliveryState.UNKNOWN.value)
_OF_THE_MACHINE = frozenset({"decided_at", "claimed_at", "received_at"})
"""Facts that depend on the faults: when the system did it, and whether an unsent message was ever tried."""


def differences(produced: Outcomes, records: Records, definitions: Sequence[Any]) -> list[str]:
    """Return what only production (-) or only the oracle (+) has."""
    together = _reported_together(records)
    expected = simulate(records, definitions)
    return _comparable(produced, together).differences(_comparable(expected, together))


def simulate(records: Records, definitions: Sequence[Any]) -> Outcomes:
    """Play what was recorded."""
    with SpillStore() as spill:
        oracle = _Oracle(records, spill)
        oracle.simulation.apply(*map(parse_definition, definitions))
        oracle.play()
        oracle.simulation.report_waiting()
        return collect_outcomes(oracle.simulation, [spill.load_user(id) for id in spill.user_ids()], [])


@dataclass(order=True)
class _Event:
    """Something that happens at an instant; of one instant, arrivals come first, then orders, then the rest."""

    at: datetime
    rank: int
    order: tuple[datetime, int]
    act: Callable[[], object] = field(compare=False)


@dataclass(frozen=True)
class _Unaccepted:
    """An attempt at a message that the provider did not accept. Instants are UTC."""

    claimed_at: datetime
    released_at: datetime


class _Oracle:
    """A simulation whose messages are claimed when production claimed them, with the results that it recorded."""

    def __init__(self, records: Records, spill: SpillStore) -> None:
        self._records, self._spill = records, spill
        self.simulation = simulation = Simulation(Catalogue(), spill, lambda _: None)
        self._world: Any = simulation._world
        self._sender: Any = simulation._sender
        self._schedule = self._world.schedule
        self._world.schedule = self._schedule_as_recorded
        self._sender._record = self._record_later
        self._events: list[_Event] = []
        self._rows: dict[str, Row] = {}
        self._unaccepted: dict[str, deque[_Unaccepted]] = {}

    def play(self) -> None:
        """Play what arrived, was ordered, fell due, was recorded or was closed in Temporal, in the order of time."""
        self._events = list(self._recorded_events())
        heapq.heapify(self._events)
        while True:
            due_at = self._world.next_at()
            if self._events and (due_at is None or self._comes_first(self._events[0].at, due_at)):
                event = heapq.heappop(self._events)
                if event.at > self._world.clock:
                    self.simulation.run_to(event.at)
                event.act()
            elif due_at is not None:
                self.simulation.run_to(due_at)
            else:
                return

    def _comes_first(self, at: datetime, due_at: datetime) -> bool:
        """Return whether an event comes before what is due; of one request, nothing is due before all was evaluated."""
        return at < due_at or at <= self._world.clock

    def _recorded_events(self) -> Iterator[_Event]:
        for entry in self._records.reported:
            item = entry.item
            yield _Event(entry.received_at, 0, (entry.t, entry.seq), lambda item=item: self.simulation.ingest(item))
        for order in self._records.orders:
            at = order["ordered_at"]
            yield _Event(at, 1, (at, order["version"]), lambda order=order: self._order(order))
        for number, (trigger, row) in enumerate(self._records.rows):
            if row["reason"] == Reason.CANCELLED_BY_OPERATOR.value:
                at = row["decided_at"]
                yield _Event(at, 2, (at, number), lambda user=trigger[1], row=row: self._close(user, row))

    def _order(self, order: Row) -> None:
        self.simulation.order(order["verb"], order["ids"], allow_missed=True)

    def _close(self, user_id: str, row: Row) -> None:
        """End what the reconciliation ended."""
        user = self._spill.load_user(user_id)
        for id, known in self._rows.items():
            if known["id"] == row["id"] and user.follow_ups[id].is_open:
                now = self._world.clock
                ended = drop(user.with_rest(user.follow_ups[id]), Reason.CANCELLED_BY_OPERATOR, now, now)
                self._world.save(user, ended)
                self._world.outcomes.ended(user, ended)

    def _schedule_as_recorded(
        self, user: SimulatedUser, follow_up: FollowUp, at: datetime, channels: tuple[str, ...]
    ) -> None:
        row = self._row_of(user, follow_up)
        if row is not None:
            if follow_up.id not in self._rows:
                self._rows[follow_up.id] = row
                self._unaccepted[follow_up.id] = deque(self._unaccepted_attempts(user, row))
            if attempts := self._unaccepted[follow_up.id]:
                at = max(at, attempts[0].claimed_at)
            else:
                at = _NEVER if row["reason"] in _ENDED_BY_OTHERS else max(at, self._came_to_it_at(row))
        self._schedule(user, follow_up, at, channels)

    def _row_of(self, user: SimulatedUser, follow_up: FollowUp) -> Row | None:
        made = MadeIds({user.id: user.log})
        trigger = (follow_up.campaign, user.id, follow_up.key, made.name(follow_up.trigger.id) or "")
        same = [
            one
            for one in user.follow_ups.values()
            if (one.campaign, one.key, one.trigger.id) == (follow_up.campaign, follow_up.key, follow_up.trigger.id)
        ]
        rows = self._records.follow_ups.get(trigger, ())
        return rows[len(same) - 1] if len(same) <= len(rows) else None

    def _came_to_it_at(self, row: Row) -> datetime:
        """Return when its message was claimed or dropped."""
        delivery = self._records.deliveries.get(row["id"])
        if delivery is not None and delivery["state"] in _OUT:
            claimed_at: datetime = delivery["claimed_at"]
            return claimed_at
        return row["due_at"] if row["decided_at"] is None else row["decided_at"]

    def _unaccepted_attempts(self, user: SimulatedUser, row: Row) -> Iterator[_Unaccepted]:
        """Yield the attempts before the one that the store shows.

        Of these only the receiver's answer has a time. The claim was made before, and released after it: before and
        after what was refused meanwhile.
        """
        delivery = self._records.deliveries.get(row["id"])
        if delivery is None:
            return
        is_out = delivery["state"] in _OUT
        last = delivery["claimed_at"] if is_out else (row["decided_at"] or _NEVER)
        answers = sorted(at for at in self._records.busy.get(delivery["id"], ()) if at < last)
        waits = self._records.refused_waits.get((row["campaign"], user.id, row["key"]), ())
        since = max(row["due_at"], row["created_at"])
        for at, until in pairwise([*answers, last]):
            before = [wait for wait in waits if max(since, at - _ATTEMPT) < wait < at]
            after = [wait for wait in waits if at <= wait < min(until, at + _ATTEMPT)]
            attempt = _Unaccepted(min([at, *before]) - _INSTANT, max([at, *after]) + _INSTANT)
            since = attempt.released_at
            yield attempt

    def _record_later(self, user: SimulatedUser, follow_up: FollowUp, channel: str, _content: object) -> None:
        """Record a claimed message's result when production did."""
        if attempts := self._unaccepted.get(follow_up.id):
            self._release_later(user, follow_up, channel, attempts.popleft().released_at)
            return
        row, claimed_at = self._rows.get(follow_up.id), self._world.clock
        delivery = self._records.deliveries.get(row["id"]) if row else None
        state, at = DeliveryState.SENT, claimed_at
        if row is not None and delivery is not None and delivery["state"] in _OUT:
            state, at = DeliveryState(delivery["state"]), self._recorded_at(user, row, delivery)
        result = SendResult(state, Reason.SEND_UNKNOWN if state is DeliveryState.UNKNOWN else None)

        def record() -> None:
            current = self._spill.load_user(user.id)
            messages = current.messages.get(follow_up.id, {})
            due = DueMessage(current.follow_ups[follow_up.id], channel, messages)
            now = self._world.clock
            decision = decide_result(due, result, current.profile, dispatched_at=claimed_at, now=now)
            self._sender.apply(current, decision.effects)

        self._push(max(at, claimed_at), record)

    def _release_later(self, user: SimulatedUser, follow_up: FollowUp, channel: str, at: datetime) -> None:
        """Release a claimed message after the provider did not accept it, and let it fall due again."""
        claimed_at = self._world.clock

        def release() -> None:
            current = self._spill.load_user(user.id)
            due = DueMessage(current.follow_ups[follow_up.id], channel, current.messages.get(follow_up.id, {}))
            since = [entry for entry in current.log if entry.t >= follow_up.trigger.t]
            catalogue, now = self._world.catalogue, self._world.clock
            self._sender.apply(current, decide_release(due, claimed_at, "http_503", since, catalogue, now))
            self._world.schedule(current, current.follow_ups[follow_up.id], now, (channel,))

        self._push(max(at, claimed_at), release)

    def _push(self, at: datetime, act: Callable[[], object]) -> None:
        heapq.heappush(self._events, _Event(at, 2, (self._world.clock, len(self._events)), act))

    def _recorded_at(self, user: SimulatedUser, row: Row, delivery: Row) -> datetime:
        """Return when a result was recorded: by its interaction, else by what was refused until then."""
        campaign, decided_at = row["campaign"], delivery["decided_at"]
        if recorded_at := self._records.recorded_at.get((campaign, user.id, delivery["claimed_at"])):
            return recorded_at
        of = (campaign, user.id, row["key"])
        later = [one["created_at"] for trigger, one in self._records.rows if trigger[:3] == of]
        until = min([at for at in later if at > decided_at], default=decided_at + _ATTEMPT)
        waits = self._records.refused_waits.get(of, ())
        return max([decided_at, *(at + _INSTANT for at in waits if decided_at <= at < until)])


def _reported_together(records: Records) -> set[tuple[str, str]]:
    """Return (user, id) of the items that arrived at the instant of another one of their user."""
    arrivals = Counter((entry.item.user, entry.received_at) for entry in records.reported)
    return {
        (entry.item.user, entry.id) for entry in records.reported if arrivals[entry.item.user, entry.received_at] > 1
    }


def _comparable(outcomes: Outcomes, together: Collection[tuple[str, str]]) -> Outcomes:
    """Leave out what depends on the faults, and how a trigger was overtaken by another one of its request.

    Of two triggers in one request, production refuses one, or lets it wait and supersedes it in the same transaction;
    to `simulate` they come one by one. Either way the other one waits.
    """

    def strip(rows: Counter[OutcomeRow]) -> Counter[OutcomeRow]:
        found: Counter[OutcomeRow] = Counter()
        for row, count in rows.items():
            fields = {name: value for name, value in row if name not in _OF_THE_MACHINE}
            if fields.get("reason") in _OVERTAKEN and (fields["user"], fields["trigger"]) in together:
                fields |= {"state": "overtaken", "reason": None, "due_at": None}
            found[tuple(fields.items())] += count
        return found

    was_out = Counter({row: count for row, count in outcomes.deliveries.items() if dict(row)["state"] in _OUT})
    return replace(
        outcomes,
        objects=strip(outcomes.objects),
        deliveries=strip(was_out),
        receipts=strip(outcomes.receipts),
        made=strip(outcomes.made),
    )
