"""The JSON Schema of definitions: true of what the reader accepts and refuses, with a text for each key."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator

from connector.definitions import parse_mapping
from connector.definitions.yaml_text import read_documents
from connector.json_schema import SCHEMA_FILE, SCHEMA_KINDS, definition_schema, schema_text
from connector.json_schema.forms import number_up_to
from connector.json_schema.texts import KEY_TEXTS
from connector.rules.model.errors import DefinitionError
from tests.support.definition_texts import CAMPAIGN, EVERYTHING, FAULTS, GOOD, SYNTAX_FAULTS, WORKSPACE, variants_of
from tests.support.repository import ROOT

VALIDATOR = Draft202012Validator(definition_schema("all"))
FAST = jsonschema_rs.validator_for(definition_schema("all"))
EXAMPLES = sorted(path for folder in ("examples", "starter/example") for path in (ROOT / folder).rglob("*.yaml"))
SCHEMA = ROOT / "examples" / SCHEMA_FILE
HALF = "\ud83d"
"""Half of a character, which YAML cannot hold and JSON Schema knows nothing about."""

NOT_SAID = re.compile(r"of the template: |two variants have the same name|there is no 2026-02-30|half of a character")
"""The faults that JSON Schema cannot state; `connector.json_schema.constraints` lists their kinds."""


def documents(text: str) -> list[Any]:
    """Return the documents of a YAML text that are YAML without a fault."""
    try:
        return [document.data for document in read_documents(text, "c.yaml") if not document.faults]
    except DefinitionError:
        return []


def refusal(data: Any) -> str:
    """Return the reader's first fault; empty if it accepts the data."""
    try:
        parse_mapping(copy.deepcopy(data))
    except DefinitionError as error:
        return str(error.faults[0])
    return ""


def blocks(page: Path) -> Iterator[Any]:
    """Yield the definitions in a page's YAML examples."""
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        yield from (data for data in documents(block) if {"campaign", "card", "workspace"} & set(data))


@pytest.mark.parametrize("kind", SCHEMA_KINDS)
def test_each_kind_is_a_schema(kind: Any) -> None:
    """Draft 2020-12, by its own schema; an example of the other kinds is refused by each of the three."""
    schema = definition_schema(kind)
    Draft202012Validator.check_schema(schema)
    accepted = {next(iter(data)) for data in documents(EVERYTHING) if Draft202012Validator(schema).is_valid(data)}
    assert accepted == ({"campaign", "card", "workspace"} if kind == "all" else {kind})


def test_the_file_beside_the_examples_is_generated() -> None:
    """examples/connector.schema.json is what the models generate; `make pages` writes it."""
    assert SCHEMA.read_text() == schema_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_fit_and_name_their_schema(path: Path) -> None:
    """Each file begins with the line by which editors find the schema, and fits it."""
    text = path.read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    assert named[1] == "connector.schema.json" or (path.parent / named[1]).samefile(
        ROOT / "examples/connector.schema.json"
    )
    assert [error.message for data in documents(text) for error in VALIDATOR.iter_errors(data)] == []


def test_examples_in_documents_fit() -> None:
    """What a reader copies out of a page is not marked as wrong by an editor."""
    found = [data for page in (ROOT / "docs").glob("*.md") for data in blocks(page)]
    assert len(found) >= 5
    assert [refusal(data) for data in found if not VALIDATOR.is_valid(data)] == []


ROWS = [data for text, *_ in (*SYNTAX_FAULTS, *FAULTS) for data in documents(text)]


@pytest.mark.parametrize("data", [*ROWS, *documents(EVERYTHING), *documents(GOOD)])
def test_rows_of_the_reader(data: Any) -> None:
    """What the reader refuses the schema refuses, unless JSON Schema cannot say it; what it accepts fits."""
    fault = refusal(data)
    assert VALIDATOR.is_valid(data) == (not fault or bool(NOT_SAID.search(fault)))


