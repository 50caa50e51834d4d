"""What calls a waiting follow-up off (X1 to X4), and what one item does in its turn (T2, T3), by the rules alone."""

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
from connector.rules.triggering.replay import apply_in_order
from tests.support.builders import ORIGINAL, PUSHED, follow_on

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DUE = NOON + timedelta(hours=1)
SECOND = timedelta(seconds=1)
BOUGHT = {"event": "make_purchase", "where": {"product": "shoe"}}
OPENED = {"interaction": "open_push", "campaign": "o"}
OPENED_OTHER = {"interaction": "open_push", "campaign": "p"}
HOUR = {"after": "1 hour"}
F = follow_on("f", PUSHED, delay=HOUR, exceptions=[BOUGHT, OPENED, OPENED_OTHER], retrigger="ignore")
BOUGHT_SAME = follow_on("f", PUSHED, delay=HOUR, exceptions=[{"event": "make_purchase", "same": ["sku"]}])


def catalogue(*definitions: dict[str, Any]) -> Catalogue:
    """One follow-on's revisions, each in effect before noon; the original was stopped."""
    parsed = [parse_definition(definition) for definition in definitions or (F,)]
    revisions = tuple(Revision(n, d, NOON - timedelta(days=9 - n)) for n, d in enumerate(parsed, 1))  # type: ignore[arg-type]
    o = Entry("o", "stopped", (Revision(1, parse_definition(ORIGINAL), NOON),), (Window(2, NOON, NOON),))  # type: ignore[arg-type]
    return Catalogue().with_entries(
        [Entry("f", "active", revisions, (Window(1, NOON - timedelta(days=8)),)), o], version=1
    )


def item(id: str, t: datetime, **words: Any) -> LogEntry:
    told = {"id": id, "user": "u", "occurred_at": t, **({"campaign": "o"} if words["type"] != "make_purchase" else {})}
    return LogEntry(id=id, seq=1, t=t, received_at=t, item=parse_item({**told, **words}))


def bought(t: datetime, **properties: Any) -> LogEntry:
    return item("bought", t, type="make_purchase", properties={"product": "shoe", **properties})


def opened(t: datetime, campaign: str = "o") -> LogEntry:
    return item("opened", t, type="open_push", campaign=campaign)


def pushed(t: datetime = NOON, id: str = "pushed", **properties: Any) -> LogEntry:
    return item(id, t, type="receive_push", properties=properties)


def follow_up(state: State = State.WAITING, **changes: Any) -> FollowUp:
    """A follow-up that was triggered at noon and is due at one."""
    return replace(FollowUp("p", "f", 1, 1, "k", "", pushed(), DUE, DUE, state), **changes)


GONE: dict[str, Any] = {"state": State.SENT, "dispatched_at": DUE + timedelta(minutes=1)}
HELD: dict[str, Any] = {"state": State.HELD, "next_at": DUE + timedelta(hours=8)}


@pytest.mark.parametrize(
    ("told", "changes", "expected"),
    [
        (bought(NOON - SECOND), {}, False),  # case 9: before the trigger
        (bought(NOON + SECOND), {}, True),
        (bought(DUE - SECOND), {}, True),
        (bought(DUE), {}, False),  # X2: exactly at the due instant the message wins
        (bought(DUE + SECOND), {}, True),  # judged late: still [trigger, dispatch)
        (bought(DUE), HELD, True),  # held: the due instant has passed, its end is what counts
        (bought(DUE + timedelta(hours=8)), HELD, False),
        (bought(DUE - SECOND), GONE, True),  # case 11: too late to undo, so that it is noted
        (bought(DUE), GONE, False),
        (bought(DUE + timedelta(seconds=59)), GONE, True),
        (bought(DUE + timedelta(minutes=1)), GONE, False),
        (bought(NOON + SECOND), {"state": State.DROPPED}, False),
        (bought(NOON + SECOND), {"state": State.EXCEPTED}, False),
    ],
)
def test_when_it_counts(told: LogEntry, changes: dict[str, Any], expected: bool) -> None:
    """X1, X2: by event time, in [trigger, dispatch), and not exactly at the instant that it waits for."""
    assert is_cancelled_by(follow_up(**changes), told, catalogue()) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [(opened(NOON), True), (opened(NOON, "p"), False), (bought(NOON), False), (pushed(NOON), False)],
)
def test_exactly_at_the_trigger(told: LogEntry, expected: bool) -> None:
    """X2: at that instant only an interaction with the trigger's own target counts, and never the trigger itself."""
    assert is_cancelled_by(follow_up(), told, catalogue(follow_on("f", PUSHED, **_delivery(PUSHED)))) == expected


