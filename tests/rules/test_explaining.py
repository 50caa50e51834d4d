"""Texts for every code, and the nearest interaction of a campaign without a decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.explaining.evidence import EVIDENCE_BY_REASON
from connector.rules.explaining.near_misses import (
    NEAR_MISS_TEXTS,
    NearMiss,
    Shortfall,
    describe_near_miss,
    listens_to_any,
    nearest_miss,
    subjects_of,
)
from connector.rules.explaining.wording import DELIVERY_TEXTS, NOTED, REASON_TEXTS, STATE_TEXTS, describe_state
from connector.rules.model.campaigns import Card, Workspace, parse_definition
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import DeliveryState

PUBLISHED = datetime(2026, 3, 2, tzinfo=UTC)


def test_every_code_has_text_and_evidence() -> None:
    """Guarantee 7: the tables are complete; every reason, state and shortfall has a text."""
    assert set(REASON_TEXTS) == set(EVIDENCE_BY_REASON) == set(Reason)
    assert set(STATE_TEXTS) == set(State)
    assert set(DELIVERY_TEXTS) == set(DeliveryState)
    assert set(NEAR_MISS_TEXTS) == set(Shortfall)
    for table in (REASON_TEXTS, STATE_TEXTS, DELIVERY_TEXTS):
        assert len(set(table.values())) == len(table)
    assert describe_state(NOTED)


def _entry(name: str, *triggers: list[dict[str, Any]], state: Any = "active") -> Entry:
    """Return a follow-on with a revision per list of triggers, the first live since PUBLISHED, the next ones daily."""
    revisions = tuple(
        Revision(
            n,
            parse_definition(  # type: ignore[arg-type]
                {
                    "campaign": name,
                    "delivery": {"type": "action_based", "trigger": trigger},
                    "messages": {"push": {"title": "t", "body": "b"}},
                }
            ),
            None if state == "draft" else PUBLISHED + timedelta(days=n - 1),
        )
        for n, trigger in enumerate(triggers, 1)
    )
    windows = () if state == "draft" else (Window(1, PUBLISHED),)
    return Entry(name, state, revisions, windows)


def _catalogue(*entries: Entry, robots: Any = "ignore") -> Catalogue:
    card = Card.model_validate({"card": "banner", "title": "t", "body": "b"})
    originals = [
        Entry(name, "active", (Revision(1, parse_definition(definition), PUBLISHED),), (Window(9, PUBLISHED),))  # type: ignore[arg-type]
        for name, definition in (
            ("o", {"campaign": "o", "delivery": {"type": "external"}}),
            ("p", {"campaign": "p", "delivery": {"type": "external"}}),
        )
    ]
    cards = [Entry("banner", "active", (Revision(1, card, PUBLISHED),), (Window(8, PUBLISHED),))]
    settings = Workspace(robots=robots)
    return Catalogue().with_entries([*originals, *cards, *entries], version=1, workspace=settings)


def _did(words: dict[str, Any], *, id: str = "e", minutes: float = 60) -> LogEntry:
    t = PUBLISHED + timedelta(minutes=minutes)
    item = parse_item({"id": id, "user": "u", "occurred_at": t.isoformat(), **words})
    return LogEntry(id=id, seq=1, t=t, received_at=t, item=item)


def _on(type: str, campaign: str = "o", **properties: Any) -> dict[str, Any]:
    return {"type": type, "campaign": campaign, "properties": properties}


def _event(name: str, **properties: Any) -> dict[str, Any]:
    return {"type": "event", "name": name, "properties": properties}


def _condition(type: str, campaign: str = "o", **refined: Any) -> dict[str, Any]:
    return {"interaction": type, "campaign": campaign, **refined}


@pytest.mark.parametrize(
    ("wanted", "did", "shortfall", "words"),
    [
        (
            _condition("click_email_alias", alias="main"),
            _on("click_email_alias", alias="footer"),
            "alias",
            "alias main",
        ),
        (_condition("click_email_alias", alias="main"), _on("click_email", url="x"), "alias", "came without alias"),
        (
            _condition("click_push_button", button="yes"),
            _on("click_push_button", button="no"),
            "button",
            "button is no",
        ),
        (_condition("click_push_story_page", page="2"), _on("click_push_story_page", page="1"), "page", '"2"'),
        (_condition("click_email", url="a"), _on("click_email", url="b"), "url", "url is b"),
        (
            _condition("open_email", opens="human"),
            _on("open_email", opens="machine"),
            "opens",
            "classified as machine, and the trigger requires opens: human",
        ),
        (
            _condition("open_email", opens="human"),
            _on("open_email"),
            "opens",
            "it was not classified, and the trigger requires opens: human",
        ),
        (
            _condition("open_email", where={"n": 1}),
            _on("open_email", n=0),
            "where",
            "n is 0, and the trigger requires n 1",
        ),
        (
            _condition("open_email", where={"n": 0}),
            _on("open_email", n=1),
            "where",
            "n is 1, and the trigger requires n 0",
        ),
        (_condition("open_email", where={"url": "a"}), _on("open_email"), "where", "came without url"),
        ({"event": "paid", "where": {"sku": "A"}}, _event("paid", sku="B"), "where", "sku is B"),
        (_condition("perform_conversion_event", conversion="B"), _on("perform_conversion_event"), "conversion", "is A"),
        (_condition("perform_conversion_event"), _on("perform_conversion_event", conversion="C"), "conversion", "is C"),
        (_condition("click_email"), _on("click_email", robot=True), "robot", "`robots` is ignore"),
        (_condition("click_email"), _on("receive_email"), "other_interaction", "it was receive_email"),
        (_condition("click_email"), _on("click_email", "p"), "other_target", "it was about p"),
        ({"event": "cart_updated"}, _event("Cart_Updated"), "other_event", "it was Cart_Updated"),
    ],
)
def test_first_shortfall(wanted: dict[str, Any], did: dict[str, Any], shortfall: str, words: str) -> None:
    """M1, M2, M5: what the trigger requires and what the item had."""
    entry = _entry("f", [wanted])
    catalogue = _catalogue(entry)
    logged = _did(did)
    miss = nearest_miss(entry, [logged], catalogue)
    assert miss is not None
    assert (miss.shortfall, miss.logged) == (shortfall, logged)
    assert words in describe_near_miss(miss, entry, catalogue)


@pytest.mark.parametrize(
    "did",
    [
        {"type": "view_news_feed_card", "card": "banner"},
        _on("receive_sms", "p"),
        _event("something_else"),
    ],
)
def test_items_that_are_not_near(did: dict[str, Any]) -> None:
    """Another type of another campaign, a card instead of a campaign, and a dissimilar event are no near misses."""
    entry = _entry("f", [_condition("click_email"), {"event": "cart_updated"}])
    assert nearest_miss(entry, [_did(did)], _catalogue(entry)) is None
    assert not listens_to_any(entry, subjects_of([_did(did)]))


def test_nearest_of_several() -> None:
    """Another refinement is nearer than another type, and that than another campaign; of equals the newest."""
    entry = _entry("f", [_condition("click_email_alias", alias="main")])
    far, other = _did(_on("click_email", "p"), id="far", minutes=9), _did(_on("open_email"), id="other", minutes=8)
    old, new = (_did(_on("click_email_alias", alias=name), id=name, minutes=m) for name, m in (("old", 1), ("new", 2)))
    catalogue = _catalogue(entry)
    for items, expected in (
        ([far], "far"),
        ([other, far], "other"),
        ([far, other, old], "old"),
        ([new, old, far, other], "new"),
    ):
        miss = nearest_miss(entry, items, catalogue)
        assert miss is not None
        assert miss.logged is not None
        assert miss.logged.id == expected
    assert listens_to_any(entry, subjects_of([other]))
    assert not listens_to_any(entry, subjects_of([far]))


def _miss(entry: Entry, *items: LogEntry, robots: Any = "ignore") -> tuple[NearMiss, str]:
    catalogue = _catalogue(entry, robots=robots)
    miss = nearest_miss(entry, items, catalogue)
    assert miss is not None
    return miss, describe_near_miss(miss, entry, catalogue)


def test_a_draft_triggers_nothing() -> None:
    """P2: the item matches the trigger of a campaign that was never published."""
    miss, words = _miss(_entry("f", [_condition("open_email")], state="draft"), _did(_on("open_email")))
    assert (miss.shortfall, words) == (Shortfall.DRAFT, "f is a draft and has never been published")


def test_before_the_first_publication() -> None:
    """P2: an item from when the campaign was a draft has no decision, not even a refusal."""
    miss, words = _miss(_entry("f", [_condition("open_email")]), _did(_on("open_email"), minutes=-1))
    assert miss.shortfall is Shortfall.BEFORE_PUBLISH
    assert "2026-03-02T00:00:00Z" in words


def test_revision_in_effect() -> None:
    """P10: the item is compared with the revision of its time; a later one that it matches is named with its time."""
    entry = _entry("f", [_condition("click_email")], [_condition("open_email")])
    miss, words = _miss(entry, _did(_on("open_email")))
    assert (miss.shortfall, miss.revision.number, miss.wanted) == (Shortfall.EARLIER_REVISION, 1, 2)
    assert "from 2026-03-03T00:00:00Z" in words


def test_settings_that_have_changed_since() -> None:
    """M2: a robot's click that was ignored then and would count now has no decision."""
    miss, words = _miss(_entry("f", [_condition("click_email")]), _did(_on("click_email", robot=True)), robots="count")
    assert miss.shortfall is Shortfall.DECISION_NOT_KEPT
    assert "current settings" in words


def test_unknown_target() -> None:
    """P3: a draft may name a target that was never applied; nobody can interact with it."""
    miss, words = _miss(_entry("f", [_condition("open_email", "nowhere")], state="draft"))
    assert (miss.shortfall, miss.logged) == (Shortfall.UNKNOWN_TARGET, None)
    assert "nowhere is not known" in words
