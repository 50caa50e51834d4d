"""Faults of definitions are in the words of this project: one sentence, with the line and what would be right.

Sources: YAML is YAML 1.2.2 (chapters 5 to 10), JSON is RFC 8259, PYDANTIC is the list of errors of pydantic_core.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core._pydantic_core import list_all_errors

from connector.app.configuration import read_settings
from connector.definitions import parse_mapping, parse_yaml, read_definitions, yaml_text
from connector.ingest.parsing import find_user_fault, read_item
from connector.rules.model.errors import DefinitionError
from connector.rules.model.validation import describe_problem, describe_secretly
from connector.settings.application import Settings
from connector.settings.environment import SettingsWrong
from tests.support.library_words import LIBRARY_WORDS

HEAD = "campaign: f\ndelivery: {type: external}\n"
PUSH = HEAD + "messages:\n  push:\n    body: b\n"
STALE = "workspace: w\nstale_after: "
HOOK = "campaign: f\ndelivery:\n  type: action_based\n"

ROWS: list[tuple[str, int, str]] = [
    # a tab: YAML 6.1, "tab characters must not be used in indentation"
    ("campaign: f\ndelivery:\n\ttype: external\n", 3, "is indented with a tab"),
    (HOOK + "\ttrigger: []\n", 4, "is indented with a tab"),
    ("campaign: f\ndelivery:\n  type: action_based\n  \ttrigger: []\n", 4, "is indented with a tab"),
    # quotes of text processors
    (HEAD + "name: “Hi”\n", 3, 'typographic quotes; write straight ones: "Hi"'),
    (HEAD + "name: ‘Hi’\n", 3, "typographic quotes"),
    (HEAD + "name: „Hallo“\n", 3, "typographic quotes"),
    ("campaign: “f”\ndelivery: {type: external}\n", 1, "typographic quotes"),
    (HEAD + "“name”: x\n", 3, "has the quotation mark “"),
    # an unquoted {{ }}: YAML 5.3, { and } are indicators of mappings
    (PUSH + "    title: {{ user.first_name }}\n", 6, 'a text with {{ }} is quoted: title: "{{ user.first_name }}"'),
    (PUSH + "    title: {{ user.first_name }}, hi\n", 6, 'quoted: title: "{{ user.first_name }}, hi"'),
    (PUSH + "    title: {{user.first_name | default: 'you'}}\n", 6, "is quoted: title:"),
    (PUSH + "    title: {% if user.x %}a{% endif %}\n", 6, 'quoted: title: "{% if user.x %}a{% endif %}"'),
    (PUSH + "    title: Hi {{ user.first_name }}: look\n", 6, "a text with {{ }} or {% %} is quoted"),
    (PUSH + "    title: {{ user.first_name\n", 6, "is quoted"),
    # a colon in a text: YAML 7.3.3, plain scalars do not contain ": "
    (HEAD + "name: Sale: now\n", 3, 'a text with a colon is quoted: name: "Sale: now"'),
    (HEAD + "name: Sale:\n", 3, 'a text with a colon is quoted: name: "Sale:"'),
    (HEAD + 'name: Say "hi": now\n', 3, """is quoted: name: 'Say "hi": now'"""),
    (HEAD + "messages:\n  push: {title: Hi: there, body: b}\n", 4, "a text with a colon is quoted"),
    # indentation: YAML 6.1
    (HOOK + "   trigger: []\n", 4, "indent it by 2 spaces, not by 3"),
    (HOOK + " trigger: []\n", 4, "indent it by 2 spaces, not by 1"),
    ("campaign: f\n delivery: {type: external}\n", 2, "indent it by 0 spaces, not by 1"),
    (HOOK + "  trigger:\n    - {event: a}\n   - {event: b}\n", 6, "indent it by 4 spaces, not by 3"),
    (HOOK + "  trigger:\n    - {event: a}\n     - {event: b}\n", 6, "indent it by 4 spaces, not by 5"),
    (HEAD + "messages:\n  sms:\n    body: |\n    Hi\n", 6, "the text after | or > is indented more than its key"),
    # spaces and colons
    ("campaign:f\ndelivery: {type: external}\n", 1, "write a space after the colon: campaign: f"),
    ("campaign f\ndelivery: {type: external}\n", 1, "there is no colon after the key; write campaign: f"),
    ("campaign:\u00a0f\ndelivery: {type: external}\n", 1, "has the character U+00A0"),
    ("campaign: f\ndelivery:\n  type: external\n\u3000x: 1\n", 4, "U+3000"),
    # special characters at the beginning: YAML 5.3, indicators, and 7.3.3
    *(
        (HEAD + f"name: {text}\n", 3, f'a text that begins with {text[0]} is quoted: name: "{text}"')
        for text in ("@abc", "`abc`", "%abc", "*bold*", "}", "[Sale] now", "{Sale} now")
    ),
    (HEAD + "name: &x\n", 3, "anchors (&x) are not supported"),
    (HEAD + "name: !important\n", 3, "tags (!important) are not supported"),
    # quotes within quotes: YAML 7.3.1, 7.3.2
    (HEAD + "name: 'it's'\n", 3, "write an apostrophe twice"),
    (HEAD + 'name: "say "hi""\n', 3, 'write \\" for a quotation mark'),
    (HEAD + 'name: "abc\n', 3, 'a text begins with " and has no " at its end'),
    (HEAD + "name: 'abc\n", 3, "a text begins with ' and has no ' at its end"),
    (HEAD + 'name: "a\\d"\n', 3, "has a backslash in double quotes that begins no escape"),
    (HEAD + 'name: "\\ud83d"\n', 3, "has half of a character"),
    # brackets: YAML 7.4
    ("campaign: f\ndelivery: {type: external\n", 2, "{ has no }"),
    (HEAD + "conversions: [{event: a}\nname: x\n", 3, "[ has no ]"),
    (HEAD + "conversions: [{event: a} {event: b}]\n", 3, "there must be a comma or ]"),
    (HEAD + "messages: {push: {title: a body: b}}\n", 3, "a text with a colon is quoted"),
    # features of YAML that this format has not
    ("card: &a f\ntitle: t\nbody: b\n", 1, "anchors (&a) are not supported"),
    ("card: f\ntitle: *a\nbody: b\n", 2, "aliases (*a) are not supported"),
    (HEAD + "<<: {name: a}\n", 3, "merge keys (<<) are not supported"),
    (HEAD + "name: a\nname: b\n", 4, "name: is repeated, first in line 3; keep one"),
    (HEAD + "campaign: g\n", 3, "campaign: is repeated, first in line 1"),
    (HEAD + "? [a]\n: b\n", 3, "a key must be a text, not a mapping or a list"),
    (HEAD + "...\nfoo\n", 4, "begin the next one with ---"),
    # values that YAML 1.1 read otherwise (YAML 10.3.2 is what counts), and numbers where text is needed
    (HEAD + "name: 09:00\n", 3, 'name: must be quoted: "09:00"'),
    (HEAD + "name: 010\n", 3, 'name: must be text; quote it: "010"'),
    (HEAD + "name: 1.10\n", 3, 'name: must be text; quote it: "1.10"'),
    (HEAD + "name: 0x1F\n", 3, 'name: must be text; quote it: "0x1F"'),
    (HEAD + "name: true\n", 3, 'name: must be text; quote it: "true"'),
    (HEAD + "name: 5\n", 3, 'name: must be text; quote it: "5"'),
    ("card: f\ntitle:\nbody: b\n", 2, "title: is empty; it must be text"),
    ("card: f\ntitle: .nan\nbody: b\n", 2, ".nan is not a finite number"),
    # characters: YAML 5.1
    (HEAD + "name: a\0b\n", 3, "has the control character U+0000"),
    (HEAD + "name: a\x07\n", 3, "has the control character U+0007"),
    # durations
    (STALE + "99999999999 days\n", 2, "'99999999999 days' is longer than a hundred years"),
    (STALE + "101 years\n", 2, "has no fixed length; write days or weeks"),
    (STALE + "5200000 weeks\n", 2, "is longer than a hundred years"),
    (STALE + "1 month\n", 2, "has no fixed length"),
    (STALE + "1.5 hours\n", 2, "is not a whole number of its unit"),
    (STALE + "30\n", 2, '30 has no unit; write a duration like "30 minutes"'),
    (STALE + "30minutes\n", 2, 'write "30 minutes"'),
    (STALE + "1h\n", 2, 'write "1 hour"'),
    (STALE + "30 Minutes\n", 2, 'write "30 minutes"'),
    (STALE + "30  minutes\n", 2, 'write "30 minutes"'),
    (STALE + "\n", 2, "is empty; write a duration"),
    (STALE + "-1 hours\n", 2, "is not a duration; write"),
    (STALE + "PT1H\n", 2, "is not a duration; write"),
    # forms
    (HOOK + "  trigger:\n  delay: 1\n", 4, "delivery.trigger: must be a list"),
    (HOOK + "  trigger: [{event: e}]\n  delay: 5\n", 5, "delivery.delay: 5 is not understood: write"),
    (HOOK + "  trigger: [{event: e}]\n  eligible_again:\n", 5, "delivery.eligible_again: is empty; write"),
]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of the library: in C, and in Python for installations without it."""
    monkeypatch.setattr(yaml_text, "_LOADER", getattr(yaml, request.param))


