"""A statement holds from when it was made: a table of statements, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

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
    consents, said_at = {}, {}
    for one in statements:
        consents, said_at = apply_consent(consents, said_at, [statement(*one)], NOW)
    assert consents.keys() == said_at.keys()
    return dict(consents)


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