ACCEPTED: list[tuple[str, Any]] = [
    ("audience", "everyone"),
    ("audience", {"any": [{"interacted": {"interaction": "open_email", "campaign": "o", "opens": "human"}}]}),
    ("audience", {"attribute": "tier", "is": None}),
    ("audience", {"attribute": "tier", "exists": False}),
    ("conversions", [{"event": "e", "within": "30 days"}, {"event": "e", "within": "2592000 seconds"}]),
    ("messages", {"push": {"title": "t", "body": "b", "buttons": ["one", {"id": "two"}], "pages": ["1"]}}),
    ("messages", {"email": {"subject": "s", "html": "h", "headers": {"x-pm-tag": "a", "LIST-ID": "b"}}}),
    ("delivery", {"type": "scheduled", "send": "at_publish"}),
    (
        "delivery",
        {"type": "scheduled", "send": {"at": "2026-04-01 09:00"}, "per_minute": None, "stale_after": "1 hour"},
    ),
    *(
        ("delivery", {**CAMPAIGN["delivery"], key: value})
        for key, value in (
            ("delay", {"after": "0 seconds"}),
            ("delay", {"after": "007 days"}),
            ("delay", {"after": "5228 weeks"}),
            ("delay", {"in_days": 0, "at": "00:00"}),
            ("start", "2026-03-01 00:00+0100"),
            ("start", "2026-03-01t00:00:00,5z"),
            ("quiet_hours", "none"),
            ("eligible_again", "always"),
            ("recheck_audience", "yes"),
            ("recheck_audience", "OFF"),
            ("ignore_frequency_caps", 1),
            ("spread", None),
            ("trigger", [{"interaction": "view_news_feed_card", "card": "c", "campaign": None, "button": None}]),
            ("trigger", [{"interaction": "perform_conversion_event", "campaign": "c", "conversion": "D"}]),
        )
    ),
]
REFUSED: list[tuple[str, Any]] = [
    ("audience", {"attribute": "tier", "is": 1, "is_not": 2}),
    ("audience", {"attribute": "tier", "in": None}),
    ("audience", {"attribute": "tier", "exists": "maybe"}),
    ("conversions", [{"event": "e", "within": "31 days"}]),
    ("conversions", [{"event": "e", "within": "0 days"}]),
    ("conversions", [{"event": "e", "same": ["sku"]}]),
    ("conversions", [{"event": "e"}] * 5),
    ("messages", {"email": {"subject": "s", "text": "t", "preheader": "p"}}),
    ("messages", {"email": {"subject": "s", "html": "h", "headers": {"X-Envelope-To": "a"}}}),
    ("messages", {"email": {"subject": "s", "html": "h", "headers": {"X-PM-Metadata-Delivery": "a"}}}),
    ("messages", {"email": {"subject": "s", "html": "h", "headers": {"Bcc": "a"}}}),
    ("messages", {"push": None}),
    ("delivery", {"type": "scheduled", "send": {"at": "2026-13-01 09:00"}}),
    ("delivery", {"type": "scheduled", "send": "at_publish", "stale_after": "0 seconds"}),
    *(
        ("delivery", {**CAMPAIGN["delivery"], key: value})
        for key, value in (
            ("delay", {"after": "5229 weeks"}),
            ("delay", {"after": "1 fortnight"}),
            ("delay", {"after": "1 day", "next": "monday", "at": "09:00"}),
            ("delay", {"next": "monday", "at": "24:00"}),
            ("key", "sku"),
            ("start", "2026-03-01T00:00:00"),
            ("start", "2026-03-01T24:00:00Z"),
            ("trigger", [{"interaction": "open_push", "campaign": "c", "card": "d"}]),
            ("trigger", [{"interaction": "open_push", "card": "d"}]),
            ("trigger", [{"interaction": "open_push", "campaign": "c", "alias": "a"}]),
            ("trigger", [{"interaction": "click_in_app_message_button", "campaign": "c"}]),
            ("trigger", [{"interaction": "click_email_alias", "campaign": "c", "alias": None}]),
        )
    ),
]


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_accepted(key: str, value: Any) -> None:
    """Short forms, limits and spellings that the reader accepts."""
    data = {**without_contents(key), key: value}
    assert refusal(data) == ""
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(("key", "value"), REFUSED)
def test_refused(key: str, value: Any) -> None:
    """What the reader refuses by a validator of its own, not only by a type."""
    data = {**without_contents(key), key: value}
    assert refusal(data)
    assert not VALIDATOR.is_valid(data)


def without_contents(key: str) -> dict[str, Any]:
    """Return a campaign that may have messages."""
    return {name: part for name, part in CAMPAIGN.items() if key != "messages" or name != "variants"}


def test_the_reader_and_the_schema_agree() -> None:
    """Every wrong value at every place of a campaign, a card and the workspace: both refuse it, or neither does."""
    checked = 0
    for definition in (CAMPAIGN, WORKSPACE, *documents(EVERYTHING)):
        for changed in variants_of(definition):
            if HALF in json.dumps(changed, ensure_ascii=False):
                continue
            checked += 1
            assert FAST.is_valid(changed) == (not refusal(changed)), (refusal(changed), changed)
    assert checked > 2_000


def keys_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each key of each mapping of a schema, with the schema of its value."""
    for name, part in schema["$defs"].items():
        for form in (part, *part.get("anyOf", ())):
            for key, value in form.get("properties", {}).items():
                yield f"{name}.{key}", value


def test_each_key_has_a_description_and_examples_that_fit() -> None:
    """And no text is about a key that is gone."""
    schema = definition_schema("all")
    for path, value in keys_of(schema):
        assert re.fullmatch(r"[A-Z].*[.]", value["description"]), path
        assert value["examples"], path
        one = Draft202012Validator({**value, "$defs": schema["$defs"]})
        assert [error.message for example in value["examples"] for error in one.iter_errors(example)] == [], path
    known = {model: {info.alias or name for name, info in model.model_fields.items()} for model in KEY_TEXTS}
    assert {model: set(texts) - known[model] for model, texts in KEY_TEXTS.items() if set(texts) - known[model]} == {}


@pytest.mark.parametrize("limit", [1, 9, 10, 30, 99, 100, 109, 720, 1000, 3650])
def test_numbers_up_to(limit: int) -> None:
    """The regular expression has exactly the numbers from 1 to the limit."""
    pattern = re.compile(f"(?:{number_up_to(limit)})")
    matched = [number for number in range(limit + 1200) if pattern.fullmatch(str(number))]
    assert matched == list(range(1, limit + 1))
