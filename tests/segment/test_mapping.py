"""The mapping as a file: extensions, and every fault with its key and line."""

from pathlib import Path

import pytest

from connector.rules.model.errors import DefinitionError
from connector.segment.mapping import SegmentMapping, read_mapping
from tests.support.repository import DOCS

EXAMPLE = DOCS / "sources" / "segment-mapping.yaml"


def read(folder: Path, text: str) -> SegmentMapping:
    """The mapping extended by that text."""
    file = folder / "m.yaml"
    file.write_text(text)
    return read_mapping(file)


def test_a_file_extends_and_overrides(tmp_path: Path) -> None:
    """By the names of events and traits; what it does not name stays."""
    mapping = read(
        tmp_path,
        "traits: {mobile: phone, phone: attribute}\n"
        "campaign: properties.their_campaign\n"
        "events:\n"
        "  Email Opened: ignore\n"
        "  Plan Chosen: {event: plan_chosen}\n"
        "  Mail Seen: {interaction: open_email, campaign: [properties.mail, welcome], opens: human}\n",
    )
    assert (mapping.traits["mobile"], mapping.traits["phone"], mapping.traits["email"]) == (
        "phone",
        "attribute",
        "email",
    )
    assert mapping.campaign == ("properties.their_campaign",)
    assert mapping.ignores("Email Opened")
    assert [rule.event for rule in mapping.rules_for("Plan Chosen")] == ["plan_chosen"]
    assert mapping.rules_for("Mail Seen")[0].campaign == ("properties.mail", "welcome")
    assert mapping.rules_for("Email Delivered")


@pytest.mark.parametrize("text", ["", "# nothing\n", "events: {}\n"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    """It may say nothing yet."""
    assert read(tmp_path, text) == read_mapping()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("event: {}\n", "m.yaml:1: event: unknown key; did you mean events?"),
        ("traits:\n  mobile: telephone\n", "m.yaml:2: traits.mobile: 'telephone' is not"),
        ("events:\n  A:\n    interacton: open_email\n", "m.yaml:3: events.A.interacton: unknown key; did you mean"),
        ("events:\n  A B: {interaction: opened}\n", "m.yaml:2: events.A B.interaction: 'opened' is not"),
        ("events:\n  A: gone\n", "m.yaml:2: events.A: 'gone' is not understood: write a mapping"),
        ("events:\n  A: 5\n", "m.yaml:2: events.A: 5 is not understood"),
        ("events:\n  A:\n    - {event: x}\n    - {evnt: x}\n", "m.yaml:4: events.A[1].evnt: unknown key; did you"),
        ("events:\n  A: []\n", "m.yaml:2: events.A: needs at least 1"),
        ("events:\n  A: {}\n", "m.yaml:2: events.A: is empty"),
        ("events:\n  A: {event: x, interaction: open_email}\n", "m.yaml:2: events.A: an event is one of"),
        ("events:\n  A: {event: x, alias: properties.a}\n", "m.yaml:2: events.A: alias: goes with an interaction only"),
        ("events:\n  A: {interaction: open_email, card: properties.c}\n", "a card has only the interactions"),
        ("events:\n  A: {event: x, if: link}\n", "'link' is not a place in a message"),
        ("events:\n  A: {event: x, if: {link: 5}}\n", "'link' is not a place in a message"),
        ("events:\n  A: {purchases: products}\n", "m.yaml:2: events.A.purchases: 'products' is not a place"),
        ("events:\n  A: {consent: {fax: subscribed}}\n", "m.yaml:2: events.A.consent.fax"),
        ("events:\n  A: {interaction: open_email, opens: humans}\n",
         "m.yaml:2: events.A.opens: 'humans' is not one of any, human, machine, nor a place in a message"),
        ("events:\n  A:\n    interaction: perform_conversion_event\n    conversion: Z\n",
         "m.yaml:4: events.A.conversion: 'Z' is not one of A, B, C, D"),
        ("events:\n  A: {interaction: click_in_app_message_button}\n",
         "m.yaml:2: events.A: click_in_app_message_button must name its button"),
        ("events:\n  A: {interaction: click_email_alias, url: properties.u}\n",
         "m.yaml:2: events.A: click_email_alias must name its alias"),
        ("events:\n  A: {interaction: open_push, opens: human}\n",
         "m.yaml:2: events.A: opens does not refine open_push; it goes with open_email"),
        ("events:\n  A: {interaction: open_email, page: p}\n", "m.yaml:2: events.A: page does not refine open_email"),
        ("events:\n  A: {interaction: click_email_alias, alias: propertys.link}\n",
         "m.yaml:2: events.A.alias: 'propertys.link' is not a place in a message; write properties.link"),
        ("campaign: [properties.a, Context.campaign]\n",
         "m.yaml:1: campaign[1]: 'Context.campaign' is not a place in a message; write context.campaign"),
        ("events:\n  A: {interaction: open_email, campaign: properties.}\n", "write properties.NAME"),
        ("events:\n  A: {event: x, if: {}}\n", "m.yaml:2: events.A.if: is empty"),
        ("events:\n  A: {event: x, if: ''}\n", "m.yaml:2: events.A.if"),
        ("events: {A: ignore}\n---\nevents: {}\n", "m.yaml:2: is a second document"),
        ("events: [A]\n", "m.yaml:1: events: must be a mapping"),
        ("- A\n", "m.yaml:1: must be a mapping"),
        ("events: {A: ignore\n", "{ has no }"),
        ("events: {A: ignore, A: ignore}\n", "is repeated"),
    ],
)  # fmt: skip
def test_faults_say_where(tmp_path: Path, text: str, fault: str) -> None:
    """File, line, key, and what would be right."""
    with pytest.raises(DefinitionError) as raised:
        read(tmp_path, text)
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    "rule",
    [
        "{interaction: click_email_alias, alias: properties.a, url: properties.u}",
        "{interaction: click_email, alias: properties.a}",
        "{interaction: click_in_app_message, button: ok}",
        "{interaction: open_email, opens: context.by, campaign: spring-2.1}",
        "{interaction: perform_conversion_event, conversion: B}",
        "{interaction: click_email, url: 'https://shop.test/a.html'}",
    ],
)
def test_what_refines_an_act_may_stand_with_each_of_its_names(tmp_path: Path, rule: str) -> None:
    """M1, and words with dots that are no places."""
    assert read(tmp_path, f"events: {{A: {rule}}}").rules_for("A")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in words, as is one that is no text."""
    with pytest.raises(DefinitionError, match="cannot be read: No such file"):
        read_mapping(tmp_path / "none.yaml")
    (tmp_path / "m.yaml").write_bytes(b"traits:\n  \xff: phone\n")
    with pytest.raises(DefinitionError, match=r"m\.yaml:2: is not UTF-8"):
        read_mapping(tmp_path / "m.yaml")


def test_the_example_of_the_documents() -> None:
    """What a reader copies out of the documents can be used."""
    mapping = read_mapping(EXAMPLE)
    assert mapping.traits["mobile"] == "phone"
    assert mapping.ignores("Heartbeat")
