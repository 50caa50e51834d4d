"""YAML that people write: read correctly, and every fault with file, line, key and what would be right."""

from pathlib import Path
from typing import Any

import pytest

from connector.definitions import parse_mapping, parse_yaml, read_definitions
from connector.definitions.yaml_text import parse_scalar
from connector.rules.model.campaigns import ActionBased, Card
from connector.rules.model.errors import DefinitionError
from connector.rules.model.schedules import Next
from connector.rules.model.values import UnquotedTime
from tests.support.definition_texts import BODY, EVERYTHING, FAULTS


def faults_of(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        parse_yaml(text, file="c.yaml")
    return [str(fault) for fault in raised.value.faults]


def test_everything_that_the_design_shows_is_read() -> None:
    """Design 8's YAML, with its short forms; empty documents are nothing."""
    read = parse_yaml(EVERYTHING, file="c.yaml")
    assert read.workspace is not None
    assert [c.id for c in read.campaigns] == ["welcome", "cart-reminder-2"]
    assert {id: f"{one.file}:{one.line_of('')}" for id, one in read.sources.items() if id} == {
        "spring-banner": "c.yaml:8",
        "welcome": "c.yaml:12",
        "cart-reminder-2": "c.yaml:18",
    }
    assert [type(one).__name__ for one in read.all] == ["Workspace", "Card", "Campaign", "Campaign"]
    reminder = read.campaigns[1]
    assert isinstance(reminder.delivery, ActionBased)
    assert isinstance(reminder.delivery.delay, Next)
    assert reminder.messages is not None
    assert reminder.messages.push is not None
    assert [button.id for button in reminder.messages.push.buttons] == ["snooze", "later"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n---\n"])
def test_empty_file_defines_nothing(text: str) -> None:
    """An empty file is no fault."""
    assert parse_yaml(text, file="c.yaml").all == ()


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_fault_says_where_what_and_what_would_be_right(text: str, said: str) -> None:
    """File, line, key and words; and one mistake is one fault, whatever forms were possible in its place."""
    faults = [fault for fault in faults_of(text) if "c.yaml:5: title: is missing" not in fault]
    assert any(said in fault for fault in faults), faults
    assert len({fault.split(": ")[1] for fault in faults}) == len(faults) <= 2, faults


def test_all_faults_at_once() -> None:
    """Not only the first: of every document, in the order of their lines."""
    text = BODY + "  trigger: [{interaction: open_push}]\n  delay: {after: x}\n  spraed: 1 day\n---\ncard: c\n"
    assert [fault.split(":")[1] for fault in faults_of(text)] == ["5", "6", "7", "9", "9"]


def test_broken_yaml_hides_no_earlier_fault() -> None:
    """Documents before the syntax error are checked."""
    assert len(faults_of("card: c\nbody: b\n---\ncard: [\n")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("on", "on"), ("~", None), ("", None), ("NULL", None),
        ("12", 12), ("-3", -3), ("0x1f", 31), ("0o17", 15), ("017", 17), ("1.5", 1.5), ("1e3", 1000.0), 
        ("1_000", "1_000"),
        ("2026-03-01", "2026-03-01"), ("12:30:00", UnquotedTime("12:30:00")), ("1.2.3", "1.2.3"), ("-", "-"),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: Any) -> None:
    """The core schema of YAML 1.2: no yes and no, no dates, no numbers by sixties."""
    assert parse_scalar(text) == value
    assert type(parse_scalar(text)) is type(value)


def test_keys_are_text() -> None:
    """As in JSON, whatever they look like."""
    read = parse_yaml(BODY + "  trigger: [{event: e, where: {1: a, true: b, null: c}}]\n", file="c.yaml")
    assert isinstance(read.campaigns[0].delivery, ActionBased)
    assert read.campaigns[0].delivery.trigger[0].where == {"1": "a", "true": "b", "null": "c"}


def test_folder_is_read_whole(tmp_path: Path) -> None:
    """Every .yaml and .yml file but hidden ones and those that npm installed, and a fault names its own file."""
    for name in ("b.yml", "a.yaml", "deeper/c.yaml", ".git/d.yaml", "node_modules/n.yaml", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"campaign: {Path(name).stem}\ndelivery: {{type: external}}\n")
    assert [campaign.id for campaign in read_definitions(tmp_path).campaigns] == ["a", "b", "c"]
    (tmp_path / "z.yaml").write_text("card: a\n")
    with pytest.raises(DefinitionError) as raised:
        read_definitions(tmp_path)
    assert str(raised.value).splitlines()[0] == (
        f"{tmp_path}/z.yaml:1: card: a is defined twice, first at {tmp_path}/a.yaml:1; "
        "campaigns and cards share one space of ids"
    )
    assert len(raised.value.faults) == 3


def test_file_of_any_name_is_read(tmp_path: Path) -> None:
    """A file that is named is read, with or without a byte order mark."""
    (tmp_path / "campaigns").write_bytes(b"\xef\xbb\xbfcard: c\ntitle: t\nbody: b\n")
    assert [card.id for card in read_definitions(tmp_path / "campaigns").cards] == ["c"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.yaml", "does not exist"),
        ("empty", "has no .yaml or .yml file"),
        ("latin.yaml", ":2: is not UTF-8 text"),
    ],
)
def test_nothing_to_read_is_said(tmp_path: Path, name: str, problem: str) -> None:
    """A path that is not there, a folder without YAML, a file in another encoding."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"card: c\ntitle: \xe9\n")
    with pytest.raises(DefinitionError, match=problem):
        read_definitions(tmp_path / name)


def test_json_is_read_by_the_same_rules() -> None:
    """As HTTP PUT and `apply` in timelines give it: the same faults, without lines."""
    assert isinstance(parse_mapping({"card": "c", "title": "t", "body": "b"}), Card)
    with pytest.raises(DefinitionError) as raised:
        parse_mapping({"card": "c", "titel": "t", "body": "{% nope %}"})
    assert [str(fault) for fault in raised.value.faults] == ["titel: unknown key; did you mean title?"]


@pytest.mark.parametrize("data", [None, [], "card", 5, {}, {"title": "t"}])
def test_json_of_the_wrong_shape(data: Any) -> None:
    """A definition is a mapping that begins with one of three words."""
    with pytest.raises(DefinitionError, match="begins with campaign, card or workspace"):
        parse_mapping(data)


def test_json_nested_too_deep() -> None:
    """A predicate nested without end is a fault, not a crash."""
    audience: Any = "everyone"
    for _ in range(5_000):
        audience = {"not": audience}
    with pytest.raises(DefinitionError, match="nested more than 50 levels deep"):
        parse_mapping({"campaign": "c", "delivery": {"type": "external"}, "audience": audience})
