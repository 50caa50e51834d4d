"""Exceptions of a waiting follow-up (X1 to X4), and an item that is applied in order (T2, T3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.triggering.changes import (
    Change,
    EndedFollowUp,
    EvaluationScope,
    LateException,
    NewFollowUp,
    Refusal,
    TriggerOutcome,
)
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.in_order import apply_in_order
from tests.support.builders import OPENED, ORIGINAL, PUSHED, follow_on

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DUE = NOON + timedelta(hours=1)
SECOND = timedelta(seconds=1)
BOUGHT = {"event": "make_purchase", "where": {"product": "shoe"}}
OPENED_OTHER = {"interaction": "open_push", "campaign": "p"}
HOUR = {"after": "1 hour"}
F = follow_on("f", PUSHED, delay=HOUR, exceptions=[BOUGHT, OPENED, OPENED_OTHER], retrigger="ignore")
BOUGHT_SAME = follow_on("f", PUSHED, delay=HOUR, exceptions=[{"event": "make_purchase", "same": ["sku"]}])


def catalogue(*definitions: dict[str, Any]) -> Catalogue:
    """Return a catalogue of one follow-on's revisions, in effect before noon; the original was stopped."""
    parsed = [parse_definition(definition) for definition in definitions or (F,)]
    revisions = tuple(Revision(n, d, NOON - timedelta(days=9 - n)) for n, d in enumerate(parsed, 1))  # type: ignore[arg-type]
    o = Entry("o", "stopped", (Revision(1, parse_definition(ORIGINAL), NOON),), (Window(2, NOON, NOON),))  # type: ignore[arg-type]
    return Catalogue().with_entries(
        [Entry("f", "active", revisions, (Window(1, NOON - timedelta(days=8)),)), o], version=1
    )


def item(id: str, t: datetime, **words: Any) -> LogEntry:
    fields = {
        "id": id,
        "user": "u",
        "occurred_at": t,
        **({"campaign": "o"} if words["type"] != "make_purchase" else {}),
    }
    return LogEntry(id=id, seq=1, t=t, received_at=t, item=parse_item({**fields, **words}))


def bought(t: datetime, **properties: Any) -> LogEntry:
    return item("bought", t, type="make_purchase", properties={"product": "shoe", **properties})


def opened(t: datetime, campaign: str = "o") -> LogEntry:
    return item("opened", t, type="open_push", campaign=campaign)


def pushed(t: datetime = NOON, id: str = "pushed", **properties: Any) -> LogEntry:
    return item(id, t, type="receive_push", properties=properties)


def follow_up(state: State = State.WAITING, **changes: Any) -> FollowUp:
    """Return a follow-up that was triggered at noon and is due at one."""
    return replace(FollowUp("p", "f", 1, 1, "k", "", pushed(), DUE, DUE, state), **changes)


SENT: dict[str, Any] = {"state": State.SENT, "dispatched_at": DUE + timedelta(minutes=1)}
HELD: dict[str, Any] = {"state": State.HELD, "next_at": DUE + timedelta(hours=8)}


@pytest.mark.parametrize(
    ("logged", "changes", "expected"),
    [
        (bought(NOON - SECOND), {}, False),  # case 9: before the trigger
        (bought(NOON + SECOND), {}, True),
        (bought(DUE - SECOND), {}, True),
        (bought(DUE), {}, False),  # X2: exactly at the due instant the message wins
        (bought(DUE + SECOND), {}, True),  # evaluated late: still in [trigger, dispatch)
        (bought(DUE), HELD, True),  # held: the due instant has passed, its end is what counts
        (bought(DUE + timedelta(hours=8)), HELD, False),
        (bought(DUE - SECOND), SENT, True),  # case 11: too late to undo, so it is noted
        (bought(DUE), SENT, False),
        (bought(DUE + timedelta(seconds=59)), SENT, True),
        (bought(DUE + timedelta(minutes=1)), SENT, False),
        (bought(NOON + SECOND), {"state": State.DROPPED}, False),
        (bought(NOON + SECOND), {"state": State.EXCEPTED}, False),
    ],
)
def test_when_it_counts(logged: LogEntry, changes: dict[str, Any], expected: bool) -> None:
    """X1, X2: an exception counts by event time in [trigger, dispatch), but not exactly at the due instant."""
    assert is_cancelled_by(follow_up(**changes), logged, catalogue()) == expected


@pytest.mark.parametrize(
    ("logged", "expected"),
    [(opened(NOON), True), (opened(NOON, "p"), False), (bought(NOON), False), (pushed(NOON), False)],
)
def test_exactly_at_the_trigger(logged: LogEntry, expected: bool) -> None:
    """X2: at the trigger's instant only an interaction with its own target counts, and never the trigger itself."""
    assert is_cancelled_by(follow_up(), logged, catalogue(follow_on("f", PUSHED, **_delivery(PUSHED)))) == expected