def refusal_of(read: Callable[[], object]) -> str:
    """Return the fault of a text that cannot be read; empty if it can be read."""
    try:
        read()
    except (DefinitionError, SettingsWrong) as error:
        return str(error)
    return ""


def faults_of(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        parse_yaml(text, file="c.yaml")
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.parametrize(("text", "line", "words"), ROWS)
def test_one_sentence_with_its_line(text: str, line: int, words: str, loader: None) -> None:
    """The first fault names the line at which to look, and what would be right, without a word of the library."""
    first = faults_of(text)[0]
    assert first.startswith(f"c.yaml:{line}: "), first
    assert words in first
    assert not LIBRARY_WORDS.search(first.replace('"true"', "")), first
    assert first.count("; write") <= 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: no\n", "no"),
        ("name: on\n", "on"),
        ("name: yes\n", "yes"),
        ("name: NO\n", "NO"),
        ("name: y\n", "y"),
        ("name: 2026-03-02\n", "2026-03-02"),
        ("name: 1_000\n", "1_000"),
        ("name: 1:2\n", "1:2"),
        ("name: null\n", None),
        ("name: ~\n", None),
        ('name: "010"\n', "010"),
        ("name: it's\n", "it's"),
        ("name: a #b\n", "a"),
        ("name: a#b\n", "a#b"),
        ("name: Größe 😀\n", "Größe 😀"),
        ("name: |\n  a\n", "a\n"),
        ("name: >-\n  a\n  b\n", "a b"),
        ("name: 50% off\n", "50% off"),
        ("name: a, b\n", "a, b"),
        ("name: http://x.example\n", "http://x.example"),
        ("name: 'say “hi”'\n", "say “hi”"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_valid_definitions_stay_valid(text: str, name: str | None, end: str, loader: None) -> None:
    """YAML 1.2, 10.3.2: no `on` and `no`, no dates, no numbers by sixties; any line break (5.4)."""
    (campaign,) = parse_yaml((HEAD + text).replace("\n", end), file="c.yaml").campaigns
    assert campaign.name == name


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty; write a campaign, a card or the workspace"),
        (b"\n# nothing\n---\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (HEAD.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ((HEAD + "name: Größe\n").encode("latin-1"), "c.yaml:3: is not UTF-8 text; save it as UTF-8"),
        ((HEAD + "name: ‘x’\n").encode("cp1252"), "c.yaml:3: is not UTF-8 text"),
    ],
)
def test_file_that_is_no_text_or_empty(tmp_path: Path, content: bytes, problem: str) -> None:
    """Encodings other than UTF-8 and files without a definition are named as such."""
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(DefinitionError, match=problem) as raised:
        read_definitions(tmp_path / "c.yaml")
    assert not LIBRARY_WORDS.search(str(raised.value))


GOOD = """\
campaign: nudge
name: "Second reminder"
delivery:
  type: action_based
  trigger:
    - {interaction: click_email_alias, campaign: welcome, alias: main, where: {a: 1}}
  delay: {next: saturday, at: "15:15", zone: user}
  exceptions: [{event: make_purchase, same: [sku]}]
  key: properties.sku
  start: 2026-03-01T00:00:00Z
  time_of_day: {from: "09:00", to: "17:00"}
  eligible_again: {after: 30 days}
audience: {all: [{attribute: tier, in: [gold]}, {not: {did: {event: e, within: 7 days}}}]}
control_group: 10
variants: [{name: a, weight: 1, messages: {push: {title: t, body: b}}}]
conversions: [{event: make_purchase, within: 3 days}]
---
workspace: default
zone: America/New_York
frequency_caps: [{channel: push, at_most: 1, per: {days: 3}}]
quiet_hours: {from: "22:00", to: "06:00", then: hold}
stale_after: 24 hours
"""


@pytest.mark.parametrize(
    "inserted", ["\t", " ", "”", '"', "'", "{", "]", ": ", "@", "\u00a0", "&a ", "- ", "#", "\n", ""]
)
def test_every_slip_of_the_keyboard(inserted: str) -> None:
    """A character too many, or one too few, anywhere: the text is read, or its faults are in our words, with lines."""
    for at in range(0, len(GOOD), 7):
        text = GOOD[:at] + inserted + GOOD[at if inserted else at + 1 :]
        try:
            parse_yaml(text, file="c.yaml")
        except DefinitionError as error:
            for fault in error.faults:
                assert fault.line is not None, (at, str(fault))
                assert not LIBRARY_WORDS.search(str(fault)), (at, str(fault))


WRONG: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "x" * 400,
    "2026",
    [],
    [None],
    {},
    {"a": 1},
    {"type": "x"},
    [[1]],
    "\ud83d",
)
CAMPAIGN, WORKSPACE = yaml.safe_load_all(GOOD)
CAMPAIGN["delivery"]["start"] = "2026-03-01T00:00:00Z"
USER = {
    "id": "u",
    "email": "a@x.example",
    "phone": "+4930123",
    "push_tokens": ["t"],
    "time_zone": "Asia/Tokyo",
    "first_name": "A",
    "attributes": {"a": 1},
    "consent": {"email": "subscribed", "push": {"state": "subscribed"}},
}
ITEM = {
    "id": "e",
    "user": "u",
    "type": "click_email_alias",
    "campaign": "welcome",
    "occurred_at": "2026-03-02T12:00:00Z",
    "properties": {"alias": "a"},
}
EVENT = {
    "user": "u",
    "type": "event",
    "name": "cart",
    "occurred_at": "2026-03-02T12:00:00Z",
    "properties": {"sku": "A"},
}


