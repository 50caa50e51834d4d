"""The verdict on a campaign: what is lost, sent twice, wrong or unexplained is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.chaos.faults import Interval
from tests.chaos.records import Records
from tests.chaos.verdict import Verdict, evaluate
from tests.support.builders import BASE

LATER = BASE + timedelta(seconds=9)
ROW = {
    "id": "f", "campaign": "waits", "state": "sent", "reason": None, "due_at": BASE, "created_at": BASE,
}  # fmt: skip
DELIVERY = {"id": "f.webhook", "claimed_at": LATER, "decided_at": LATER, "fault": None}
UNKNOWN = {"state": "failed", "reason": "send_unknown"}


@dataclass(frozen=True)
class Case:
    """One follow-up, and what else is known; by default it was sent and received."""

    finding: str
    follow_up: Mapping[str, Any] = field(default_factory=dict)
    delivery: Mapping[str, Any] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=lambda: {"f.webhook": 1})
    facts: Mapping[str, Any] = field(default_factory=dict)


CASES = [
    Case(""),
    Case("lost", received={}),
    Case("lost", {"state": "waiting"}, received={}),
    Case("lost", facts={"accepted": {"e1"}}),
    Case("twice", received={"f.webhook": 2}),
    Case("wrong", received={"f.webhook": 1, "g.webhook": 1}),
    Case("wrong", {"state": "excepted", "reason": "exception"}),
    Case("wrong", UNKNOWN),
    Case("", UNKNOWN, facts={"unanswered": {"f.webhook"}}),
    Case("", UNKNOWN, facts={"intervals": [Interval("worker killed", LATER, LATER)]}),
    Case("wrong", UNKNOWN, facts={"intervals": [Interval("worker killed", BASE, BASE)]}),
    Case("wrong", {"state": "dropped", "reason": "cancelled_by_operator"}, received={}),
    Case("", {"state": "dropped", "reason": "cancelled_by_operator"}, received={}, facts={"terminated": {"f"}}),
    Case("wrong", delivery={"claimed_at": BASE - timedelta(seconds=1)}),
    Case("wrong", facts={"differences": ["- objects: campaign=waits"]}),
]


@pytest.mark.parametrize("case", CASES)
def test_findings(case: Case) -> None:
    """Each planted error is found as what it is, and nothing else is."""
    records = Records(
        reported=[],
        orders=[],
        follow_ups={("waits", "u", "", "e"): [{**ROW, **case.follow_up}]},
        deliveries={"f": {**DELIVERY, **case.delivery}},
        refused_waits={},
        recorded_at={},
    )
    facts = {"accepted": (), "unanswered": (), "terminated": (), "intervals": (), "differences": (), **case.facts}
    verdict = evaluate(records, received=case.received, **facts)
    assert _findings(verdict) == case.finding
    assert verdict.is_clean is (not case.finding)


def _findings(verdict: Verdict) -> str:
    found = {"lost": verdict.lost, "twice": verdict.twice, "wrong": verdict.wrong}
    return " ".join(name for name, lines in found.items() if lines)
