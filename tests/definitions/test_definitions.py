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

GOOD = """\
workspace: default
zone: America/New_York
frequency_caps: [{channel: push, at_most: 1, per: day}, {at_most: 3, per: {days: 3}}]
quiet_hours: null
robots: ignore
stale_after: 24 hours
---
card: spring-banner
title: Spring
body: "{{ user.first_name }}, it's here"
---
campaign: welcome
delivery: {type: external}
---
---
# a comment, and then:

campaign: cart-reminder-2
name: Abandoned cart, second reminder
delivery:
  type: action_based
  trigger:
    - {interaction: receive_push, campaign: abandoned-cart}
  delay: {next: saturday, at: "15:15", zone: user}
  exceptions:
    - {event: make_purchase, where: {product: shoe-1}, same: [sku]}
    - {interaction: open_push, campaign: abandoned-cart}
  retrigger: ignore
  key: properties.sku
  start: 2026-03-01T00:00:00Z
  end: null
  time_of_day: {from: "09:00", to: "17:00", zone: user, outside: next}
  quiet_hours: none
  eligible_again: {after: 30 days}
  spread: 15 minutes
audience:
  all: [{attribute: tier, is: gold}, {not: {did: {event: make_purchase, within: 7 days}}}]
conversions: [{event: make_purchase, within: 3 days}]
messages:
  push: {title: "Still?", body: "15% off", buttons: [snooze, {id: later, label: Later}]}
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        parse_yaml(text, file="c.yaml")
    return [str(fault) for fault in raised.value.faults]


def test_everything_that_the_design_shows_is_read() -> None:
    """Design 8's YAML, with its short forms; empty documents are nothing."""
    read = parse_yaml(GOOD, file="c.yaml")
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


