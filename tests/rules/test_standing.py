"""A word holds from when it was said: a table of what is told, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from connector.rules.provider_events import Happened, ProviderEvent
from connector.rules.provider_outcomes import outcome_of
from connector.rules.standing import Standing, heard

H = Happened
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = AT + timedelta(days=1)
ADA, OLD = "Ada@shop.test", "old@shop.test"


def after(*told: tuple[Happened, float, str], address: str | None = ADA) -> Standing:
    standing = Standing({}, {}, {})
    for happened, hours, recipient in told:
        at = AT + timedelta(hours=hours)
        event = ProviderEvent("ses", "e", happened, at, recipient=recipient, permanent=True)
        standing = heard(standing, event, outcome_of(event), address, NOW)
    return standing


SAID: list[tuple[list[tuple[Happened, float, str]], dict[str, str], dict[str, str]]] = [
    ([(H.SUBSCRIBED, 0, ADA), (H.UNSUBSCRIBED, 1, ADA)], {"email": "unsubscribed"}, {}),
    ([(H.UNSUBSCRIBED, 0, ADA), (H.SUBSCRIBED, 1, ADA)], {"email": "subscribed"}, {}),
    ([(H.SUBSCRIBED, 0, ADA), (H.BOUNCED, 1, "ada@SHOP.test")], {"email": "subscribed"}, {"email": ADA}),
    ([(H.BOUNCED, 0, ADA), (H.SUBSCRIBED, 1, ADA)], {"email": "subscribed"}, {}),
    ([(H.BOUNCED, 0, ADA), (H.SUBSCRIBED, 1, ADA), (H.COMPLAINED, 2, ADA)], {"email": "unsubscribed"}, {"email": ADA}),
    ([(H.COMPLAINED, 0, ADA), (H.UNSUBSCRIBED, 1, ADA), (H.SUBSCRIBED, 2, ADA)], {"email": "subscribed"}, {}),
    ([(H.BOUNCED, 2, OLD), (H.BOUNCED, 1, ADA)], {}, {"email": ADA}),
    ([(H.SUBSCRIBED, 2, OLD), (H.BOUNCED, 1, ADA)], {"email": "subscribed"}, {"email": ADA}),
]


@pytest.mark.parametrize(("told", "consent", "unreachable"), SAID)
def test_the_last_word_holds(told: Any, consent: dict[str, str], unreachable: dict[str, str]) -> None:
    """In whatever order they are told; what is said of an address that is not theirs is not said of theirs."""
    for order in permutations(told):
        standing = after(*order)
        assert (standing.consent, standing.unreachable) == (consent, unreachable)


def test_of_two_at_one_instant_the_one_told_last_holds() -> None:
    """Some providers tell whole seconds, and tell in order."""
    assert after((H.SUBSCRIBED, 0, ADA), (H.UNSUBSCRIBED, 0, ADA)).consent == {"email": "unsubscribed"}
    assert after((H.UNSUBSCRIBED, 0, ADA), (H.SUBSCRIBED, 0, ADA)).consent == {"email": "subscribed"}


def test_what_is_to_be_said_was_said_now() -> None:
    """M7: a provider whose clock is far ahead does not silence all who speak later."""
    ahead = after((H.SUBSCRIBED, 24 * 365 * 40, ADA), (H.UNSUBSCRIBED, 24, ADA))
    assert ahead.consent == {"email": "unsubscribed"}


def test_little_is_remembered() -> None:
    """One word on consent and one address a channel, however many are spoken of."""
    told = [(H.COMPLAINED, n, f"{n}@shop.test") for n in range(20)]
    assert len(after(*told, address=None).said_at) == 2
