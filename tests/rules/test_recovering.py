"""How a follow-up ends whose workflow completed before the store was restored: as that did, and not sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import pytest

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState
from connector.rules.sending.recovering import CompletedWorkflow, end_as_completed
from tests.support.builders import BASE

CLOSED, NOW = BASE + timedelta(hours=1), BASE + timedelta(hours=2)
TRIGGER = LogEntry("e", 1, BASE, BASE, Event(id="e", user="u", type="event", name="looked", occurred_at=BASE))
WAITING = FollowUp("f", "c", 1, 1, "k", "", TRIGGER, BASE, BASE, channels=("email", "push"))
CLAIMED = Delivery("f.email", "email", DeliveryState.CLAIMED, None, BASE)
SENT = Delivery("f.email", "email", DeliveryState.SENT, None, BASE)


class Case(NamedTuple):
    """What the workflow said, what the store has, and how the follow-up ends: its messages, and whether received."""

    state: str
    reason: Reason | None
    channels: tuple[str, ...]
    stored: tuple[Delivery, ...]
    ends: tuple[str, str | None]
    written: dict[str, str]
    is_received: bool


CASES = [
    Case("sent", None, ("push",), (), ("sent", None), {"push": "sent"}, True),
    Case("sent", None, (), (), ("sent", None), {"email": "sent", "push": "sent"}, True),
    Case("sent", None, ("email",), (CLAIMED,), ("sent", None), {"email": "sent"}, True),
    Case("sent", None, ("email", "push"), (SENT,), ("sent", None), {"push": "sent"}, True),
    Case(
        "failed", Reason.SEND_UNKNOWN, (), (CLAIMED,), ("failed", "send_unknown"),
        {"email": "unknown", "push": "unknown"}, True,
    ),
    Case("failed", None, (), (), ("failed", "send_unknown"), {"email": "unknown", "push": "unknown"}, True),
    Case(
        "failed", Reason.SEND_FAILED, (), (), ("failed", "send_failed"), {"email": "failed", "push": "failed"}, False,
    ),
    Case("control", None, (), (), ("control", "control_group"), {}, True),
    Case("excepted", Reason.EXCEPTION, (), (), ("excepted", "exception"), {}, False),
    Case("dropped", Reason.STOPPED, (), (), ("dropped", "stopped"), {}, False),
    Case("dropped", None, (), (), ("dropped", "cancelled_by_operator"), {}, False),
    Case("waiting", None, (), (), ("dropped", "cancelled_by_operator"), {}, False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_ends_as_its_workflow(case: Case) -> None:
    """What was sent, or may have been, counts as received when the workflow closed (guarantee 4, W1, W3)."""
    completed = CompletedWorkflow(State(case.state), case.reason, case.channels, CLOSED)
    found = end_as_completed(WAITING, {one.channel: one for one in case.stored}, completed, NOW)
    assert (found.follow_up.state, found.follow_up.reason, found.follow_up.decided_at) == (*case.ends, NOW)
    assert {one.delivery.channel: one.delivery.state.value for one in found.deliveries} == case.written
    assert {one.delivery.id for one in found.deliveries} == {f"f.{channel}" for channel in case.written}
    assert found.received_at == (CLOSED if case.is_received else None)
