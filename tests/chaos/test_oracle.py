"""The oracle of a kill campaign: what was reported together, and what arrived during an attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector.rules.model.interactions import Event, LogEntry
from tests.chaos.oracle import simulate
from tests.chaos.records import Records
from tests.support.builders import BASE, follow_on

CART = {"event": "cart"}
DEBOUNCED = follow_on(
    "f", CART, delay={"after": "3 seconds"}, exceptions=[CART], retrigger="restart", eligible_again="always",
    messages={"webhook": {"url": "https://shop.example/hook"}},
)  # fmt: skip
ARRIVED = BASE + timedelta(seconds=60)


def _cart(id: str, second: float) -> LogEntry:
    t = BASE + timedelta(seconds=second)
    event = Event(id=id, user="u", type="event", name="cart", occurred_at=t)
    return LogEntry(id, int(second * 10), t, ARRIVED, event)


def test_one_request_that_arrives_after_its_due_times() -> None:
    """Of two triggers that restart each other the later one is sent, although the earlier one is due at once."""
    order: dict[str, Any] = {"verb": "publish", "ids": ["f"], "ordered_at": BASE, "version": 1}
    records = Records([_cart("e1", 10.0), _cart("e2", 10.5)], [order], {}, {}, {}, {})
    found = simulate(records, [{"campaign": "o", "delivery": {"type": "external"}}, DEBOUNCED])
    states = {fields["trigger"]: fields["state"] for fields in map(dict, found.objects)}
    assert states == {"e1": "dropped", "e2": "sent"}


def test_a_trigger_during_an_attempt_that_was_not_accepted() -> None:
    """The message is being sent then, so the trigger is refused, although the store has a later attempt's claim."""
    order: dict[str, Any] = {"verb": "publish", "ids": ["f"], "ordered_at": BASE, "version": 1}
    due, busy, refused, claimed = (BASE + timedelta(seconds=second) for second in (13, 19.9, 20.0, 90))
    first, second = replace(_cart("e1", 10), received_at=BASE + timedelta(seconds=10)), _cart("e2", 20)
    follow_up = {"id": "x", "campaign": "f", "key": "", "reason": None, "due_at": due, "created_at": first.received_at,
                 "decided_at": claimed}  # fmt: skip
    delivery = {"id": "x.webhook", "state": "sent", "claimed_at": claimed, "decided_at": claimed}
    records = Records(
        [first, replace(second, received_at=refused)],
        [order],
        {("f", "u", "", "e1"): [follow_up]},
        {"x": delivery},
        {("f", "u", ""): [refused]},
        {},
    )
    definitions = [{"campaign": "o", "delivery": {"type": "external"}}, DEBOUNCED]
    found = simulate(replace(records, busy={"x.webhook": [busy]}), definitions)
    assert {row["trigger"]: row["state"] for row in map(dict, found.objects)} == {"e1": "sent", "e2": "refused"}
    without = simulate(records, definitions)
    assert {row["trigger"]: row["state"] for row in map(dict, without.objects)} == {"e1": "dropped", "e2": "sent"}
