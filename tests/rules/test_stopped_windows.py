"""A follow-up ends with the window in which it began, in any order of arrival (P9, T5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.rules.catalogue.catalogue import Catalogue, Window
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.evaluation import LONG_AGO, Arrival, InMemoryStore, catalogue_of, hour

PUSH, BUY = {"type": "receive_push", "campaign": "o"}, {"type": "make_purchase"}
STOPPED, RESUMED, ALL_ARRIVED = 20, 24, 90
"""Hours. All items arrive after the resume and before anything is due."""


def stopped_once(retrigger: str) -> Catalogue:
    """Return a catalogue of a follow-on with a long delay that was stopped, and resumed four hours later."""
    rules = {"delay": {"after": "100 hours"}, "exceptions": [{"event": "make_purchase"}]}
    live = catalogue_of(ORIGINAL, follow_on("f", [PUSHED], retrigger=retrigger, eligible_again="always", **rules))
    windows = (Window(1, LONG_AGO, hour(STOPPED)), Window(2, hour(RESUMED)))
    return live.with_entries([replace(live.entries["f"], windows=windows)], version=2)


def outcomes(catalogue: Catalogue, arrivals: Sequence[Arrival]) -> dict[str, tuple[str, str | None]]:
    """Return the end of each trigger that began a follow-up and was not superseded, before anything is due."""
    memory = InMemoryStore(catalogue)
    memory.play(arrivals, ALL_ARRIVED)
    ends = {p.trigger.id: (p.state.value, p.exception_id or p.reason) for p in memory.follow_ups.values()}
    return {name: end for name, end in ends.items() if end[1] != "superseded"}


@pytest.mark.parametrize("retrigger", ["ignore", "restart"])
@pytest.mark.parametrize("order", ["a b", "b a"])
def test_a_late_trigger_of_a_closed_window_blocks_none(retrigger: str, order: str) -> None:
    """P9, T5: in event order the stop had ended it, so the trigger after the resume waits."""
    at = {"a": 10, "b": 30}
    arrivals = [Arrival(name, PUSH, at[name], 40 + n, 0) for n, name in enumerate(order.split())]
    assert outcomes(stopped_once(retrigger), arrivals) == {"a": ("dropped", "stopped"), "b": ("waiting", None)}


@pytest.mark.parametrize(("bought", "end"), [(15, ("excepted", "x")), (25, ("dropped", "stopped"))])
@pytest.mark.parametrize("order", ["x a", "x b a", "b x a"])
def test_an_exception_cancels_only_before_the_stop(bought: float, end: tuple[str, str], order: str) -> None:
    """X1, P9: an exception before the stop ends the follow-up; after the stop, the stop has ended it."""
    items = {"a": (PUSH, 10.0), "b": (PUSH, 30.0), "x": (BUY, bought)}
    arrivals = [Arrival(name, *items[name], 40 + n, 0) for n, name in enumerate(order.split())]
    assert outcomes(stopped_once("ignore"), arrivals)["a"] == end


@st.composite
def _stories(draw: st.DrawFn) -> list[tuple[dict[str, str], int, int]]:
    """Draw items around the stop and the resume, each at its own hour, with their places among the arrivals."""
    hours = draw(st.lists(st.integers(1, 39), min_size=2, max_size=8, unique=True))
    places = draw(st.permutations(range(len(hours))))
    return [(draw(st.sampled_from([PUSH, PUSH, BUY])), t, place) for t, place in zip(hours, places, strict=True)]


@settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(_stories(), st.sampled_from(["ignore", "restart"]))
def test_order_of_arrival_changes_nothing_around_a_stop(
    story: list[tuple[dict[str, str], int, int]], retrigger: str
) -> None:
    """T5, P9: the same follow-ups wait in any order of arrival; those that the stop ended stay ended by it."""
    shuffled = [Arrival(f"e{t}", item, t, 40 + place, 0) for item, t, place in story]
    in_order = [replace(arrival, r=40 + place) for place, arrival in enumerate(sorted(shuffled, key=lambda a: a.t))]
    catalogue = stopped_once(retrigger)

    def waiting(arrivals: Sequence[Arrival]) -> dict[str, tuple[str, str | None]]:
        return {name: end for name, end in outcomes(catalogue, arrivals).items() if int(name[1:]) >= STOPPED}

    assert waiting(shuffled) == waiting(in_order)
