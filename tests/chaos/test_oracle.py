"""The oracle of a kill campaign: what was reported together is evaluated together."""

from __future__ import annotations

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
