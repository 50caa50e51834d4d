"""Faults of definitions are in the words of this project: one sentence, with the line and what would be right.

Sources: YAML is YAML 1.2.2 (chapters 5 to 10), JSON is RFC 8259, PYDANTIC is the list of errors of pydantic_core.
"""

from __future__ import annotations

from collections.abc import Callable
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
from tests.support.definition_texts import CAMPAIGN, GOOD, HEAD, SYNTAX_FAULTS, WORKSPACE, variants_of
from tests.support.library_words import LIBRARY_WORDS


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


@pytest.mark.parametrize(("text", "line", "words"), SYNTAX_FAULTS)
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
