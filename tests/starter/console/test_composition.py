"""The composer without a browser: the text of a composition and what its form shows are one, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.definitions.yaml_editing import value_at
from connector.rules.explaining.interaction_words import INTERACTION_GROUPS, INTERACTION_WORDS
from connector.rules.model.interactions import CARD_INTERACTIONS, InteractionType
from connector.rules.model.predicates import OPERATORS
from starter.console.compose import audience_data, condition_data
from starter.console.compose.codecs import (
    BLOCK,
    INTEGER,
    LIST,
    SCALAR,
    TEXT,
    read_duration,
    write_duration,
)
from starter.console.compose.composition import MAX_VALUES, Composition, NotInStep, dotted
from starter.console.compose.problems import keys_around
from starter.console.compose.starts import STARTS

EXAMPLE = Path("examples/abandoned-cart.yaml").read_text()


@pytest.mark.parametrize("number", [0, 1])
def test_the_form_changes_its_document_and_no_other(number: int) -> None:
    """Of a file with two campaigns, the one that is shown changes; the comments of both stay."""
    composition = Composition(EXAMPLE)
    composition.number = number
    before = composition.documents
    assert composition.put(("delivery", "delay"), {"after": "2 days"})
    assert composition.value(("delivery", "delay", "after")) == "2 days"
    assert composition.documents[1 - number] == before[1 - number]
    assert composition.text.count("#") == EXAMPLE.count("#")


def test_what_is_equal_changes_nothing() -> None:
    """A field that shows what the text says never writes it again: no change causes another one."""
    composition = Composition(EXAMPLE)
    assert not composition.put(("name",), "Abandoned cart")
    assert not composition.put(("nothing", "here"), None)
    assert composition.text == EXAMPLE
    assert not composition.is_changed


def test_a_text_that_is_no_yaml_leaves_the_form_as_it_was() -> None:
    """The data stays that of the last text that could be read, and the form cannot overwrite what is being typed."""
    composition = Composition("campaign: a\nname: b\n")
    composition.write("campaign: a\nname: [b\n")
    assert composition.definition == {"campaign": "a", "name": "b"}
    assert composition.syntax_faults[0].line == 2
    with pytest.raises(NotInStep, match="line 2"):
        composition.put(("name",), "c")
    assert composition.text == "campaign: a\nname: [b\n"
    composition.write("campaign: a\nname: [b]\n")
    assert composition.definition["name"] == ["b"]


def test_a_text_that_is_too_large_is_not_shown_by_the_form() -> None:
    """The text stays as it is, with a fault at its line; the form shows it when it is small enough again."""
    shown = "campaign: a\nname: b\n"
    composition = Composition(shown)
    composition.write(shown + "values:\n" + "- 1\n" * MAX_VALUES)
    assert "too many values" in composition.syntax_faults[0].problem
    assert composition.definition == {"campaign": "a", "name": "b"}
    with pytest.raises(NotInStep, match="too many values"):
        composition.put(("name",), "c")
    composition.write(shown + "values:\n" + "- 1\n" * (MAX_VALUES - 10))
    assert not composition.syntax_faults


def test_lines_belong_to_their_document() -> None:
    """A fault is shown in the form only if it is in the document that the form shows."""
    composition = Composition("campaign: a\n---\ncampaign: b\nname: x\n")
    assert [composition.is_shown(line) for line in (1, 3, 4)] == [True, False, False]
    composition.number = 1
    assert [composition.is_shown(line) for line in (1, 3, 4)] == [False, True, True]


@pytest.mark.parametrize("kind", STARTS)
def test_a_new_composition_is_yaml_that_the_form_shows(kind: str) -> None:
    """Every start is a definition of its kind, complete but for what only its author knows."""
    composition = Composition(STARTS[kind][1])
    assert composition.kind == ("card" if kind == "card" else "campaign")
    assert kind == "card" or composition.value(("delivery", "type")) == kind


def test_paths_are_dotted_as_faults_name_them() -> None:
    """The fault of an alias is at its field, and one of a key without a field at what is around it."""
    assert dotted(("delivery", "trigger", 0, "alias")) == "delivery.trigger[0].alias"
    assert list(keys_around("a.b[10].c")) == ["a.b[10].c", "a.b[10]", "a.b", "a"]


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (SCALAR, 1), (SCALAR, 1.5), (SCALAR, True), (SCALAR, None), (SCALAR, "1"), (SCALAR, "true"), (SCALAR, "gold"),
        (SCALAR, '"quoted"'), (SCALAR, " spaced "), (SCALAR, ""), (SCALAR, "09:00"), (INTEGER, 10), (TEXT, "x"),
        (LIST, ["gold", "silver"]), (LIST, [1, "1", True]), (BLOCK, "<p>\n</p>\n"),
    ],
)  # fmt: skip
def test_a_field_gives_back_the_value_that_it_shows(codec: Any, value: Any) -> None:
    """Numbers stay numbers and texts stay texts: `is: 1` and `is: "1"` are two audiences."""
    shown = codec.show(value)
    again = codec.write(shown)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("value", "shown", "written"),
    [
        ("1 day", ("1", "days"), "1 day"),
        ("30 minutes", ("30", "minutes"), "30 minutes"),
        (None, ("", ""), None),
        ("soon", ("soon", ""), "soon"),
        (5, ("5", ""), "5 days"),
    ],
)
def test_durations_are_a_number_and_a_unit(value: Any, shown: tuple[str, str], written: str | None) -> None:
    """What is no duration is shown as it is, so that its fault can be corrected."""
    assert read_duration(value) == shown
    assert write_duration(*shown) == written


def test_all_21_interactions_have_plain_words() -> None:
    """The table has each once; those with a card are the two that a card has."""
    assert set(INTERACTION_WORDS) == set(InteractionType)
    assert sum(map(len, INTERACTION_GROUPS.values())) == 21
    assert len(set(INTERACTION_WORDS.values())) == 21
    assert set(condition_data.interaction_options("card")["News Feed card"]) == {one.value for one in CARD_INTERACTIONS}


@pytest.mark.parametrize("type", [one.value for one in InteractionType])
def test_another_interaction_keeps_what_fits_it(type: str) -> None:
    """Refinements of the old one go, those that the new one must name come, filters stay."""
    before = {"interaction": "click_email_alias", "campaign": "a", "alias": "x", "where": {"sku": 1}, "unknown": 2}
    after = condition_data.with_interaction(before, type)
    assert after["where"] == {"sku": 1}
    assert after["unknown"] == 2
    assert ("alias" in after) == (type == "click_email_alias")
    assert ("button" in after) == (type == "click_in_app_message_button")


@pytest.mark.parametrize(
    "audience",
    [
        {"attribute": "tier", "is": "gold"},
        {"not": {"did": {"event": "buy"}}},
        {"all": [{"attribute": "a", "is": 1}, {"not": {"interacted": {"interaction": "open_email", "campaign": "b"}}}]},
        {"any": [{"all": [{"attribute": "a", "is": 1}]}, {"attribute": "b", "exists": True}]},
        {"not": {"any": [{"attribute": "a", "is": 1}]}},
    ],
)
def test_every_condition_of_an_audience_has_its_path(audience: Any) -> None:
    """What the form shows of an audience is where it says; deeper combinations are shown as YAML and kept."""
    data = {"audience": audience}
    for number, part in enumerate(audience_data.parts_of(audience)):
        assert value_at(data, audience_data.part_path(audience, number)) == part
        assert value_at(data, audience_data.leaf_path(audience, number)) == audience_data.leaf_of(part)
    assert audience_data.with_parts(audience_data.join(audience), audience_data.parts_of(audience)) == audience


@pytest.mark.parametrize("new", OPERATORS)
@pytest.mark.parametrize("old", ["is", "in", "exists"])
def test_another_comparison_keeps_its_value(old: str, new: str) -> None:
    """A value becomes a list and a list a value, as the operator takes it."""
    leaf = {"attribute": "tier", old: {"is": "gold", "in": ["gold"], "exists": True}[old]}
    changed = audience_data.with_operator(leaf, new)
    assert audience_data.operator_of(changed) == new
    assert len(changed) == 2
    if old != "exists" and new != "exists":
        assert changed[new] == (["gold"] if new in ("in", "not_in") else "gold")
