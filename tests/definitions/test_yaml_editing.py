"""One value of a YAML text changes, and nothing else: the composer's form edits the marketer's own text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.definitions.yaml_editing import (
    NotEditable,
    read_data,
    remove_value,
    set_value,
    value_at,
)
from connector.definitions.yaml_writing import write_document
from connector.rules.model.values import canonical_json

FILES = sorted(
    path for path in Path("examples").rglob("*.yaml") if "node_modules" not in path.parts and path.stat().st_size < 6000
)
TEXTS = [
    "Plain",
    "it: is # not plain",
    "two\nlines\n",
    "two\nlines",
    "ends\n\n\n",
    " \tspaced ",
    "",
    "null",
    "yes",
    "010",
    "09:00",
    "2026-04-01",
    "{{ user.first_name | default: 'Hi' }}, “quoted” \"both\" 'ways'",
    "<p>\n  x\n\n</p>\n",
    "\u2028\u0085\ufeff\U0001f600\x7f",
    "- item",
    "a, b]",
    "https://shop.example/?a=1#b",
]

MIXED = """\
# A comment before
campaign: mixed   # behind the id
name: 'It''s mixed'

delivery:  # behind a key of a mapping
  type: action_based
  trigger:
  - event: cart_abandoned    # an item at the column of its key
    where:
      # inside
      sku: "a"
  - {interaction: open_push,
     campaign: other}        # over two lines
  delay:
      after: 1 day           # indented by more
  exceptions: [{event: make_purchase}, {event: refund}]  # in brackets
  # before a key
  retrigger: restart

messages:
  email:
    subject: >-
      folded
      text
    html: |   # behind the header
      <p>Hi</p>

      <p>there</p>

    # after a literal text
    text: |+
      keeps its end

    headers: {}
  sms:
    body:
# the end
"""


def paths_of(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value below the root."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in inner:
        yield (*path, part)
        yield from paths_of(value, (*path, part))


def changed_lines(before: str, after: str) -> tuple[int, int]:
    """Return how many lines at the beginning and at the end are the same in both texts."""
    old, new = before.splitlines(), after.splitlines()
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = zip(reversed(old[same:]), reversed(new[same:]), strict=False)
    return same, next((n for n, (a, b) in enumerate(rest) if a != b), min(len(old), len(new)) - same)


def comments(text: str) -> int:
    """Return the number of comments, which all of these texts mark by a space before the sign."""
    return sum(line.lstrip().startswith("#") or "  #" in line for line in text.splitlines())


@pytest.mark.parametrize("text", [*(path.read_text() for path in FILES), MIXED], ids=[*map(str, FILES), "mixed"])
def test_every_value_of_every_example_changes_alone(text: str) -> None:
    """A value is set, the text says exactly that, its comments stay, and only the lines of the value change."""
    for number, data in enumerate(read_data(text)):
        for position, path in enumerate(paths_of(data)):
            old, new = value_at(data, path), TEXTS[position % len(TEXTS)]
            after = set_value(text, path, new, document=number)
            expected = read_data(text)
            assert value_at(read_data(after)[number], path) == new
            assert len(read_data(after)) == len(expected)
            if not isinstance(old, dict | list):
                head, tail = changed_lines(text, after)
                assert len(text.splitlines()) - head - tail <= str(old).count("\n") + 3
                assert comments(after) == comments(text)


@pytest.mark.parametrize("text", [*(path.read_text() for path in FILES), MIXED], ids=[*map(str, FILES), "mixed"])
def test_every_value_of_every_example_can_be_removed_and_added(text: str) -> None:
    """What was removed comes back by adding it, and the definition is what it was."""
    for number, data in enumerate(read_data(text)):
        for path in paths_of(data):
            without = remove_value(text, path, document=number) if len(read_data(text)[number]) > 1 else text
            if any(isinstance(part, int) for part in path) or len(read_data(without)) < len(read_data(text)):
                continue
            again = set_value(without, path, value_at(data, path), document=number)
            assert value_at(read_data(again)[number], path) == value_at(data, path)


@pytest.mark.parametrize("value", TEXTS)
def test_texts_are_written_as_any_yaml_reader_reads_them(value: str) -> None:
    """A text is the same for our reader and for a reader of YAML 1.1, in a block and in brackets."""
    for data in ({"name": value}, {"list": [value, {"x": value}]}, {value: {"y": [value]}}):
        text = write_document(data)
        assert read_data(text) == [data]
        assert yaml.safe_load(text) == data


KEYS = st.sampled_from(["ab", "c", "is.x", "1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.sampled_from(TEXTS) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(st.sampled_from(["campaign", "name", "delivery", "messages", "x y", "5"]), JSON, min_size=1)


@settings(max_examples=150, deadline=None)
@given(MAPPINGS)
def test_any_mapping_is_written_and_read_again(data: dict[str, Any]) -> None:
    """The writer's text says what it was given."""
    assert canonical_json(read_data(write_document(data))) == canonical_json([data])


@settings(max_examples=150, deadline=None)
@given(MAPPINGS, JSON, st.data(), st.sampled_from([None, True, False]), st.integers(2, 4), st.booleans())
def test_any_value_of_any_text_changes_alone(
    data: dict[str, Any], new: Any, choice: st.DataObject, flow: bool | None, indent: int, is_canonical: bool
) -> None:
    """In texts of any style that another program wrote, a change says what was asked for, or is refused."""
    text = yaml.safe_dump(data, default_flow_style=flow, indent=indent, allow_unicode=not is_canonical, sort_keys=False)
    try:
        if canonical_json(read_data(text)) != canonical_json([data]):
            return  # PyYAML's writer leaves some texts unquoted that our reader takes for something else
    except Exception:
        return
    path = choice.draw(st.sampled_from(list(paths_of(data))))
    assert canonical_json(value_at(read_data(set_value(text, path, new))[0], path)) == canonical_json(new)
    if len(data) > 1:
        remove_value(text, path)


def test_the_place_of_a_new_key_is_that_of_the_models() -> None:
    """A new key stands where the documentation has it, behind the comments of the one before."""
    text = "campaign: a  # id\ndelivery:\n  type: action_based # t\n  retrigger: restart\nmessages: {sms: {body: x}}\n"
    text = set_value(text, ("audience",), {"attribute": "tier", "is": "gold"})
    text = set_value(text, ("delivery", "delay"), {"after": "1 day"})
    text = set_value(text, ("messages", "push"), {"title": "T", "body": "B"})
    assert text == (
        "campaign: a  # id\ndelivery:\n  type: action_based # t\n  delay: {after: 1 day}\n  retrigger: restart\n"
        "audience: {attribute: tier, is: gold}\nmessages: {sms: {body: x}, push: {title: T, body: B}}\n"
    )


def test_a_change_that_cannot_be_made_alone_is_refused() -> None:
    """The text stays as it was, and the error says what to do."""
    with pytest.raises(NotEditable, match="edit the YAML text"):
        set_value("campaign: a\nname:\n  ? x\n", ("name", "y"), "x")
