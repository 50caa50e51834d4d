"""Items have the same outcome in any order of arrival as in event order (T2, T3, T5, X1 to X4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason
from connector.rules.targeting.matching import has_same_properties, matches
from connector.rules.triggering.trigger_list import compute_key, is_trigger
from tests.support.builders import BOUGHT, OPENED, ORIGINAL, PUSHED, follow_on
from tests.support.evaluation import Arrival, InMemoryStore, Key, catalogue_of, hour

SEEN = {"event": "seen"}
PUSH, OPEN, BUY, SEE = ITEMS = (
    {"type": "receive_push", "campaign": "o"},
    {"type": "open_push", "campaign": "o"},
    {"type": "make_purchase"},
    {"type": "event", "name": "seen"},
)
DELAYS: tuple[dict[str, Any] | None, ...] = (
    {"after": "25 hours"},
    {"after": "5 hours"},
    {"after": "30 hours"},
    {"next": "wednesday", "at": "06:00"},
    {"in_days": 1, "at": "09:00"},
    {"in_days": 0, "at": "18:00"},
    None,
)
NOT_ON_THE_HOUR = ({"after": "1530 minutes"}, {"next": "wednesday", "at": "06:10"}, {"in_days": 1, "at": "09:10"})
UNTIL = 400
"""The hour at which every follow-up has ended."""

many = settings(
    max_examples=700, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@st.composite
def _follow_ons(draw: st.DrawFn, name: str, delays: Sequence[dict[str, Any] | None] = DELAYS) -> dict[str, Any]:
    conditions = st.lists(st.sampled_from([PUSHED, OPENED, BOUGHT, SEEN]), min_size=1, max_size=2, unique_by=str)
    key, delay = draw(st.sampled_from([None, "properties.sku"])), draw(st.sampled_from(delays))
    exceptions = draw(conditions)
    if key is not None and draw(st.booleans()):
        exceptions = [{**condition, "same": ["sku"]} for condition in exceptions]
    return follow_on(
        name,
        draw(conditions),
        **({} if delay is None else {"delay": delay, "exceptions": exceptions}),
        retrigger=draw(st.sampled_from(["ignore", "restart"])),
        key=key,
        eligible_again=draw(st.sampled_from(["always", "always", "never", {"after": "10 hours"}])),
    )


@st.composite
def _arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Draw items on the hours of two days, often at one instant, that arrive up to 60 hours later, some together."""
    arrivals = []
    for number in range(draw(st.integers(2, 9))):
        t = draw(st.integers(0, 16)) * 3
        r = t + draw(st.sampled_from([0, 0, 1, 3, 4, 6, 9, 15, 24, 60]))
        sku = draw(st.sampled_from(["A", "B", None]))
        item = {**draw(st.sampled_from(ITEMS)), "properties": {} if sku is None else {"sku": sku}}
        arrivals.append(Arrival(f"e{number}", item, t, r, draw(st.integers(0, 2))))
    return arrivals


