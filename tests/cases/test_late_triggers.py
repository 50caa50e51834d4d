"""Late items around triggers that were refused, overtaken or sent: the outcome of the event order (T2, T5, D4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from connector.store.engine.database import Database
from tests.support.builders import at, follow_on
from tests.support.evaluation import Arrival, InMemoryStore, catalogue_of
from tests.support.installation import Installation

CART, VIEW, BUY = {"event": "cart"}, {"event": "view"}, {"event": "make_purchase"}
SAME = {"same": ["sku"]}
ALWAYS = {"delay": {"after": "4 hours"}, "eligible_again": "always"}

CARTS = follow_on("f", CART, **ALWAYS, exceptions=[CART | SAME, BUY | SAME])
"""The follow-on of case 29."""
DEBOUNCED = follow_on("f", CART, **ALWAYS, exceptions=[CART, BUY])
RESTARTED = follow_on("f", CART, **ALWAYS, exceptions=[BUY], retrigger="restart")
IGNORED = follow_on("f", CART, **ALWAYS, exceptions=[BUY])
TWO_TRIGGERS = follow_on("f", [CART, VIEW], **ALWAYS, exceptions=[CART, BUY | SAME])
RESTARTED_BY_SKU = follow_on("f", CART, **ALWAYS, exceptions=[BUY], retrigger="restart", key="properties.sku")

QUICK = {"delay": {"after": "15 minutes"}, "eligible_again": "always"}
QUICK_CARTS = follow_on("f", CART, **QUICK, exceptions=[CART])
"""The follow-on of case 27."""
HOURLY: dict[str, Any] = {"delay": {"after": "1 hour"}, "eligible_again": "always", "retrigger": "restart"}


def _at(id: str, happened: str, arrived: str | None = None, *, type: str = "cart", sku: str | None = "A") -> Arrival:
    """Return an event of that day, by default a cart, that by default arrives when it happens."""
    item = {"type": "make_purchase"} if type == "buy" else {"type": "event", "name": type}
    properties = {} if sku is None else {"sku": sku}
    return Arrival(id, {**item, "properties": properties}, _hour(happened), _hour(arrived or happened), 0)


def _hour(clock: str) -> float:
    hours, minutes = clock.split(":")
    return int(hours) + int(minutes) / 60


A2_A1_B = [_at("a2", "11:10"), _at("a1", "10:04", "12:20"), _at("b", "10:31", "13:30", sku="B")]
"""The arrivals of case 29."""

TURNS = [
    pytest.param(
        CARTS,
        A2_A1_B,
        {"a1": "superseded", "b": "already_waiting", "a2": "sent"},
        id="case 29: behind an overtaken one",
    ),
    pytest.param(
        CARTS,
        [*A2_A1_B, _at("bought", "10:20", "13:40", type="buy")],
        {"a1": "excepted bought", "b": "sent", "a2": "superseded"},
        id="the overtaken one was cancelled, so the refused one takes its turn, and the waiting one is refused",
    ),
    pytest.param(
        CARTS,
        [*A2_A1_B, _at("bought", "10:40", "13:40", type="buy")],
        {"a1": "excepted bought", "b": "already_waiting", "a2": "sent"},
        id="the overtaken one was cancelled after the refused one",
    ),
    pytest.param(
        CARTS,
        [*A2_A1_B, _at("bought", "10:20", "13:40", type="buy", sku="B")],
        {"a1": "superseded", "b": "already_waiting", "a2": "sent"},
        id="a purchase of another product cancels nothing",
    ),
    pytest.param(
        CARTS,
        [
            *(_at("a3", "12:00"), _at("a2", "11:00", "12:10"), _at("a1", "10:00", "12:20")),
            *(_at("b", "10:30", "12:30", sku="B"), _at("bought", "10:10", "12:40", type="buy")),
        ],
        {"a1": "excepted bought", "b": "sent", "a2": "already_waiting", "a3": "superseded"},
        id="two overtaken ones deep",
    ),
    pytest.param(
        CARTS,
        [*A2_A1_B, _at("a0", "09:30", "13:40", sku="B")],
        {"a0": "superseded", "a1": "already_waiting", "b": "sent", "a2": "superseded"},
        id="an earlier one of the refused one's product, which that one restarts; the overtaken one is refused",
    ),
    pytest.param(
        RESTARTED,
        [_at("b", "10:20"), _at("a", "10:00", "10:30"), _at("bought", "10:10", "10:40", type="buy")],
        {"a": "excepted bought", "b": "sent"},
        id="restart: an overtaken one was cancelled before it was restarted",
    ),
    pytest.param(
        RESTARTED,
        [_at("b", "10:20"), _at("a", "10:00", "10:30"), _at("bought", "10:30", "10:40", type="buy")],
        {"a": "superseded", "b": "excepted bought"},
        id="restart: the one that waits was cancelled",
    ),
    pytest.param(
        RESTARTED,
        [
            *(_at("c", "10:40"), _at("b", "10:20", "10:50"), _at("a", "10:00", "10:55")),
            *(_at("x", "10:30", "11:00", type="buy"), _at("y", "10:10", "11:05", type="buy")),
        ],
        {"a": "excepted y", "b": "excepted x", "c": "sent"},
        id="restart: two overtaken ones, each cancelled",
    ),
    pytest.param(
        RESTARTED_BY_SKU,
        [
            *(_at("a2", "10:20"), _at("a1", "10:00", "10:30"), _at("b", "10:25", sku="B")),
            _at("bought", "10:10", "10:40", type="buy", sku=None),
        ],
        {"a1": "excepted bought", "a2": "sent", "b": "sent"},
        id="a key of which only an overtaken one is cancelled",
    ),
    pytest.param(
        TWO_TRIGGERS,
        [
            *(_at("c", "11:00"), _at("v", "10:00", "11:10", type="view"), _at("w", "10:30", "11:20", type="view")),
            _at("bought", "10:10", "11:30", type="buy"),
        ],
        {"v": "excepted bought", "w": "superseded", "c": "sent"},
        id="an overtaken one of another type frees the way for a refused one, which is overtaken in its turn",
    ),
    pytest.param(
        IGNORED,
        [_at("a", "10:00"), _at("b", "10:20"), _at("c", "10:40"), _at("x", "10:10", "10:50", type="buy")],
        {"a": "excepted x", "b": "sent", "c": "already_waiting"},
        id="ignore: the first of two refused ones takes its turn, not the second",
    ),
    pytest.param(
        IGNORED,
        [
            *(_at("a", "10:00"), _at("b", "10:20"), _at("c", "10:40")),
            *(_at("x", "10:10", "10:50", type="buy"), _at("y", "10:30", "10:55", type="buy")),
        ],
        {"a": "excepted x", "b": "excepted y", "c": "sent"},
        id="ignore: both, one after the other",
    ),
    pytest.param(
        DEBOUNCED,
        [_at("c", "11:00"), _at("a", "10:00", "11:10"), _at("b", "10:30", "11:20")],
        {"a": "superseded", "b": "superseded", "c": "sent"},
        id="debounce: two overtaken ones",
    ),
]

OLD_AND_NEW = [_at("new", "11:20"), _at("old", "11:00", "11:50")]
"""The arrivals of case 27."""

ALREADY_DUE = [
    pytest.param(QUICK_CARTS, OLD_AND_NEW, {"new": "sent", "old": "superseded"}, id="case 27"),
    pytest.param(
        follow_on("f", CART, **QUICK, exceptions=[CART], retrigger="restart"),
        OLD_AND_NEW,
        {"new": "sent", "old": "superseded"},
        id="restart that is an exception too",
    ),
    pytest.param(
        follow_on("f", CART, **QUICK, exceptions=[CART | SAME], key="properties.sku"),
        OLD_AND_NEW,
        {"new": "sent", "old": "superseded"},
        id="of one product",
    ),
    pytest.param(
        follow_on("f", CART, **QUICK, exceptions=[CART | SAME]),
        [_at("new", "11:20", sku="B"), _at("old", "11:00", "11:50")],
        {"new": "sent", "old": "sent"},
        id="of another product: no exception",
    ),
    pytest.param(
        follow_on("f", CART, **QUICK, exceptions=[BUY], retrigger="restart"),
        OLD_AND_NEW,
        {"new": "sent", "old": "sent"},
        id="restart alone: in order the old one was sent before the new one",
    ),
    pytest.param(
        QUICK_CARTS,
        [_at("new", "11:20"), _at("old", "11:00", "11:25")],
        {"new": "sent", "old": "superseded"},
        id="while the new one waits",
    ),
    pytest.param(
        follow_on("f", CART, **QUICK, exceptions=[CART, BUY]),
        [_at("new", "11:20"), _at("bought", "11:30", type="buy"), _at("old", "11:00", "11:50")],
        {"new": "excepted bought", "old": "superseded"},
        id="the new one was cancelled",
    ),
    pytest.param(
        QUICK_CARTS,
        [_at("new", "11:20"), _at("older", "10:30", "11:45"), _at("old", "11:00", "11:50")],
        {"new": "sent", "older": "superseded", "old": "superseded"},
        id="two old ones",
    ),
]

RESTARTS_AFTER_A_SEND = [
    pytest.param(HOURLY, [], {"a": "sent", "b": "sent"}, id="case 26: always"),
    pytest.param(
        HOURLY | {"eligible_again": {"after": "1 day"}},
        [],
        {"a": "sent", "b": "not_eligible_again"},
        id="case 26: after 1 day",
    ),
    pytest.param(HOURLY | {"eligible_again": "never"}, [], {"a": "sent", "b": "not_eligible_again"}, id="never"),
    pytest.param(
        HOURLY, [_at("c", "10:55", "11:10")], {"a": "sent", "b": "superseded", "c": "sent"}, id="a later one, later"
    ),
    pytest.param(
        HOURLY, [_at("c", "10:45", "11:10")], {"a": "sent", "b": "sent", "c": "superseded"}, id="an earlier one, later"
    ),
    pytest.param(
        HOURLY | {"exceptions": [BUY]},
        [_at("bought", "10:55", "11:10", type="buy")],
        {"a": "sent", "b": "excepted bought"},
        id="a purchase from before both sends",
    ),
    pytest.param(
        HOURLY | {"exceptions": [BUY]},
        [_at("bought", "11:02", type="buy")],
        {"a": "sent", "b": "excepted bought"},
        id="a purchase after the first send that arrived before the trigger",
    ),
]


@pytest.mark.parametrize(("definition", "arrivals", "expected"), [*TURNS, *ALREADY_DUE])
def test_late_triggers(definition: dict[str, Any], arrivals: Sequence[Arrival], expected: Mapping[str, str]) -> None:
    """T5, D4 (cases 27, 29): triggers that were refused, overtaken or sent on arrival; expected values worked out by
    hand."""
    assert _outcomes(definition, arrivals) == expected


@pytest.mark.parametrize(("rules", "more", "expected"), RESTARTS_AFTER_A_SEND)
def test_late_restarts(rules: dict[str, Any], more: Sequence[Arrival], expected: Mapping[str, str]) -> None:
    """T2, T1 (case 26): `a` of 10:00 is sent at 11:00, and `b` of 10:50 arrives at 11:05."""
    arrivals = [_at("a", "10:00"), _at("b", "10:50", "11:05"), *more]
    assert _outcomes(follow_on("f", CART, **rules), arrivals) == expected


async def test_turns_in_the_store(database: Database) -> None:
    """T5 (case 29): the store finds overtaken and refused triggers, although they have no row, for each user alone."""
    installation = Installation(database)
    await installation.publish(CARTS)
    for user in ("u", "v"):
        for id, minutes, sku in (("a2", 66, "A"), ("a1", 0, "A"), ("b", 27, "B")):
            item = {"id": f"{user}-{id}", "user": user, "type": "event", "name": "cart", "occurred_at": at(minutes)}
            await installation.ingest({**item, "properties": {"sku": sku}})
    assert sorted(await installation.outcomes()) == [("u-a2", "waiting", None), ("v-a2", "waiting", None)]
    bought = {"id": "bought", "user": "v", "type": "make_purchase", "occurred_at": at(16), "properties": {"sku": "A"}}
    await installation.ingest(bought)
    assert sorted(await installation.outcomes()) == [
        ("u-a2", "waiting", None),
        ("v-a1", "excepted", "bought"),
        ("v-a2", "dropped", "superseded"),
        ("v-b", "waiting", None),
    ]


async def test_reason_of_a_refusal_is_replaced(database: Database) -> None:
    """T5, guarantee 7: a trigger that is refused for another reason after all has one refusal, with that reason."""
    installation = Installation(database)
    await installation.publish(CARTS)
    for id, minutes, sku in (("a2", 66, "A"), ("a1", 0, "A"), ("b", 27, "B"), ("b0", -10, "B")):
        await installation.ingest({**_reported(id, "cart", minutes), "properties": {"sku": sku}})
    assert sorted(await installation.outcomes()) == [("a2", "dropped", "superseded"), ("b", "waiting", None)]
    refused = {trigger: reason for _, trigger, reason in await installation.refusals()}
    assert refused == {"a1": "already_waiting", "b": "already_waiting", "b0": "superseded"}
    assert len(await installation.refusals()) == len(refused)


async def test_audience_at_arrival(sqlite_database: Database) -> None:
    """A2: a trigger that takes its turn again is in the audience, or not, as it was when it arrived."""
    installation = Installation(sqlite_database)
    gold = follow_on("f", CART, **ALWAYS, exceptions=[BUY], audience={"attribute": "tier", "is": "gold"})
    await installation.publish(gold)
    for tier, *items in (
        ("gold", _reported("a", "cart", 0), _reported("b", "cart", 20)),
        ("none", _reported("c", "cart", 21), _reported("x", "make_purchase", 10)),
        ("gold", _reported("y", "make_purchase", 20.5)),
    ):
        await installation.intake.ingest_with_users(items, [{"id": "u", "attributes": {"tier": tier}}])
    assert await installation.outcomes() == [("a", "excepted", "x"), ("b", "excepted", "y")]
    assert ("f", "c", "not_in_audience") in await installation.refusals()


def _reported(id: str, type: str, minutes: float) -> dict[str, Any]:
    named = {"type": type} if type == "make_purchase" else {"type": "event", "name": type}
    return {"id": id, "user": "u", **named, "occurred_at": at(minutes), "properties": {}}


def _outcomes(definition: dict[str, Any], arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Return the last outcome of each trigger, after everything was due."""
    store = InMemoryStore(catalogue_of(definition))
    store.play(arrivals, 100)
    outcomes = {trigger: reason.value for (_, _, trigger), reason in store.refused.items()}
    for follow_up in store.follow_ups.values():
        exception = f"excepted {follow_up.exception_id}" if follow_up.exception_id else None
        reason = follow_up.reason.value if follow_up.reason else follow_up.state.value
        outcomes[follow_up.trigger.id] = exception or reason
    return outcomes