def variants_of(value: Any) -> Iterator[Any]:
    """Yield the value with each of its parts replaced by each wrong one, removed, or beside an unknown key."""
    yield from WRONG
    if isinstance(value, dict):
        yield {**value, "unknwon": 1}
        for key in value:
            yield {name: part for name, part in value.items() if name != key}
            yield from ({**value, key: changed} for changed in variants_of(value[key]))
    if isinstance(value, list):
        for number in range(len(value)):
            for changed in variants_of(value[number]):
                copied = copy.copy(value)
                copied[number] = changed
                yield copied


@pytest.mark.parametrize("definition", [CAMPAIGN, WORKSPACE], ids=["campaign", "workspace"])
def test_every_wrong_value_of_a_definition(definition: Any) -> None:
    """PUT /v1/campaigns, `apply` in a timeline: a wrong value at any place has a fault in the words of this project."""
    for changed in variants_of(definition):
        fault_text = refusal_of(lambda wrong=changed: parse_mapping(wrong))
        assert not LIBRARY_WORDS.search(fault_text), fault_text


def test_every_wrong_value_of_a_user_or_an_item() -> None:
    """PUT and PATCH of users, the items of POST /v1/interactions: the same."""
    for changed in variants_of(USER):
        fault = find_user_fault(changed)
        assert fault is None or not LIBRARY_WORDS.search(fault), fault
    for changed in [*variants_of(ITEM), *variants_of(EVENT)]:
        read = str(getattr(read_item(changed), "fault", ""))
        assert not LIBRARY_WORDS.search(read), read


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda error: error["type"])
@pytest.mark.parametrize("value", [None, True, 5, "x", [1], {"a": 1}])
def test_every_error_of_pydantic(error: dict[str, Any], value: Any) -> None:
    """PYDANTIC: no type of error passes on a sentence of the library, and a secret is never quoted."""
    context = {"error": "own words", **(error.get("example_context") or {})}
    message = "Value error, own words" if error["type"].endswith("_error") else error["message_template_python"]
    detail = {"type": error["type"], "msg": message, "input": value, "ctx": context, "loc": ("a",)}
    assert not LIBRARY_WORDS.search(describe_problem(detail))
    secret = describe_secretly({**detail, "input": "hunter2"})
    assert "hunter2" not in secret
    assert not LIBRARY_WORDS.search(secret)


@pytest.mark.parametrize("value", ["nonsense", "-1", "[", "{}", "[5]", "1e9", " "])
def test_every_setting(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value of any setting is named by its variable, in our words, and is not quoted."""
    for name in Settings.model_fields:
        with monkeypatch.context() as changed:
            changed.setenv(f"CONNECTOR_{name.upper()}", value)
            fault_text = refusal_of(read_settings)
            assert not fault_text or f"CONNECTOR_{name.upper()}" in fault_text or "CONNECTOR_*" in fault_text, (
                fault_text
            )
            assert not LIBRARY_WORDS.search(fault_text), fault_text