def _delivery(*more: dict[str, Any]) -> dict[str, Any]:
    return {"delay": HOUR, "exceptions": [BOUGHT, OPENED, OPENED_OTHER, *more]}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (bought(NOON + SECOND), True),
        (bought(NOON + SECOND, product="Shoe"), False),
        (bought(NOON + SECOND, product=None), False),
        (opened(NOON + SECOND), True),  # any one of several; its target was stopped, which does not matter (X1)
        (opened(NOON + SECOND, "p"), True),
        (opened(NOON + SECOND, "q"), False),
        (pushed(NOON + SECOND, "again"), False),
    ],
)
def test_what_counts(told: LogEntry, expected: bool) -> None:
    """X1, X3: any one is enough, filters compare exactly, and its target is the one that it names."""
    assert is_cancelled_by(follow_up(), told, catalogue()) == expected


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
    """P10: an edit that takes an exception out does not take it from what waits, nor does one that adds it."""
    without = follow_on("f", PUSHED, delay=HOUR)
    both = catalogue(F, without)
    assert is_cancelled_by(follow_up(revision=1), bought(NOON + SECOND), both)
    assert not is_cancelled_by(follow_up(revision=2), bought(NOON + SECOND), both)


BEGUN = follow_up(id="new", trigger=pushed(NOON + SECOND, "again"))
NOW = NOON + timedelta(minutes=2)


def _step(told: LogEntry, standing: Sequence[FollowUp], verdict: TriggerOutcome) -> list[Change]:
    """What an item does, where it would be judged so as a trigger."""
    return apply_in_order(
        told, standing, lambda _logged, _standing, _again: verdict, EvaluationScope("f", "", catalogue(), NOW)
    )


def test_it_ends_at_once_and_names_the_exception() -> None:
    """X4: excepted, with the exception's id and time; as a trigger it is nothing here."""
    (end,) = _step(bought(NOON + SECOND), [follow_up()], None)
    assert isinstance(end, EndedFollowUp)
    assert (end.follow_up.state, end.follow_up.reason) == (State.EXCEPTED, Reason.EXCEPTION)
    assert (end.follow_up.exception_id, end.follow_up.exception_at) == ("bought", NOON + SECOND)
    assert end.follow_up.decided_at == NOW


@pytest.mark.parametrize("again", [pushed(NOON + SECOND, "again"), opened(NOON + SECOND)])
def test_a_new_wait_supersedes_the_old_one(again: LogEntry) -> None:
    """T2, T3: `restart`, and a trigger that is an exception as well, which debounces (case 12): never two waits."""
    end, new = _step(again, [follow_up()], BEGUN)
    assert isinstance(end, EndedFollowUp)
    assert (end.follow_up.state, end.follow_up.reason) == (State.DROPPED, Reason.SUPERSEDED)
    assert new == NewFollowUp(BEGUN)


def test_an_exception_is_applied_before_it_is_judged_as_a_trigger() -> None:
    """T3: what it calls off does not stand in its way; refused as a trigger, it has called it off all the same."""
    seen: list[FollowUp | None] = []

    def judge(_logged: LogEntry, standing: FollowUp | None, _again: bool) -> TriggerOutcome:
        seen.append(standing)
        return Reason.NOT_ELIGIBLE_AGAIN

    for told in (opened(NOON + SECOND), pushed(NOON + SECOND, "again")):
        changes = apply_in_order(told, [follow_up()], judge, EvaluationScope("f", "", catalogue(), NOW))
        assert changes[-1] == Refusal("f", "", told, Reason.NOT_ELIGIBLE_AGAIN)
        assert [type(change) for change in changes[:-1]] == ([EndedFollowUp] if told.id == "opened" else [])
    assert seen == [None, follow_up()]


def test_a_late_exception_is_noted() -> None:
    """X1, case 11: the message stands, and nothing is undone."""
    gone = follow_up(**GONE)
    assert _step(bought(DUE - SECOND), [gone], None) == [LateException(gone, bought(DUE - SECOND))]
    assert _step(bought(DUE + timedelta(hours=1)), [gone], None) == []
