"""A statement holds from when it was made: a table of statements, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from connector.rules.model.consent import (
    Consent,
    ConsentSource,
    ConsentStatement,
    ConsentStatements,
    choose_statement,
    merge_statements,
    plain_consent,
    read_statements,
)
from connector.rules.provider_events.consent import apply_consent, latest_statements
from connector.rules.provider_events.effects import EventEffect, interpret_event
from connector.rules.provider_events.events import EventKind, ProviderEvent

H = EventKind
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = AT + timedelta(days=1)
ADA, OLD = "Ada@shop.test", "old@shop.test"
Statement = tuple[EventKind, float, str]


def statement(happened: EventKind, hours: float, recipient: str) -> tuple[ProviderEvent, EventEffect]:
    at = AT + timedelta(hours=hours)
    event = ProviderEvent("ses", "e", happened, at, recipient=recipient, permanent=True)
    return event, interpret_event(event)


def consent(*statements: Statement) -> dict[str, str]:
    """Return the consent after these statements, each applied by itself."""
    held: ConsentStatements = {}
    for one in statements:
        held = apply_consent(held, [statement(*one)], NOW)
    assert {one.source for one in held.values()} <= {ConsentSource.PROVIDER}
    return {channel: one.state for channel, one in held.items()}


def suppressed(*statements: Statement) -> set[str]:
    return {
        latest.address.lower()
        for latest in latest_statements([statement(*one) for one in statements], NOW)
        if latest.is_suppressed
    }


CASES: list[tuple[list[Statement], dict[str, str], set[str]]] = [
    ([(H.SUBSCRIBED, 0, ADA), (H.UNSUBSCRIBED, 1, ADA)], {"email": "unsubscribed"}, set()),
    ([(H.UNSUBSCRIBED, 0, ADA), (H.SUBSCRIBED, 1, ADA)], {"email": "subscribed"}, set()),
    ([(H.SUBSCRIBED, 0, ADA), (H.BOUNCED, 1, "ada@SHOP.test")], {"email": "subscribed"}, {"ada@shop.test"}),
    ([(H.BOUNCED, 0, ADA), (H.SUBSCRIBED, 1, ADA)], {"email": "subscribed"}, set()),
    ([(H.BOUNCED, 0, ADA), (H.SUBSCRIBED, 1, ADA), (H.COMPLAINED, 2, ADA)], {"email": "unsubscribed"}, {ADA.lower()}),
    ([(H.COMPLAINED, 0, ADA), (H.UNSUBSCRIBED, 1, ADA), (H.SUBSCRIBED, 2, ADA)], {"email": "subscribed"}, set()),
    ([(H.BOUNCED, 2, OLD), (H.BOUNCED, 1, ADA)], {}, {ADA.lower(), OLD}),
    ([(H.SUBSCRIBED, 2, OLD), (H.BOUNCED, 1, ADA)], {"email": "subscribed"}, {ADA.lower()}),
]


@pytest.mark.parametrize(("statements", "consents", "addresses"), CASES)
def test_the_latest_statement_holds(statements: Any, consents: dict[str, str], addresses: set[str]) -> None:
    """In any order of arrival; a statement about one address is none about another."""
    for order in permutations(statements):
        assert (consent(*order), suppressed(*order)) == (consents, addresses)


def test_of_two_at_one_instant_the_last_reported_holds() -> None:
    """Some providers report whole seconds, and in order."""
    assert consent((H.SUBSCRIBED, 0, ADA), (H.UNSUBSCRIBED, 0, ADA)) == {"email": "unsubscribed"}
    assert consent((H.UNSUBSCRIBED, 0, ADA), (H.SUBSCRIBED, 0, ADA)) == {"email": "subscribed"}
    assert suppressed((H.BOUNCED, 0, ADA), (H.SUBSCRIBED, 0, ADA)) == set()


def test_a_statement_in_the_future_was_made_now() -> None:
    """M7: a provider whose clock is far ahead does not overrule all later statements."""
    ahead: Statement = (H.SUBSCRIBED, 24 * 365 * 40, ADA)
    assert consent(ahead, (H.UNSUBSCRIBED, 24, ADA)) == {"email": "unsubscribed"}
    assert suppressed(ahead, (H.BOUNCED, 24, ADA)) == {"ada@shop.test"}


P, S = ConsentSource.PROFILE, ConsentSource.SERVICE
EXPLICIT = [source for source in ConsentSource if source is not P]


def stated(state: Consent, source: ConsentSource, hours: float | None) -> ConsentStatement:
    """A statement, some hours after noon; a profile's `subscribed` has no time."""
    return ConsentStatement(state, source, None if hours is None else AT + timedelta(hours=hours))


