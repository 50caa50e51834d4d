"""In any order of arrival, follow-ups that are not yet due have the outcome of the rules played in event order (T5).

`play_in_order` is an oracle of its own: it reads behaviour.md and the definition, and calls none of the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.rules.model.reasons import Reason, State
from tests.support.builders import follow_on
from tests.support.evaluation import Arrival, InMemoryStore, catalogue_of

DELAY = 100
"""Hours. All happens within fifty hours and arrives within a hundred, so that nothing is due before the end."""
RECEIVED = -20
"""The hour of an earlier message, so that `eligible_again: {after: 40 hours}` refuses the triggers before hour 20."""

Outcome = tuple[str, str]
"""The state, and the reason or the exception's id."""

CART, VIEW, BUY = ITEMS = (
    {"type": "event", "name": "cart"},
    {"type": "event", "name": "view"},
    {"type": "make_purchase"},
)
CONDITIONS = ({"event": "cart"}, {"event": "view"}, {"event": "make_purchase"})


@dataclass(frozen=True)
class Wait:
    """An open wait of the oracle."""

    trigger: Arrival
    key: str | None


def play_in_order(definition: Mapping[str, Any], arrivals: Sequence[Arrival]) -> dict[str, Outcome]:
    """Return the outcome of each trigger if all items arrive when they happen, and none is due before the end (T1 to
    T3)."""
    delivery = definition["delivery"]
    waits: dict[str | None, Wait] = {}
    outcomes: dict[str, Outcome] = {}
    for item in sorted(arrivals, key=lambda arrival: arrival.t):
        cancelled = [wait for wait in waits.values() if _is_exception_of(wait, item, delivery["exceptions"])]
        for wait in cancelled:
            del waits[wait.key]
            outcomes[wait.trigger.id] = ("excepted", item.id)
        if not any(_matches(item, condition) for condition in delivery["trigger"]):
            continue
        key = item.item["properties"].get("sku") if delivery["key"] else None
        if delivery["eligible_again"] != "always" and item.t < RECEIVED + 40:
            outcomes[item.id] = ("refused", "not_eligible_again")
        elif key in waits and delivery["retrigger"] == "ignore":
            outcomes[item.id] = ("refused", "already_waiting")
        else:
            replaced = [*(wait for wait in cancelled if wait.key == key), *([waits[key]] if key in waits else [])]
            outcomes |= {wait.trigger.id: ("dropped", "superseded") for wait in replaced}
            waits[key] = Wait(item, key)
    return outcomes | {wait.trigger.id: ("waiting", "") for wait in waits.values()}


def _is_exception_of(wait: Wait, item: Arrival, exceptions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether any condition matches; all that happens after a wait began is later than its trigger."""
    mine, theirs = wait.trigger.item["properties"], item.item["properties"]
    return any(
        _matches(item, condition)
        and all(name in mine and name in theirs and mine[name] == theirs[name] for name in condition.get("same", []))
        for condition in exceptions
    )


def _matches(item: Arrival, condition: Mapping[str, Any]) -> bool:
    return bool(condition["event"] == item.item.get("name", item.item["type"]))


@st.composite
def follow_ons(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a follow-on: what triggers, what cancels, with and without `same` and `key`."""
    conditions = st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=2, unique_by=str)
    same = st.booleans()
    return follow_on(
        "f",
        draw(conditions),
        delay={"after": f"{DELAY} hours"},
        exceptions=[{**one, "same": ["sku"]} if draw(same) else one for one in draw(conditions)],
        retrigger=draw(st.sampled_from(["ignore", "restart"])),
        key=draw(st.sampled_from([None, "properties.sku"])),
        eligible_again=draw(st.sampled_from(["always", {"after": "40 hours"}])),
    )


@st.composite
def shuffles(draw: st.DrawFn) -> list[Arrival]:
    """Draw what one user did at different hours, in any order of arrival, some of it together."""
    hours = draw(st.lists(st.integers(0, 49), unique=True, min_size=3, max_size=10))
    return [
        Arrival(
            f"e{number}",
            {**draw(st.sampled_from(ITEMS)), "properties": draw(st.sampled_from([{"sku": "A"}, {"sku": "B"}, {}]))},
            t,
            t if draw(st.booleans()) else draw(st.integers(t, 99)),
            draw(st.integers(0, 1)),
        )
        for number, t in enumerate(hours)
    ]


def played(definition: dict[str, Any], arrivals: Sequence[Arrival]) -> dict[str, Outcome]:
    """Return the outcome of each trigger for this order of arrival. Of two rows, or a refusal and a row, the last
    counts."""
    store = InMemoryStore(catalogue_of(definition))
    for key in ("", '"A"', '"B"', "null"):
        store.receive("f", key, RECEIVED)
    store.play(arrivals, 99)
    outcomes: dict[str, Outcome] = {
        trigger: ("refused", reason.value) for (_, _, trigger), reason in store.refused.items()
    }
    for follow_up in store.follow_ups.values():
        why = follow_up.exception_id or (follow_up.reason.value if follow_up.reason else "")
        outcomes[follow_up.trigger.id] = (follow_up.state.value, why)
    return outcomes


def differences(definition: dict[str, Any], arrivals: Sequence[Arrival]) -> dict[str, tuple[Outcome | None, ...]]:
    """Return the triggers whose outcome is not that of the oracle, each with what it is and what it should be.

    One that waited until an earlier trigger arrived, which in order refuses it, ends as `superseded`.
    """
    expected, found = play_in_order(definition, arrivals), played(definition, arrivals)
    once_waited = {
        trigger
        for trigger, outcome in found.items()
        if outcome == (State.DROPPED.value, Reason.SUPERSEDED.value)
        and expected.get(trigger) == (State.REFUSED.value, Reason.ALREADY_WAITING.value)
    }
    superseded = {
        trigger
        for trigger, outcome in found.items()
        if outcome == (State.REFUSED.value, Reason.SUPERSEDED.value)
        and expected.get(trigger) == (State.DROPPED.value, Reason.SUPERSEDED.value)
    }
    return {
        trigger: (found.get(trigger), expected.get(trigger))
        for trigger in expected.keys() | found.keys()
        if trigger not in once_waited | superseded and found.get(trigger) != expected.get(trigger)
    }


@settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(follow_ons(), shuffles())
def test_shuffled_arrivals_have_the_outcome_of_event_order(definition: dict[str, Any], arrivals: list[Arrival]) -> None:
    """T5, T2, T3: with `ignore` and `restart`, with and without `key` and `same`, at any depth."""
    assert differences(definition, arrivals) == {}
