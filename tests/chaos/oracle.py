"""The oracle: `simulate` over what the store recorded, with every message claimed when it really was.

Faults delay claims, lose results and close workflows; whether that was right is judged elsewhere. Given these three
facts of each follow-up, its outcome must be what `simulate` decides: which interaction triggered or cancelled it, what
was refused and why, and what went out. A message is claimed as of its attempt's start, so an interaction that arrived
while the claim was being committed was evaluated before it: such a trigger was refused as `already_waiting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.results import SendResult, decide_result
from connector.simulation import Simulation, SpillStore
from connector.simulation.users import SimulatedUser
from tests.chaos.records import Records, Trigger
from tests.parity.outcomes import MadeIds, Outcomes, Row
from tests.parity.simulated import collect_outcomes

_INSTANT = timedelta(microseconds=1)
_OUT = (DeliveryState.SENT.value, DeliveryState.UNKNOWN.value)
_OF_THE_MACHINE = frozenset({"decided_at", "claimed_at", "received_at"})
"""When the system came to it depends on the faults."""


def differences(produced: Outcomes, records: Records, definitions: Sequence[Any]) -> list[str]:
    """Return what only production (-) or only the oracle (+) has."""
    return _without_instants(produced).differences(_without_instants(simulate(records, definitions)))


def simulate(records: Records, definitions: Sequence[Any]) -> Outcomes:
    """Play what was recorded."""
    with SpillStore() as spill:
        oracle = _Oracle(records, spill)
        oracle.simulation.apply(*map(parse_definition, definitions))
        for at, act in oracle.events():
            oracle.simulation.run_to(at)
            act()
        oracle.simulation.run_to(None)
        oracle.simulation.report_waiting()
        return collect_outcomes(oracle.simulation, [spill.load_user(id) for id in spill.user_ids()], [])


class _Oracle:
    """A simulation whose messages are claimed when production claimed them, with the results that it recorded."""

    def __init__(self, records: Records, spill: SpillStore) -> None:
        self._records, self._spill = records, spill
        self.simulation = simulation = Simulation(Catalogue(), spill, lambda _: None)
        self._world: Any = simulation._world
        self._sender: Any = simulation._sender
        self._schedule, self._deliver, self._record = self._world.schedule, self._sender.deliver, self._sender._record
        self._world.schedule = self._schedule_as_recorded
        self._sender.deliver = self._deliver_as_recorded
        self._sender._record = self._record_as_recorded
        self._rows: dict[str, RowMapping] = {}

    def events(self) -> Iterator[tuple[datetime, Callable[[], object]]]:
        """Yield what arrived, was ordered, or was closed in Temporal, in the order of time."""
        records = self._records
        events: list[tuple[datetime, int, int, Callable[[], object]]] = []
        for entry in records.reported:
            events.append((entry.received_at, 0, entry.seq, lambda item=entry.item: self.simulation.ingest(item)))
        for order in records.orders:
            events.append((order["ordered_at"], 1, order["version"], lambda order=order: self._order(order)))
        for trigger, row in records.rows:
            if row["reason"] == Reason.CANCELLED_BY_OPERATOR.value:
                events.append((row["decided_at"], 2, len(events), lambda t=trigger, row=row: self._close(t, row)))
        for at, _, _, act in sorted(events, key=lambda event: event[:3]):
            yield at, act

    def _order(self, order: RowMapping) -> None:
        self.simulation.order(order["verb"], order["ids"], allow_missed=True)

    def _close(self, trigger: Trigger, row: RowMapping) -> None:
        """End what the reconciliation ended."""
        user = self._spill.load_user(trigger[1])
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
            self._rows[follow_up.id] = row
            at = max(at, self._came_to_it_at(user, row))
        self._schedule(user, follow_up, at, channels)

    def _row_of(self, user: SimulatedUser, follow_up: FollowUp) -> RowMapping | None:
        made = MadeIds({user.id: user.log})
        trigger = (follow_up.campaign, user.id, follow_up.key, made.name(follow_up.trigger.id) or "")
        same = [
            one
            for one in user.follow_ups.values()
            if (one.campaign, one.key, one.trigger.id) == (follow_up.campaign, follow_up.key, follow_up.trigger.id)
        ]
        rows = self._records.follow_ups.get(trigger, ())
        return rows[len(same) - 1] if len(same) <= len(rows) else None

    def _came_to_it_at(self, user: SimulatedUser, row: RowMapping) -> datetime:
        """Return when its message was claimed, or just after it had ended without."""
        delivery = self._records.deliveries.get(row["id"])
        if delivery is not None and delivery["state"] in _OUT:
            waits = self._records.refused_waits.get((row["campaign"], user.id, row["key"]), ())
            meanwhile = [at for at in waits if delivery["claimed_at"] <= at <= delivery["decided_at"]]
            return max([delivery["claimed_at"], *(at + _INSTANT for at in meanwhile)])
        if row["decided_at"] is None:
            return row["due_at"]
        cancelled_at = self._records.received_at.get((user.id, row["exception_id"]), row["decided_at"])
        return max(row["decided_at"], cancelled_at) + _INSTANT

    def _deliver_as_recorded(self, user: SimulatedUser, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
        """Claim as of the attempt's start, as production does."""
        row, reached = self._rows.get(follow_up.id), self._world.clock
        delivery = self._records.deliveries.get(row["id"]) if row else None
        if delivery is not None and delivery["state"] in _OUT:
            self._world.clock = delivery["claimed_at"]
        self._deliver(user, follow_up, channels)
        self._world.clock = reached

    def _record_as_recorded(self, user: SimulatedUser, follow_up: FollowUp, channel: str, content: Any) -> None:
        row = self._rows.get(follow_up.id)
        delivery = self._records.deliveries.get(row["id"]) if row else None
        if delivery is None or delivery["state"] != DeliveryState.UNKNOWN.value:
            self._record(user, follow_up, channel, content)
            return
        now = self._world.clock
        result = SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN)
        from connector.simulation.sending import _due_message

        due = _due_message(user, follow_up, channel)
        self._sender.apply(user, decide_result(due, result, user.profile, dispatched_at=now, now=now).effects)


def _without_instants(outcomes: Outcomes) -> Outcomes:
    def strip(rows: Counter[Row]) -> Counter[Row]:
        found: Counter[Row] = Counter()
        for row, count in rows.items():
            found[tuple((name, value) for name, value in row if name not in _OF_THE_MACHINE)] += count
        return found

    return replace(
        outcomes,
        objects=strip(outcomes.objects),
        deliveries=strip(outcomes.deliveries),
        receipts=strip(outcomes.receipts),
        made=strip(outcomes.made),
    )
