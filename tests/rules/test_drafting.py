"""Drafts beside live revisions (P10), and the preview of saving and publishing them (P3, P7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision, Window
from connector.rules.model.campaigns import AnyDefinition, Campaign, Card, Workspace, parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.drafting import DraftChange, draft, draft_warnings
from connector.rules.publishing.preview import (
    Difference,
    applying_warnings,
    differences,
    other_entries,
    preview_definitions,
    unpublished_ids,
)
from tests.support.builders import OPENED, external, follow_on

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EARLIER = datetime(2026, 2, 1, tzinfo=UTC)
NIGHT = {"from": "22:00", "to": "06:00"}


def drafted_original(name: str = "o", **more: Any) -> Campaign:
    return Campaign.model_validate({**external(name), **more})


def drafted_follow_on(**delivery: Any) -> Campaign:
    return Campaign.model_validate(follow_on("f", OPENED, **delivery))


def card(name: str = "o") -> Card:
    return Card(card=name, title="t", body="b")


def saved_catalogue(
    *definitions: Campaign | Card, state: Lifecycle = "active", draft: Campaign | None = None
) -> Catalogue:
    """Return a catalogue of these, published earlier unless drafts; the first may have a draft revision besides."""
    effective = None if state == "draft" else EARLIER
    windows = () if state == "draft" else (Window(1, EARLIER, None if state == "active" else NOW),)
    entries = [Entry(d.id, state, (Revision(1, d, effective),), windows) for d in definitions]
    if draft is not None:
        entries[0] = Entry(draft.id, state, (*entries[0].revisions, Revision(2, draft)), windows)
    return Catalogue().with_entries(entries, version=7, changed_at=EARLIER)


def test_new_definitions_are_drafts() -> None:
    """P1, P10: they are revision 1 and unpublished; the version grows once for all of them."""
    drafted = draft(Catalogue(), [Workspace(zone="Europe/Berlin"), card("c"), drafted_follow_on()])
    assert drafted.changes == (DraftChange("default", 1, "new"), DraftChange("c", 1, "new"), DraftChange("f", 1, "new"))
    assert (drafted.catalogue.version, drafted.catalogue.workspace.zone) == (1, "Europe/Berlin")
    assert drafted.catalogue.entries["f"] == Entry("f", "draft", (Revision(1, drafted_follow_on()),))
    assert drafted.catalogue.trigger_listeners == {}


def test_live_revisions_stay() -> None:
    """P10: the draft is saved beside the live revision, and nothing else of the entry changes."""
    before = saved_catalogue(drafted_follow_on(), drafted_original())
    drafted = draft(before, [drafted_original(), drafted_follow_on(retrigger="restart")])
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


def test_a_draft_replaces_a_draft() -> None:
    """P10: a draft that was replaced is never published; numbers go on."""
    before = saved_catalogue(drafted_follow_on(), draft=drafted_follow_on(retrigger="restart"))
    drafted = draft(before, [drafted_follow_on(eligible_again="always")])
    assert drafted.changes == (DraftChange("f", 3, "edited"),)
    assert [revision.number for revision in drafted.catalogue.entries["f"].revisions] == [1, 3]


def test_returning_to_the_live_definition_is_an_edit() -> None:
    """P10: a definition is compared with the newest saved revision, not with the live one."""
    before = saved_catalogue(drafted_follow_on(), draft=drafted_follow_on(retrigger="restart"))
    assert draft(before, [drafted_follow_on()]).changes == (DraftChange("f", 3, "edited"),)


def test_unchanged_definitions_change_nothing() -> None:
    """P5, P10: the result is the same catalogue at the same version."""
    before = saved_catalogue(drafted_follow_on(), drafted_original())
    drafted = draft(before, [drafted_follow_on(), drafted_original(), Workspace()])
    assert drafted.catalogue is before
    assert {change.change for change in drafted.changes} == {"unchanged"}


def test_true_is_not_one() -> None:
    """X3: filters compare exactly, so a change from 1 to true is an edit."""
    one, true = (
        Campaign.model_validate(follow_on("f", [{"event": "e", "where": {"n": value}}])) for value in (1, True)
    )
    assert [change.change for change in draft(saved_catalogue(one), [true]).changes] == ["edited"]


@pytest.mark.parametrize(
    ("before", "definitions", "problems"),
    [
        (
            saved_catalogue(drafted_original(), state="archived"),
            [drafted_original()],
            ["o is archived and cannot be edited"],
        ),
        (
            saved_catalogue(drafted_original()),
            [card()],
            ["o is a campaign already; campaigns and cards share one space of ids"],
        ),
        (saved_catalogue(card()), [drafted_original()], ["o is a card already"]),
        (Catalogue(), [drafted_original(), card()], ["o is given 2 times"]),
        (Catalogue(), [Workspace(), Workspace()], ["default is given 2 times"]),
        (Catalogue(), [drafted_original("default"), Workspace()], []),
        (
            saved_catalogue(drafted_original(), card("c"), state="archived"),
            [drafted_original(), card("c"), card("c")],
            ["c is given 2 times", "o is archived", "c is archived", "c is archived"],
        ),
    ],
)
def test_refused(before: Catalogue, definitions: list[Any], problems: list[str]) -> None:
    """P9, M5: an archived id, an id of the other kind, and a duplicate; the error has every problem."""
    if not problems:
        assert len(draft(before, definitions).changes) == len(definitions)
        return
    with pytest.raises(OrderRefused) as refused:
        draft(before, definitions)
    assert [
        actual[: len(problem)] for actual, problem in zip(refused.value.problems, problems, strict=True)
    ] == problems


@pytest.mark.parametrize(
    ("catalogue", "definition", "notes"),
    [
        (saved_catalogue(drafted_original()), drafted_follow_on(), []),
        (
            Catalogue(),
            drafted_follow_on(),
            ["publishing f will be refused: delivery.trigger[0].campaign: its trigger names the campaign o"],
        ),
        (
            saved_catalogue(drafted_original()),
            drafted_follow_on(exceptions=[{"event": "e"}]),
            ["publishing f will be refused: delivery.exceptions: its exceptions can never happen"],
        ),
        (
            saved_catalogue(drafted_original()),
            drafted_follow_on(start="2026-04-01T00:00:00Z", quiet_hours={"from": "09:00", "to": "09:00"}),
            [
                "publishing f will be refused: delivery.quiet_hours: its `quiet_hours` begin and end",
                "f: delivery.start: what happens before its `start`",
            ],
        ),
        (Catalogue(), card(), []),
    ],
)
def test_warnings_of_drafts(catalogue: Catalogue, definition: Campaign | Card, notes: list[str]) -> None:
    """P3, P7, P8: a draft is saved; why publishing it would be refused is a warning besides the others."""
    drafted = draft(catalogue, [definition])
    actual = draft_warnings([definition, Workspace()], drafted.catalogue, NOW)
    assert [one[: len(note)] for one, note in zip(actual, notes, strict=True)] == notes


def test_live_definitions_are_not_refused() -> None:
    """P7: it is not published again, so an `end` that has passed is no warning."""
    over = drafted_follow_on(end="2026-02-15T00:00:00Z")
    assert draft_warnings([over], saved_catalogue(over, drafted_original()), NOW) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
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
def test_differences(before: dict[str, Any], after: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    """P10: the differences of an edit, by their keys."""
    assert list(differences(before, after)) == [Difference(*one) for one in expected]


def test_preview_of_each_definition() -> None:
    """P10: new, edited with its keys, and unchanged; the revision beside the live one; settings have no revision."""
    before = saved_catalogue(drafted_follow_on(), drafted_original())
    edited = drafted_follow_on(delay={"after": "1 hour"})
    definitions: list[AnyDefinition] = [Workspace(zone="Europe/Berlin"), card("c"), drafted_original(), edited]
    drafted = draft(before, definitions)
    previews = preview_definitions(before, drafted, definitions)
    assert [(one.id, one.kind, one.change, one.revision, one.live_revision) for one in previews] == [
        ("default", "workspace", "edited", 8, None),
        ("c", "card", "new", 1, None),
        ("o", "campaign", "unchanged", 1, 1),
        ("f", "campaign", "edited", 2, 1),
    ]
    assert [[difference.path for difference in one.differences] for one in previews] == [
        ["zone"],
        [],
        [],
        ["delivery.delay"],
    ]
    assert unpublished_ids(drafted, definitions) == ["c", "f"]
    assert other_entries(before, definitions) == []
    assert [entry.id for entry in other_entries(before, [drafted_follow_on()])] == ["o"]


@pytest.mark.parametrize(
    ("state", "edited", "published"), [("draft", False, True), ("stopped", False, False), ("stopped", True, True)]
)
def test_unpublished_ids(state: Lifecycle, edited: bool, published: bool) -> None:
    """P5, P9: a saved draft is unpublished; a stopped campaign only if it was edited, with a warning."""
    definition: AnyDefinition = drafted_follow_on(retrigger="restart") if edited else drafted_follow_on()
    before = saved_catalogue(drafted_follow_on(), state=state)
    drafted = draft(before, [definition])
    names = unpublished_ids(drafted, [definition])
    assert names == (["f"] if published else [])
    assert len(list(applying_warnings(before, drafted, names, NOW))) == (1 if edited else 0)


def test_new_settings_silence_a_live_campaign() -> None:
    """P7: the workspace's settings take effect at once, also for live campaigns that would now be refused."""
    night = drafted_follow_on(time_of_day={"from": "23:00", "to": "05:00"})
    before = saved_catalogue(night)
    settings = parse_definition({"workspace": "default", "quiet_hours": NIGHT})
    drafted = draft(before, [settings])
    (note,) = applying_warnings(before, drafted, [], NOW)
    assert "take effect at once, and f is live: its `time_of_day` (23:00 to 05:00) is wholly inside" in note
    assert list(applying_warnings(drafted.catalogue, drafted, [], NOW)) == []