IN, OUT = "subscribed", "unsubscribed"
WHICH_HOLDS: list[tuple[str, Consent, float | None, Consent, float | None, bool]] = [
    ("explicit, explicit", OUT, 1, IN, 2, True),
    ("explicit, explicit", OUT, 2, IN, 1, False),
    ("explicit, explicit", IN, 1, OUT, 2, True),
    ("explicit, explicit", IN, 2, OUT, 1, False),
    ("explicit, profile", OUT, 1, IN, None, False),
    ("explicit, profile", OUT, 1, OUT, 9, False),
    ("explicit, profile", IN, 1, OUT, 9, True),
    ("explicit, profile", IN, 1, IN, None, False),
    ("profile, explicit", IN, None, OUT, 1, True),
    ("profile, explicit", IN, None, IN, 1, True),
    ("profile, explicit", OUT, 9, IN, 10, True),
    ("profile, explicit", OUT, 9, IN, 8, False),
    ("profile, profile", OUT, 9, IN, None, True),
    ("profile, profile", IN, None, OUT, 9, True),
    ("profile, profile", OUT, 8, OUT, 9, False),
]
"""Who made the one that held and who makes the new one; state and hour of each; whether the new one holds."""


@pytest.mark.parametrize(("who", "state", "at", "new_state", "new_at", "is_new"), WHICH_HOLDS)
def test_which_of_two_statements_holds(
    who: str, state: Consent, at: float | None, new_state: Consent, new_at: float | None, is_new: bool
) -> None:
    """W1: for every source of an explicit statement; what held without a statement is the new one."""
    kinds = {"explicit": EXPLICIT, "profile": [P]}
    first, second = (kinds[word] for word in who.split(", "))
    for source in first:
        for new_source in second:
            current, new = stated(state, source, at), stated(new_state, new_source, new_at)
            assert choose_statement(current, new) is (new if is_new else current)
            assert choose_statement(None, new) is new


def test_what_the_wire_states() -> None:
    """A bare state is a profile's; a time makes it a statement, never later than now; channels are apart."""
    at = "2026-03-02T10:00:00+02:00"
    bare = {"email": IN, "sms": OUT}
    assert read_statements(bare, NOW, S) == {"email": stated(IN, P, None), "sms": ConsentStatement(OUT, P, NOW)}
    timed = {"email": {"state": IN, "effective_at": at}, "sms": {"state": OUT}}
    assert read_statements(timed, NOW, S)["email"] == ConsentStatement(IN, S, datetime(2026, 3, 2, 8, tzinfo=UTC))
    assert read_statements(timed, NOW, S)["sms"].source is P
    assert read_statements({**bare, "effective_at": NOW + timedelta(days=9)}, NOW, S) == {
        "email": ConsentStatement(IN, S, NOW), "sms": ConsentStatement(OUT, S, NOW),
    }  # fmt: skip
    for wire in (bare, {**timed, "sms": OUT}, {**bare, "effective_at": at}):
        assert plain_consent(wire) == bare
    held = {"sms": stated(OUT, ConsentSource.USER, 1)}
    assert merge_statements(held, read_statements({"email": OUT}, NOW, S)) == {
        **held, "email": ConsentStatement(OUT, P, NOW),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        ({"email": {"state": IN, "effective_at": "yesterday"}}, "effective_at: .*zone, like"),
        ({"email": {"state": IN, "effective_at": "2026-03-02T10:00:00"}}, "effective_at: .*zone, like"),
        ({"email": {"state": "perhaps"}}, "state: [^;]*$"),
        ({"email": {"state": IN, "source": "user"}}, "source: [^;]*$"),
        ({"email": IN, "effective_at": "2026-03-02"}, "effective_at: .*zone, like"),
    ],
)
def test_what_the_wire_does_not_state(wire: dict[str, Any], problem: str) -> None:
    """A time needs its zone, and a caller must not name a source."""
    with pytest.raises(ValueError, match=problem):
        plain_consent(wire)