HEAD = "campaign: f\nmessages: {push: {title: a, body: b}}\ndelivery:\n  type: action_based\n"
T = "  trigger: [{event: e}]\n"
FAULTS: list[tuple[str, str]] = [
    (HEAD + T + "  dealy: {after: 1 day}\n", "c.yaml:6: delivery.dealy: unknown key; did you mean delay?"),
    (HEAD + T + "  xyz: 1\n", "c.yaml:6: delivery.xyz: unknown key; known here are type, trigger, delay, exceptions, "),
    (HEAD + T + "  delay: {after: 1 fortnight}\n", "c.yaml:6: delivery.delay.after: '1 fortnight' is not a duration; "),
    (HEAD + T + "  delay: {aftr: 1 day}\n", "c.yaml:6: delivery.delay.aftr: unknown key; did you mean after?"),
    (HEAD + T + "  delay: soon\n", "c.yaml:6: delivery.delay: 'soon' is not understood: write {after: 1 day}, "),
    (HEAD + T + "  delay: {next: monday}\n", "c.yaml:6: delivery.delay.at: is missing"),
    (HEAD + T + "  delay: {next: monday, at: 15:15}\n", 'c.yaml:6: delivery.delay.at: must be quoted: "15:15"'),
    (HEAD + T + "  delay: {next: monday, at: 09:00}\n", 'c.yaml:6: delivery.delay.at: must be quoted: "09:00"'),
    (HEAD + T + "  delay: {next: monday, at: '9:00'}\n", "c.yaml:6: delivery.delay.at: '9:00' is not a time of day"),
    (HEAD + T + "  delay:\n    next: mon\n    at: '09:00'\n", "c.yaml:7: delivery.delay.next: 'mon' is not known; "),
    (HEAD + T + "  time_of_day: {from: 22:00, to: '06:00'}\n", 'c.yaml:6: delivery.time_of_day.from: must be quoted'),
    (HEAD + T + "  eligible_again: 30 days\n", "delivery.eligible_again: '30 days' is not understood: write never, "),
    (HEAD + T + "  exceptions:\n", "c.yaml:6: delivery.exceptions: must be a list; write [] for none"),
    (HEAD + T + "  end: 2026-03-05T00:00:00\n", "c.yaml:6: delivery.end: '2026-03-05T00:00:00' needs a time zone, "),
    (HEAD + T + "  end: 2026\n", "c.yaml:6: delivery.end: 2026 is not a time; write one with its zone, like "),
    (HEAD + T + "  key: sku\n", "c.yaml:6: delivery.key: 'sku' must name a property, like properties.sku"),
    (HEAD + T + "name: 12:30\n", 'c.yaml:6: name: must be quoted: "12:30"'),
    (HEAD + T + "name: 5\n", 'c.yaml:6: name: must be text; quote it: "5"'),
    (HEAD + T + "audience: {attribute: tier}\n", "c.yaml:6: audience: compare the attribute by exactly one of"),
    (HEAD + T + "audience: all\n", "c.yaml:6: audience: 'all' is not understood: write everyone, or a mapping with "),
    (HEAD + T + "audience:\n  not:\n    any:\n      - {did: {evnt: e}}\n", "c.yaml:9: audience.not.any[0].did.evnt: u"),
    (HEAD + T + "control_group: 101\n", "c.yaml:6: control_group: must be less than or equal to 100"),
    (HEAD + "  trigger: [{interaction: open_psh, campaign: o}]\n", "trigger[0].interaction: 'open_psh' is not known;"),
    (HEAD + "  trigger:\n    - {event: e}\n    - {evnt: e}\n", "c.yaml:7: delivery.trigger[1].evnt: unknown key; did"),
    (HEAD + "  trigger: [{foo: 1}]\n", "c.yaml:5: delivery.trigger[0]: a mapping of foo is not understood: write {"),
    (HEAD + "  trigger: [{interaction: click_email_alias, campaign: o}]\n", "[0]: click_email_alias must name its ali"),
    (HEAD + "  trigger: [{interaction: open_push}]\n", "delivery.trigger[0]: name exactly one of campaign and card"),
    (HEAD + "  trigger: [{interaction: open_push, card: o}]\n", "delivery.trigger[0]: a card has only the interaction"),
    (HEAD + "  trigger: {event: e}\n", "c.yaml:5: delivery.trigger: must be a list; put it in brackets"),
    (HEAD + "  trigger: []\n", "c.yaml:5: delivery.trigger: needs at least 1"),
    (HEAD, "c.yaml:3: delivery.trigger: is missing"),
    ("campaign: f\ndelivery: {type: action-based}\n", "delivery: type 'action-based' is not known; did you mean actio"),
    ("campaign: f\ndelivery: {}\n", "c.yaml:2: delivery: needs a type"),
    ("campaign: f\n\ndelivery: {type: scheduled, send: now}\n", "c.yaml:3: delivery.send: 'now' is not understood: wr"),
    ("campaign: f\ndelivery: {type: external}\ncampaign: g\n", "c.yaml:3: campaign: is repeated, first in line"),
    ("card: f\ntitle: a\nbody: b\n---\ncard: f\ntitle: c\n", "c.yaml:5: card: f is defined twice, first at c.yaml:1"),
    ("card: f\ntitle: a\nbody: b\n---\ncampaign: f\ndelivery: {type: external}\n", "c.yaml:5: campaign: f is defined"),
    ("workspace: a\n---\nworkspace: b\n", "c.yaml:3: workspace: is defined twice, first at c.yaml:1; there is one"),
    ("workspace: default\nzone: Mars/Olympus\n", "c.yaml:2: zone: 'Mars/Olympus' is not an IANA time zone; write on"),
    ("workspace: w\nfrequency_caps: [{at_most: 1, per: month}]\n", "frequency_caps[0].per: 'month' is not understood"),
    ("campaign: 'a b'\ndelivery: {type: external}\n", "c.yaml:1: campaign: 'a b' is not an id; write up to 128 letter"),
    ("campain: f\n", "c.yaml:1: campain: unknown key; did you mean campaign?"),
    ("title: f\n", "c.yaml:1: a definition is a mapping that begins with campaign, card or workspace"),
    ("- 1\n- 2\n", "c.yaml:1: a definition is a mapping that begins with campaign, card or workspace; this is a list"),
    ("campaign: [\n", "c.yaml:1: [ has no ]"),
    ("campaign: f\n  delivery: x\n", "c.yaml:2: is indented more than line 1, which has its value already; "),
    ("card: a\ntitle: \x07\nbody: b\n", "c.yaml:2: has the control character U+0007"),
    ("card: &a f\ntitle: *a\nbody: b\n", "c.yaml:2: title: aliases (*a) are not supported; repeat the value"),
    ("card: f\ntitle: !!python/name:os.system x\nbody: b\n", "c.yaml:2: title: tags (tag:yaml.org,2002:python/name:os"),
    ("card: f\ntitle: .inf\nbody: b\n", "c.yaml:2: title: .inf is not a finite number"),
    ("card: f\n? [a]\n: b\n", "c.yaml:2: a key must be a text"),
    ("card: f\ntitle: a\nbody: " + "[" * 60 + "]" * 60, "is nested more than 50 levels deep"),
    ("card: f\ntitle: a\nbody: '{{ usr.id }}'\n", "c.yaml:3: body: in f, line 1 of the template: unknown variable usr"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_fault_says_where_what_and_what_would_be_right(text: str, said: str) -> None:
    """File, line, key and words; and one mistake is one fault, whatever forms were possible in its place."""
    faults = [fault for fault in faults_of(text) if "c.yaml:5: title: is missing" not in fault]
    assert any(said in fault for fault in faults), faults
    assert len({fault.split(": ")[1] for fault in faults}) == len(faults) <= 2, faults


def test_all_faults_at_once() -> None:
    """Not only the first: of every document, in the order of their lines."""
    text = HEAD + "  trigger: [{interaction: open_push}]\n  delay: {after: x}\n  spraed: 1 day\n---\ncard: c\n"
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
    read = parse_yaml(HEAD + "  trigger: [{event: e, where: {1: a, true: b, null: c}}]\n", file="c.yaml")
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