def _delivery(*more: dict[str, Any]) -> dict[str, Any]:
    return {"delay": HOUR, "exceptions": [BOUGHT, OPENED, OPENED_OTHER, *more]}


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (bought(NOON + SECOND), True),
        (bought(NOON + SECOND, product="Shoe"), False),
        (bought(NOON + SECOND, product=None), False),
        (opened(NOON + SECOND), True),  # any of several; that its target was stopped does not matter (X1)
        (opened(NOON + SECOND, "p"), True),
        (opened(NOON + SECOND, "q"), False),
        (pushed(NOON + SECOND, "again"), False),
    ],
)
def test_what_counts(logged: LogEntry, expected: bool) -> None:
    """X1, X3: any exception is enough, filters compare exactly, and its target is the one that it names."""
    assert is_cancelled_by(follow_up(), logged, catalogue()) == expected


@pytest.mark.parametrize(
    ("triggers", "exceptions", "expected"),
    [
        ({"sku": "A"}, {"sku": "A"}, True),
        ({"sku": "A"}, {"sku": "B"}, False),
        ({"sku": 1}, {"sku": "1"}, False),
        ({"sku": "A"}, {}, False),
        ({}, {"sku": "A"}, False),
        ({}, {}, False),
    ],
)
def test_same(triggers: dict[str, Any], exceptions: dict[str, Any], expected: bool) -> None:
    """X3: `same` compares with the trigger's property; missing is never the same (case 24)."""
    keyed = replace(follow_up(), trigger=pushed(**triggers))
    assert is_cancelled_by(keyed, bought(NOON + SECOND, **exceptions), catalogue(BOUGHT_SAME)) == expected


def test_exceptions_of_the_revision_that_it_began_with() -> None:
    """P10: a waiting follow-up keeps its exceptions if an edit removes or adds some."""
    without = follow_on("f", PUSHED, delay=HOUR)
    both = catalogue(F, without)
    assert is_cancelled_by(follow_up(revision=1), bought(NOON + SECOND), both)
    assert not is_cancelled_by(follow_up(revision=2), bought(NOON + SECOND), both)


BEGUN = follow_up(id="new", trigger=pushed(NOON + SECOND, "again"))
NOW = NOON + timedelta(minutes=2)


def _apply(logged: LogEntry, follow_ups: Sequence[FollowUp], outcome: TriggerOutcome) -> list[Change]:
    """Return the changes of an item that has this outcome as a trigger."""
    return apply_in_order(
        logged, follow_ups, lambda _logged, _blocking, _has_begun: outcome, EvaluationScope("f", "", catalogue(), NOW)
    )


def test_it_ends_at_once_and_names_the_exception() -> None:
    """X4: the follow-up is excepted with the exception's id and time; the exception is no trigger here."""
    (end,) = _apply(bought(NOON + SECOND), [follow_up()], None)
    assert isinstance(end, EndedFollowUp)
    assert (end.follow_up.state, end.follow_up.reason) == (State.EXCEPTED, Reason.EXCEPTION)
    assert (end.follow_up.exception_id, end.follow_up.exception_at) == ("bought", NOON + SECOND)
    assert end.follow_up.decided_at == NOW


@pytest.mark.parametrize("again", [pushed(NOON + SECOND, "again"), opened(NOON + SECOND)])
def test_a_new_wait_supersedes_the_old_one(again: LogEntry) -> None:
    """T2, T3: `restart`, and a trigger that is also an exception (debounce, case 12): never two waits."""
    end, new = _apply(again, [follow_up()], BEGUN)
    assert isinstance(end, EndedFollowUp)
    assert (end.follow_up.state, end.follow_up.reason) == (State.DROPPED, Reason.SUPERSEDED)
    assert new == NewFollowUp(BEGUN)


def test_an_exception_is_applied_before_the_trigger() -> None:
    """T3: a follow-up that the item cancels does not block it, and stays cancelled if the trigger is refused."""
    blocking_seen: list[FollowUp | None] = []

    def refuse(_logged: LogEntry, blocking: FollowUp | None, _has_begun: bool) -> TriggerOutcome:
        blocking_seen.append(blocking)
        return Reason.NOT_ELIGIBLE_AGAIN

    for logged in (opened(NOON + SECOND), pushed(NOON + SECOND, "again")):
        changes = apply_in_order(logged, [follow_up()], refuse, EvaluationScope("f", "", catalogue(), NOW))
        assert changes[-1] == Refusal("f", "", logged, Reason.NOT_ELIGIBLE_AGAIN)
        assert [type(change) for change in changes[:-1]] == ([EndedFollowUp] if logged.id == "opened" else [])
    assert blocking_seen == [None, follow_up()]


def test_a_late_exception_is_noted() -> None:
    """X1, case 11: the message stays sent, and nothing is undone."""
    sent = follow_up(**SENT)
    assert _apply(bought(DUE - SECOND), [sent], None) == [LateException(sent, bought(DUE - SECOND))]
    assert _apply(bought(DUE + timedelta(hours=1)), [sent], None) == []
