"""Find the characters of a definition's values in its YAML text, and where a new value belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from connector.definitions.yaml_writing import INDENT
from connector.rules.model import campaigns, messages, predicates, schedules
from connector.rules.model.conditions import EventCondition, InteractionCondition

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value, like ("delivery", "trigger", 0, "alias")."""

_MODELS: tuple[type[BaseModel], ...] = (
    InteractionCondition, EventCondition, predicates.PastInteraction, predicates.AttributePredicate,
    schedules.After, schedules.Next, schedules.InDays, schedules.TimeOfDay, schedules.QuietHours,
    campaigns.Variant, campaigns.Campaign, campaigns.Card, campaigns.ActionBased, campaigns.Scheduled,
    campaigns.Conversion, campaigns.FrequencyCap, campaigns.Workspace, messages.Email, messages.Messages, messages.Push,
    messages.Webhook, messages.Button, messages.Page,
)  # fmt: skip
_ORDER = {
    name: number
    for number, name in enumerate(
        dict.fromkeys(info.alias or name for model in _MODELS for name, info in model.model_fields.items())
    )
}
"""The position of each key among others: as the models list them."""


@dataclass(frozen=True)
class Entry:
    """One value of a document: an entry of a mapping with its key, or an item of a list.

    `column` is where the entry begins; `in_flow`: it is within braces or brackets.
    """

    key: str
    key_node: yaml.Node | None
    value: yaml.Node
    column: int
    in_flow: bool

    @property
    def indent(self) -> int:
        """The column of the lines of a value that goes on below the entry."""
        return self.column + INDENT

    @property
    def start(self) -> int:
        """Where the entry begins: its key, or its value."""
        return int((self.key_node or self.value).start_mark.index)

    def after_indicator(self, text: str) -> int:
        """Return the position after the colon of the key, or after the dash of the item."""
        if self.key_node is not None:
            return text.index(":", self.key_node.end_mark.index) + 1
        return _dash_before(text, self.value.start_mark.index, self.column) + 1


@dataclass(frozen=True)
class Layout:
    """A mapping or list in the text: the starts and ends of its parts. `column` is that of a block's parts."""

    node: Any
    keys: tuple[Any, ...]
    ends: tuple[int, ...]
    is_flow: bool
    column: int

    def neighbours(self, key: str) -> tuple[int | None, Any]:
        """Return the end of the entry after which a key belongs, and the first key if there is no such entry."""
        rank = _ORDER.get(key, len(_ORDER))
        before = [(_ORDER.get(k.value, len(_ORDER)), n) for n, k in enumerate(self.keys)]
        lower = [one for one in before if one[0] <= rank]
        return (self.ends[max(lower)[1]], None) if lower else (None, self.keys[0] if self.keys else None)


def entry_at(root: yaml.Node, path: Path) -> Entry | None:
    """Return the entry at a path; None if there is none. The root is an entry too."""
    found = Entry("", None, root, root.start_mark.column, False)
    for part in path:
        inner = _inner(found, part)
        if inner is None:
            return None
        found = inner
    return found


def _inner(outer: Entry, part: str | int) -> Entry | None:
    node: Any = outer.value
    in_flow = outer.in_flow or bool(getattr(node, "flow_style", False))
    column = node.start_mark.column
    if isinstance(part, int):
        is_item = isinstance(node, yaml.SequenceNode) and part < len(node.value)
        # A list's items have the key of the list, which decides how they are written.
        return Entry("", None, node.value[part], column, in_flow) if is_item else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((Entry(part, key, value, column, in_flow) for key, value in pairs if key.value == part), None)


def layout_of(text: str, node: Any) -> Layout:
    """Return where the parts of a mapping or list are."""
    keys = tuple(key for key, _ in node.value) if isinstance(node, yaml.MappingNode) else ()
    values = [value for _, value in node.value] if keys else [v for v in node.value if not isinstance(v, tuple)]
    ends = tuple(
        max(value_end(text, value), text.index(":", keys[n].end_mark.index) + 1 if keys else 0)
        for n, value in enumerate(values)
    )
    return Layout(node, keys, ends, bool(node.flow_style), node.start_mark.column)


def value_end(text: str, node: Any) -> int:
    """Return the position after the last character of a value, before comments and blank lines that follow."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar_end(text, node)
    if node.flow_style or not node.value:
        return int(node.end_mark.index)
    return max(value_end(text, part) for part in _parts(node))


def _parts(node: Any) -> Iterator[Any]:
    for part in node.value:
        if isinstance(part, tuple):
            yield from part
        else:
            yield part


def _scalar_end(text: str, node: yaml.ScalarNode) -> int:
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    if node.style not in ("|", ">"):
        return end
    header = text[start : text.find("\n", start)].split("#")[0]
    if "+" in header:  # its last line breaks count
        return text.rfind("\n", 0, end) + 1
    return start + len(text[start:end].rstrip("\n "))


def removal_span(text: str, layout: Layout, entry: Entry) -> tuple[int, int]:
    """Return the characters that go if an entry is removed: its lines, or its part of a line with one comma."""
    starts = [key.start_mark.index for key in layout.keys] or [value.start_mark.index for value in layout.node.value]
    number = starts.index(entry.start)
    if layout.is_flow:
        if number + 1 < len(starts):
            return starts[number], starts[number + 1]
        return (layout.ends[number - 1] if number else starts[number]), layout.ends[number]
    if not layout.keys:
        starts = [_dash_before(text, start, layout.column) for start in starts]
    begin = starts[number]
    line_start = text.rfind("\n", 0, begin) + 1
    if text[line_start:begin].strip():  # the first part of an item stands on the line of the item's dash
        return begin, starts[number + 1]
    end = layout.ends[number]
    return line_start, end if text[:end].endswith("\n") else min(_next_line(text, end), len(text))


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _dash_before(text: str, at: int, column: int) -> int:
    """Return the position of the dash of the list item whose value begins at `at`; the dash is in that column."""
    line_start = text.rfind("\n", 0, at) + 1
    while line_start >= 0:
        if text[line_start + column : line_start + column + 1] == "-" and line_start + column < at:
            return line_start + column
        line_start = text.rfind("\n", 0, max(line_start - 1, 0)) + 1 if line_start else -1
    raise ValueError("a list item has no dash")
