"""The graph of connected campaigns: what listens to what, in words, and which part of it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window
from connector.rules.explaining.graph import Edge, draw_graph
from connector.rules.explaining.plain_words import describe_delay, describe_refinement
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.conditions import InteractionCondition
from connector.rules.publishing.attention import find_missed_launches, find_never_triggering
from tests.support.builders import external, follow_on

SINCE = datetime(2026, 2, 1, tzinfo=UTC)


def entry(state: Lifecycle, definition: dict[str, Any]) -> Entry:
    """A campaign or card in this state; all but drafts were published."""
    parsed = parse_definition(definition)
    is_draft = state == "draft"
    revision = Revision(1, parsed, None if is_draft else SINCE)  # type: ignore[arg-type]
    windows = () if is_draft else (Window(1, SINCE, None if state == "active" else SINCE),)
    return Entry(parsed.id, state, (revision,), windows)  # type: ignore[union-attr]


def catalogue(*entries: Entry, **workspace: Any) -> Catalogue:
    parsed = parse_definition({"workspace": "default", **workspace})
    return Catalogue().with_entries(entries, version=1, workspace=parsed)  # type: ignore[arg-type]


def on(target: str, interaction: str = "open_email", **refined: Any) -> dict[str, Any]:
    return {"interaction": interaction, "campaign": target, **refined}


def chain(length: int) -> Catalogue:
    """o0 ← o1 ← o2 …: each a follow-on of the one before."""
    first = entry("active", external("o0"))
    return catalogue(first, *(entry("active", follow_on(f"o{n}", on(f"o{n - 1}"))) for n in range(1, length)))


def names(graph: Any) -> list[str]:
    return [node.id for node in graph.nodes]


def test_triggers_exceptions_and_events() -> None:
    """An edge for each condition on a campaign, with its words; events stay with the follow-on."""
    nudge = follow_on(
        "nudge",
        on("welcome", "click_email_alias", alias="cta"),
        {"event": "cart_updated", "where": {"plan": "gold"}},
        delay={"after": "2 hours"},
        exceptions=[on("banner"), {"event": "make_purchase", "same": ["sku"]}],
    )
    found = draw_graph(
        catalogue(*(entry("active", external(name)) for name in ("welcome", "banner")), entry("draft", nudge))
    )
    clicks = Edge(
        "welcome",
        "nudge",
        "trigger",
        "click_email_alias",
        "clicks an aliased link in the email",
        "alias: cta",
        "after 2 hours",
    )
    assert found.edges == (clicks, Edge("banner", "nudge", "exception", "open_email", "opens the email"))
    [shown] = [node for node in found.nodes if node.id == "nudge"]
    assert (shown.state, shown.kind, shown.has_draft, shown.live_since) == ("draft", "action_based", True, None)
    assert (shown.starts_on, shown.cancelled_by) == (("cart_updated (plan: gold)",), ("make_purchase (same sku)",))


def test_a_target_that_does_not_exist_is_shown() -> None:
    """It has neither state nor kind."""
    found = draw_graph(catalogue(entry("draft", follow_on("f", on("nowhere")))))
    assert [(node.id, node.state, node.kind) for node in found.nodes] == [
        ("f", "draft", "action_based"),
        ("nowhere", None, None),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"around": ["o3"], "depth": 0}, ["o3"]),
        ({"around": ["o3"]}, ["o2", "o3", "o4"]),
        ({"around": ["o3"], "depth": 2}, ["o1", "o2", "o3", "o4", "o5"]),
        ({"search": "O3"}, ["o2", "o3", "o4"]),
        ({"search": "nothing"}, []),
        ({"around": ["o3"], "depth": 9, "limit": 3}, ["o2", "o3", "o4"]),
    ],
)
def test_neighbourhood(options: dict[str, Any], expected: list[str]) -> None:
    """Both directions are followed, and the nearest stay if there are too many."""
    assert names(draw_graph(chain(9), **options)) == expected


def test_the_whole_is_cut() -> None:
    """Connected ones come first, archived ones not at all, and the number of all is given."""
    lonely = [entry("active", external(f"a{n}")) for n in range(3)]
    found = draw_graph(catalogue(*lonely, entry("archived", external("old")), *chain(3).entries.values()), limit=4)
    assert (names(found), found.total, found.has_more) == (["a0", "o0", "o1", "o2"], 6, True)
    assert len(found.edges) == 2


def test_an_id_that_many_others_begin_with_shows_its_own_neighbourhood() -> None:
    """If more campaigns match than the limit, the neighbours of the campaign with exactly that id are shown."""
    found = draw_graph(chain(1_000), search="O5", depth=1, limit=10)
    assert {"o4", "o5", "o6"} <= set(names(found))
    assert (found.total, found.has_more) == (111, True)


def test_ten_thousand_campaigns_are_searched_quickly() -> None:
    """A chain of 10,000: no recursion, and only a few are drawn."""
    found = draw_graph(chain(10_000), search="o5000", depth=3)
    assert len(found.nodes) == 7


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (None, "at once"),
        ({"after": "90 minutes"}, "after 90 minutes"),
        ({"next": "saturday", "at": "15:15"}, "next saturday at 15:15"),
        ({"in_days": 0, "at": "09:00"}, "the same day at 09:00"),
        ({"in_days": 1, "at": "09:00", "zone": "company"}, "the next day at 09:00 (company's zone)"),
        ({"in_days": 3, "at": "09:00"}, "in 3 days at 09:00"),
    ],
)
def test_delays_in_words(delay: dict[str, Any] | None, words: str) -> None:
    """Every form of a delay."""
    parsed = parse_definition(follow_on("f", on("o"), delay=delay))
    assert describe_delay(parsed.delivery.delay) == words  # type: ignore[union-attr]


def test_refinements_in_words() -> None:
    """A condition without any has none."""
    assert describe_refinement(InteractionCondition.model_validate(on("o"))) is None
    assert describe_refinement(InteractionCondition.model_validate(on("o", opens="human"))) == "opens: human"


@pytest.mark.parametrize(
    ("state", "way_out"),
    [
        ("draft", "o is a draft; publish it (publish o)"),
        ("stopped", "o is stopped; resume it (resume o)"),
        ("archived", "o is archived; listen to another campaign"),
    ],
)
def test_follow_ons_that_nothing_can_trigger(state: Lifecycle, way_out: str) -> None:
    """P1: no target is live; what is live, has an event or is no follow-on is left out."""
    f, target = follow_on("f", on("o")), entry(state, external("o"))
    [found] = find_never_triggering(catalogue(entry("active", f), target))
    assert (found.campaign, found.targets) == ("f", (("o", state),))
    assert found.text == f"f is active, and nothing can trigger it: {way_out}"
    assert find_never_triggering(catalogue(entry("draft", f), target)) == []
    live, both = entry("active", external("p")), entry("active", follow_on("f", on("o"), on("p")))
    assert find_never_triggering(catalogue(both, target, live)) == []
    assert find_never_triggering(catalogue(entry("active", follow_on("f", on("o"), {"event": "e"})), target)) == []


def test_ever_published_targets_count() -> None:
    """P1: with `target: ever_published` a stopped target triggers, a draft does not."""
    f = entry("active", follow_on("f", on("o")))
    assert find_never_triggering(catalogue(f, entry("stopped", external("o")), target="ever_published")) == []
    assert len(find_never_triggering(catalogue(f, entry("draft", external("o")), target="ever_published"))) == 1


def test_orders_that_would_miss_a_launch() -> None:
    """P3: a draft, and the drafts that listen to what its launch makes; not those that listen to clicks."""
    g, f = (entry("draft", follow_on(name, on("o", "receive_push"))) for name in ("g", "f"))
    clicks, target = entry("draft", follow_on("c", on("o", "open_push"))), entry("draft", external("o"))
    [found] = find_missed_launches(catalogue(g, f, clicks, target))
    assert (found.campaign, found.follow_ons, found.order) == ("o", ("f", "g"), ("g", "f", "o"))
    assert "(publish g f o)" in found.text
    assert find_missed_launches(catalogue(g, f, entry("active", external("o")))) == []
