"""Properties of a simulation: repetitions change nothing (M6), and neither does the order of arrival (T5)."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import parse_definition
from connector.simulation import Simulation, SpillStore
from tests.support.builders import BOUGHT, OPENED, ORIGINAL, PUSHED, follow_on

BASE = datetime(2026, 3, 2, 10, tzinfo=UTC)
LAST, DELAY = 50, 60
"""Everything happens in the first fifty minutes, and nothing is due before the sixtieth."""

SAME_SKU = {"event": "make_purchase", "same": ["sku"]}
FOLLOW_ONS = st.fixed_dictionaries(
    {
        "retrigger": st.sampled_from(["ignore", "restart"]),
        "exceptions": st.sampled_from([[], [BOUGHT], [BOUGHT, OPENED], [SAME_SKU], [PUSHED], [PUSHED, BOUGHT]]),
        "eligible_again": st.sampled_from(["always", "never", {"after": "10 minutes"}]),
        "key": st.sampled_from([None, "properties.sku"]),
    }
)


@dataclass(frozen=True)
class Report:
    """Something that happened at minute `t`, and arrives at minute `r`."""

    id: str
    type: str
    t: int
    r: int
    sku: str

    @property
    def item(self) -> dict[str, Any]:
        target = {} if self.type == "make_purchase" else {"campaign": "o"}
        occurred = (BASE + timedelta(minutes=self.t)).isoformat()
        return {
            "id": self.id,
            "user": "u",
            "type": self.type,
            "occurred_at": occurred,
            "properties": {"sku": self.sku},
        } | target


@st.composite
def histories(draw: st.DrawFn, *, late: bool) -> list[Report]:
    """What one user did, at different minutes; reported at once, or late but before anything is due."""
    minutes = draw(st.lists(st.integers(0, LAST), unique=True, max_size=9))
    kinds = st.sampled_from(["receive_push", "receive_push", "make_purchase", "open_push"])
    return [
        Report(f"e{t}", draw(kinds), t, draw(st.integers(t, DELAY - 1)) if late else t, draw(st.sampled_from("AB")))
        for t in minutes
    ]


def simulated(delivery: dict[str, Any], reports: list[Report]) -> list[dict[str, Any]]:
    """Simulate these in order of arrival, until nothing is left to happen."""
    definitions = [ORIGINAL, follow_on("f", PUSHED, delay={"after": f"{DELAY} minutes"}, **delivery)]
    with SpillStore() as scratch:
        simulation = Simulation(Catalogue(), scratch, lambda _: None)
        simulation.apply(*map(parse_definition, definitions))
        simulation.run_to(BASE - timedelta(hours=1))
        simulation.order("publish", ["f", "o"])
        simulation.change_user("u", {"push_tokens": ["t"]})
        for report in sorted(reports, key=lambda report: report.r):
            simulation.run_to(BASE + timedelta(minutes=report.r))
            simulation.ingest(parse_item(report.item))
        simulation.run_to(None)
        simulation.report_waiting()
        return [json.loads(line) for line in simulation.lines()]


def count(outcomes: list[dict[str, Any]], state: str) -> Counter[tuple[Any, ...]]:
    """Those that came to this state, with what called them off."""
    names = ("trigger", "key", "due_at", "exception")
    return Counter(tuple(o.get(name) for name in names) for o in outcomes if o["state"] == state)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(FOLLOW_ONS, histories(late=True))
def test_order_of_arrival_does_not_matter(delivery: dict[str, Any], reports: list[Report]) -> None:
    """T5: items that are reported late, but before any message is due, give the same messages and ends as in order."""
    at_once = simulated(delivery, [replace(report, r=report.t) for report in reports])
    late = simulated(delivery, reports)
    assert count(late, "sent") == count(at_once, "sent")
    assert count(late, "excepted") == count(at_once, "excepted")


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(FOLLOW_ONS, histories(late=True))
def test_each_trigger_is_told_once(delivery: dict[str, Any], reports: list[Report]) -> None:
    """T5: one object for each push, with its final state; nothing still waits."""
    triggers = Counter(o["trigger"] for o in simulated(delivery, reports) if o["state"] != "noted")
    assert triggers == Counter(report.id for report in reports if report.type == "receive_push")


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(FOLLOW_ONS, histories(late=True), st.data())
def test_repetitions_change_nothing(delivery: dict[str, Any], reports: list[Report], data: st.DataObject) -> None:
    """M6: whenever it comes once more, before or after the message, it adds one `duplicate` for a trigger."""
    repeated = data.draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else []
    again = [replace(report, r=report.r + data.draw(st.integers(0, 90))) for report in repeated]
    after = simulated(delivery, [*reports, *again])
    duplicates = [o for o in after if o["reason"] == "duplicate"]
    assert [o for o in after if o not in duplicates] == simulated(delivery, reports)
    assert Counter(o["trigger"] for o in duplicates) == Counter(r.id for r in again if r.type == "receive_push")
    assert {o["state"] for o in duplicates} <= {"refused"}
