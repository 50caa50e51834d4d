"""Definitions become drafts beside what is live (P10), and what they would do is told before (P3, P7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window
from connector.rules.model.campaigns import Campaign, Card, Workspace, parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.drafting import Definition, DraftChange, draft, draft_warnings
from connector.rules.publishing.preview import (
    Difference,
    applying_warnings,
    differences,
    other_entries,
    preview_definitions,
    unpublished_ids,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EARLIER = datetime(2026, 2, 1, tzinfo=UTC)
NIGHT = {"from": "22:00", "to": "06:00"}


def original(name: str = "o", **more: Any) -> Campaign:
    return Campaign.model_validate({"campaign": name, "delivery": {"type": "external"}, **more})


def follow_on(name: str = "f", target: str = "o", **delivery: Any) -> Campaign:
    trigger = [{"interaction": "open_push", "campaign": target}]
    return Campaign.model_validate(
        {
            "campaign": name,
            "delivery": {"type": "action_based", "trigger": trigger, **delivery},
            "messages": {"push": {"title": "t", "body": "b"}},
        }
    )


def card(name: str = "o") -> Card:
    return Card(card=name, title="t", body="b")


def known(*definitions: Campaign | Card, state: Lifecycle = "active", draft: Campaign | None = None) -> Catalogue:
    """A catalogue of these, published earlier unless drafts; of the first there may be a draft revision beside it."""
    effective = None if state == "draft" else EARLIER
    windows = () if state == "draft" else (Window(1, EARLIER, None if state == "active" else NOW),)
    entries = [Entry(d.id, state, (Revision(1, d, effective),), windows) for d in definitions]
    if draft is not None:
        entries[0] = Entry(draft.id, state, (*entries[0].revisions, Revision(2, draft)), windows)
    return Catalogue().with_entries(entries, version=7, changed_at=EARLIER)


def test_new_ones_are_drafts() -> None:
    """P1, P10: revision 1, never published; the version is raised once for all of them."""
    drafted = draft(Catalogue(), [Workspace(zone="Europe/Berlin"), card("c"), follow_on()])
    assert drafted.changes == (DraftChange("default", 1, "new"), DraftChange("c", 1, "new"), DraftChange("f", 1, "new"))
    assert (drafted.catalogue.version, drafted.catalogue.workspace.zone) == (1, "Europe/Berlin")
    assert drafted.catalogue.entries["f"] == Entry("f", "draft", (Revision(1, follow_on()),))
    assert drafted.catalogue.trigger_listeners == {}


def test_what_is_live_goes_on() -> None:
    """P10: the draft stands beside the live revision, and nothing else of the entry changes."""
    before = known(follow_on(), original())
    drafted = draft(before, [original(), follow_on(retrigger="restart")])
    assert drafted.changes == (DraftChange("o", 1, "unchanged"), DraftChange("f", 2, "edited"))
    entry = drafted.catalogue.entries["f"]
    assert (entry.live, entry.newest.number, entry.windows) == (
        before.entries["f"].live,
        2,
        before.entries["f"].windows,
    )
    assert drafted.catalogue.trigger_listeners == before.trigger_listeners
    assert drafted.catalogue.entries["o"] is before.entries["o"]
    assert before.entries["f"].newest.number == 1


def test_a_draft_takes_the_place_of_a_draft() -> None:
    """P10: what was replaced before it was published was never live, and never will be; numbers go on."""
    before = known(follow_on(), draft=follow_on(retrigger="restart"))
    drafted = draft(before, [follow_on(eligible_again="always")])
    assert drafted.changes == (DraftChange("f", 3, "edited"),)
    assert [revision.number for revision in drafted.catalogue.entries["f"].revisions] == [1, 3]


def test_going_back_to_what_is_live_is_an_edit_of_the_draft() -> None:
    """P10: compared with the newest saved revision, not with the live one."""
    before = known(follow_on(), draft=follow_on(retrigger="restart"))
    assert draft(before, [follow_on()]).changes == (DraftChange("f", 3, "edited"),)


def test_nothing_new_is_nothing_changed() -> None:
    """P5, P10: the very catalogue, at its version."""
    before = known(follow_on(), original())
    drafted = draft(before, [follow_on(), original(), Workspace()])
    assert drafted.catalogue is before
    assert {saved.change for saved in drafted.changes} == {"unchanged"}


def test_true_is_not_one() -> None:
    """X3: filters compare exactly, so that an edit from 1 to true is one."""
    one, true = (follow_on(trigger=[{"event": "e", "where": {"n": value}}]) for value in (1, True))
    assert [saved.change for saved in draft(known(one), [true]).changes] == ["edited"]


@pytest.mark.parametrize(
    ("before", "definitions", "problems"),
    [
        (known(original(), state="archived"), [original()], ["o is archived and cannot be edited"]),
        (known(original()), [card()], ["o is a campaign already; campaigns and cards share one space of ids"]),
        (known(card()), [original()], ["o is a card already"]),
        (Catalogue(), [original(), card()], ["o is given 2 times"]),
        (Catalogue(), [Workspace(), Workspace()], ["default is given 2 times"]),
        (Catalogue(), [original("default"), Workspace()], []),
        (
            known(original(), card("c"), state="archived"),
            [original(), card("c"), card("c")],
            ["c is given 2 times", "o is archived", "c is archived", "c is archived"],
        ),
    ],
)
def test_refused(before: Catalogue, definitions: list[Any], problems: list[str]) -> None:
    """P9, M5: what is archived, was of the other kind, or is given twice; every problem is told."""
    if not problems:
        assert len(draft(before, definitions).changes) == len(definitions)
        return
    with pytest.raises(OrderRefused) as refused:
        draft(before, definitions)
    assert [said[: len(problem)] for said, problem in zip(refused.value.problems, problems, strict=True)] == problems


@pytest.mark.parametrize(
    ("catalogue", "definition", "notes"),
    [
        (known(original()), follow_on(), []),
        (Catalogue(), follow_on(), ["publishing f will be refused: its trigger names the campaign o, which does not"]),
        (
            known(original()),
            follow_on(exceptions=[{"event": "e"}]),
            ["publishing f will be refused: its exceptions could never come"],
        ),
        (
            known(original()),
            follow_on(start="2026-04-01T00:00:00Z", quiet_hours={"from": "09:00", "to": "09:00"}),
            [
                "publishing f will be refused: its `quiet_hours` begin and end",
                "f: what happens before its `start`",
            ],
        ),
        (Catalogue(), card(), []),
    ],
)
def test_told_of_drafts(catalogue: Catalogue, definition: Campaign | Card, notes: list[str]) -> None:
    """P3, P7, P8: saved all the same; what publishing would be refused for is a warning besides the others."""
    drafted = draft(catalogue, [definition])
    said = draft_warnings([definition, Workspace()], drafted.catalogue, NOW)
    assert [one[: len(note)] for one, note in zip(said, notes, strict=True)] == notes


def test_what_is_live_is_not_refused() -> None:
    """P7: nothing of it is to be published, so that its `end` having passed is no news."""
    over = follow_on(end="2026-02-15T00:00:00Z")
    assert draft_warnings([over], known(over, original()), NOW) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, [("a", "edited", 1, True)]),
        ({"a": 1}, {"b": None}, [("b", "added", None, None), ("a", "removed", 1, None)]),
        (
            {"delivery": {"delay": {"after": "1 day"}, "key": None}},
            {"delivery": {"delay": {"after": "2 days"}, "key": None}},
            [("delivery.delay.after", "edited", "1 day", "2 days")],
        ),
        (
            {"delivery": {"delay": {"after": "1 day"}}},
            {"delivery": {"delay": {"next": "monday"}}},
            [("delivery.delay", "edited", {"after": "1 day"}, {"next": "monday"})],
        ),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a", "edited", [1, 2], [2, 1])]),
        ({"a": {"b": 1}}, {"a": None}, [("a", "edited", {"b": 1}, None)]),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], found: list[tuple[Any, ...]]) -> None:
    """P10: what an edit changes, by the keys under which it stands."""
    assert list(differences(before, after)) == [Difference(*one) for one in found]


def test_what_becomes_of_each() -> None:
    """P10: new, edited with its keys, unchanged; revisions beside what is live; the settings have no revision."""
    before = known(follow_on(), original())
    edited = follow_on(delay={"after": "1 hour"})
    definitions: list[Definition] = [Workspace(zone="Europe/Berlin"), card("c"), original(), edited]
    drafted = draft(before, definitions)
    told = preview_definitions(before, drafted, definitions)
    assert [(one.id, one.kind, one.change, one.revision, one.live_revision) for one in told] == [
        ("default", "workspace", "edited", 8, None),
        ("c", "card", "new", 1, None),
        ("o", "campaign", "unchanged", 1, 1),
        ("f", "campaign", "edited", 2, 1),
    ]
    assert [[difference.path for difference in one.differences] for one in told] == [
        ["zone"],
        [],
        [],
        ["delivery.delay"],
    ]
    assert unpublished_ids(drafted, definitions) == ["c", "f"]
    assert other_entries(before, definitions) == []
    assert [entry.id for entry in other_entries(before, [follow_on()])] == ["o"]


@pytest.mark.parametrize(
    ("state", "edited", "published"), [("draft", False, True), ("stopped", False, False), ("stopped", True, True)]
)
def test_what_is_to_be_published(state: Lifecycle, edited: bool, published: bool) -> None:
    """P5, P9: a draft that was saved before; a stopped one only where it was edited, and then that is told."""
    definition: Definition = follow_on(retrigger="restart") if edited else follow_on()
    before = known(follow_on(), state=state)
    drafted = draft(before, [definition])
    names = unpublished_ids(drafted, [definition])
    assert names == (["f"] if published else [])
    assert len(list(applying_warnings(before, drafted, names))) == (1 if edited else 0)


def test_new_settings_silence_a_live_campaign() -> None:
    """P7: the workspace's settings hold at once, also for what is live and would now be refused."""
    night = follow_on(time_of_day={"from": "23:00", "to": "05:00"})
    before = known(night)
    settings = parse_definition({"workspace": "default", "quiet_hours": NIGHT})
    drafted = draft(before, [settings])
    (note,) = applying_warnings(before, drafted, [])
    assert "hold at once, and f is live: its `time_of_day` (23:00 to 05:00) is wholly inside" in note
    assert list(applying_warnings(drafted.catalogue, drafted, [])) == []