def _in_order(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Let each arrive alone when it happens; those of one instant in their order of arrival."""
    by_arrival = sorted(arrivals, key=lambda a: (a.r, a.batch))
    return [replace(a, r=a.t, batch=n) for n, a in enumerate(sorted(by_arrival, key=lambda a: a.t))]


def _too_late(catalogue: Catalogue, arrivals: Sequence[Arrival], *memories: InMemoryStore) -> set[Key]:
    """Return the keys with an item that arrived after a dispatch that it concerns: nothing is guaranteed for them.

    Nor for those whose dispatch was due at the instant of their trigger, because either may be first.
    """
    return {
        (sent.campaign, sent.key)
        for memory in memories
        for sent in memory.dispatched()
        for a in arrivals
        if (hour(a.t) < sent.dispatched_at or hour(a.t) == sent.trigger.t)  # type: ignore[operator]
        and sent.dispatched_at <= hour(a.r)  # type: ignore[operator]
        and any(_concerns(catalogue, a, p) for m in memories for p in m.of(sent.campaign, sent.key))
    }


def _concerns(catalogue: Catalogue, a: Arrival, follow_up: FollowUp) -> bool:
    """Return whether the item is a trigger of the same key, or may cancel this follow-up."""
    entry, t = catalogue.entries[follow_up.campaign], hour(a.t)
    item = parse_item({**a.item, "id": a.id, "user": "u", "occurred_at": t})
    if is_trigger(item, entry, t, catalogue) and compute_key(item, entry, t) == follow_up.key:
        return True
    follow_on = entry.follow_on(entry.revision(follow_up.revision))
    assert follow_on is not None
    return t >= follow_up.trigger.t and any(
        matches(item, condition)
        and has_same_properties(item.properties, follow_up.trigger.item.properties, condition.same)
        for condition in follow_on.exceptions
    )


def _never(_: datetime) -> None:
    return None


def _compare(
    catalogue: Catalogue, arrivals: Sequence[Arrival], held: Callable[[datetime], datetime | None] = _never
) -> None:
    """The same follow-ups are sent, waiting or cancelled, by the same triggers and exceptions, due at the same time.

    A superseded trigger may have a row or a refusal (T2).
    """
    actual, expected = InMemoryStore(catalogue, held), InMemoryStore(catalogue, held)
    actual.play(arrivals, UNTIL)
    expected.play(_in_order(arrivals), UNTIL)
    too_late = _too_late(catalogue, arrivals, actual, expected)
    actual_ends = {end for end in actual.ends() if end[:2] not in too_late}
    assert actual_ends == {end for end in expected.ends() if end[:2] not in too_late}


@many
@given(_follow_ons("f"), _arrivals())
def test_any_order_gives_the_same(f: dict[str, Any], arrivals: list[Arrival]) -> None:
    """T5: with dispatches between, at equal instants, with every kind of delay."""
    _compare(catalogue_of(ORIGINAL, f), arrivals)


@many
@given(_follow_ons("f"), _follow_ons("f"), _follow_ons("g"), _arrivals())
def test_with_a_second_revision_and_follow_on(
    f: dict[str, Any], edited: dict[str, Any], g: dict[str, Any], arrivals: list[Arrival]
) -> None:
    """T5, P10: with a revision that is published between, and another follow-on of the same target."""
    _compare(catalogue_of(ORIGINAL, f, (20, {**edited, "delivery": {**edited["delivery"], "key": None}}), g), arrivals)


def _quiet(at: datetime) -> datetime | None:
    """Return the end of quiet hours from 20:30 to 06:30."""
    clock = timedelta(hours=at.hour, minutes=at.minute)
    if timedelta(hours=6.5) <= clock < timedelta(hours=20.5):
        return None
    return at.replace(hour=6, minute=30) + timedelta(days=int(clock >= timedelta(hours=20.5)))


@many
@given(_follow_ons("f", NOT_ON_THE_HOUR), _arrivals())
def test_with_quiet_hours(f: dict[str, Any], arrivals: list[Arrival]) -> None:
    """T5, X1: with messages that are held. No item is at a due instant, when the message wins if it is sent."""
    _compare(catalogue_of(ORIGINAL, f), arrivals, _quiet)


DELAY: dict[str, Any] = {"delay": {"after": "25 hours"}, "eligible_again": "always"}
IGNORES = follow_on("f", PUSHED, **DELAY, exceptions=[BOUGHT])
RESTARTS = follow_on("f", PUSHED, **DELAY, exceptions=[BOUGHT], retrigger="restart")
DEBOUNCES = follow_on("f", [PUSHED, BOUGHT], **DELAY, exceptions=[PUSHED, SEEN])


def _a(name: str, item: dict[str, Any], t: float, r: float, batch: int = 0) -> Arrival:
    return Arrival(name, item, t, r, batch)


REGRESSIONS = [
    pytest.param(
        IGNORES,
        [_a("a", PUSH, 0, 3), _a("b", PUSH, 3, 3), _a("c", PUSH, 3, 3)],
        {("a", "sent", "")},
        id="two at one instant do not replace the follow-up of a third in their batch",
    ),
    pytest.param(
        DEBOUNCES,
        [_a("a", PUSH, 3, 3, 0), _a("b", PUSH, 3, 3, 1), _a("c", PUSH, 3, 3, 2)],
        {("c", "sent", "")},
        id="three at one instant: the first does not cancel the last",
    ),
    pytest.param(
        DEBOUNCES,
        [_a("a", PUSH, 3, 3), _a("b", PUSH, 3, 3), _a("c", OPEN, 12, 12), _a("d", SEE, 9, 13)],
        {("b", "excepted", "d")},
        id="nor if another item comes late",
    ),
    pytest.param(
        DEBOUNCES,
        [_a("a", PUSH, 0, 0), _a("b", PUSH, 3, 3), _a("c", PUSH, 3, 3), _a("d", BUY, 3, 4)],
        {("c", "sent", "")},
        id="a follow-up superseded by a superseded trigger was not cancelled by it",
    ),
    pytest.param(
        IGNORES,
        [
            *(_a("a", PUSH, 0, 0), _a("b", BUY, 2, 2), _a("c", PUSH, 3, 3), _a("d", BUY, 4, 4), _a("e", PUSH, 6, 6)),
            _a("f", BUY, 1, 60),
        ],
        {("a", "excepted", "f"), ("c", "excepted", "d"), ("e", "sent", "")},
        id="a follow-up that ended before the trigger of a sent one stays ended",
    ),
]


@pytest.mark.parametrize(("definition", "arrivals", "ends"), REGRESSIONS)
def test_regressions(definition: dict[str, Any], arrivals: list[Arrival], ends: set[tuple[str, str, str]]) -> None:
    """T2, T3, T5, X2: orders of arrival that once had another outcome."""
    memory = InMemoryStore(catalogue_of(ORIGINAL, definition))
    memory.play(arrivals, UNTIL)
    assert {end[2:5] for end in memory.ends()} == ends


def test_a_superseded_trigger_is_refused_once() -> None:
    """T2, guarantee 7: a replay for a later arrival does not refuse it again."""
    memory = InMemoryStore(catalogue_of(ORIGINAL, RESTARTS))
    arrivals = [_a("a", PUSH, 9, 9), _a("b", PUSH, 6, 10), _a("c", PUSH, 3, 11), _a("d", BUY, 1, 12)]
    memory.play(arrivals, UNTIL)
    assert memory.refused == {("f", "", "b"): Reason.SUPERSEDED, ("f", "", "c"): Reason.SUPERSEDED}


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ({}, Reason.ALREADY_WAITING),
        ({"retrigger": "restart"}, "sent"),
        ({"retrigger": "restart", "eligible_again": {"after": "1 day"}}, Reason.NOT_ELIGIBLE_AGAIN),
        ({"exceptions": [PUSHED]}, "sent"),
    ],
    ids=["ignore", "restart", "restart, not eligible again", "an exception too"],
)
def test_trigger_from_before_the_end_of_a_sent_follow_up(rules: dict[str, Any], outcome: Reason | str) -> None:
    """T2, T3, T5 (case 26): sent at hour 11; a trigger of 10:50 arrives at 11:05, and nothing else came in between."""
    always = {"delay": {"after": "1 hour"}, "eligible_again": "always"}
    memory = InMemoryStore(catalogue_of(ORIGINAL, follow_on("f", PUSHED, **{**always, **rules})))
    memory.play([_a("a", PUSH, 10, 10), _a("b", PUSH, 10 + 50 / 60, 11 + 5 / 60)], UNTIL)
    sent = {p.trigger.id: p.state.value for p in memory.follow_ups.values()}
    refused = {trigger: reason for (_, _, trigger), reason in memory.refused.items()}
    assert {**sent, **refused} == {"a": "sent", "b": outcome}
