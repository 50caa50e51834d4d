"""Change one value of a definition in its YAML text, and nothing else: comments, order, styles and unknown keys stay.

The positions of the values come from the YAML parser, and only their characters are replaced. Every change is read
again: if the new text did not say exactly what was asked for, the change is refused and the text stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import yaml

from connector.definitions.yaml_nodes import (
    Entry,
    Layout,
    Path,
    entry_at,
    layout_of,
    removal_span,
    value_end,
)
from connector.definitions.yaml_text import read_documents
from connector.definitions.yaml_writing import (
    Style,
    block_lines,
    can_be_literal,
    entry_lines,
    is_block,
    item_lines,
    literal_header,
    literal_lines,
    write_flow,
    write_key,
    write_scalar,
)
from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import canonical_json

_Edit = tuple[int, int, str]
"""The characters from one position to another, and what replaces them."""
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as `read_documents`

_NOT_ALONE = "this value is written in a way that cannot be changed alone; edit the YAML text"


class NotEditable(ConnectorError):
    """A value cannot be changed without touching others; the YAML text has to be edited by hand."""


def set_value(text: str, path: Path, value: Any, *, document: int = 0) -> str:
    """Return the text with the value at `path`, which may be new, in the document of that number (from 0).

    A mapping replaces a mapping key by key, a list a list item by item, so that what is equal keeps its comments.

    Raises:
        DefinitionError: the text is not YAML.
        NotEditable: the value cannot be replaced alone.
    """
    text = _with_end(text)
    before = read_data(text)
    expected = [*before]
    expected[document] = _with_value(before[document], path, value)
    for change_path, change in _changes(before[document], path, value):
        text = _apply(text, document, partial(_set_edit, path=change_path, value=change))
    return _checked(text, expected)


def remove_value(text: str, path: Path, *, document: int = 0) -> str:
    """Return the text without the value at `path`, and without the mappings and lists that this leaves empty.

    Raises:
        DefinitionError: the text is not YAML.
        NotEditable: the value cannot be removed alone.
    """
    text = _with_end(text)
    before = read_data(text)
    path = _emptied(before[document], path)
    expected = [*before]
    expected[document] = _without(before[document], path)
    return _checked(_apply(text, document, partial(_remove_edit, path=path)), expected)


def read_data(text: str) -> list[Any]:
    """Return the data of the documents of a text that are not empty. Raises DefinitionError if it is not YAML."""
    return [document.data for document in read_documents(text, "")]


def value_at(data: Any, path: Path) -> Any:
    """Return the value at `path`; None if there is none."""
    for part in path:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def _changes(data: Any, path: Path, new: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the smallest changes that make the value at `path` equal to `new`; `_REMOVED` for what goes."""
    old = value_at(data, path)
    if old is not None and canonical_json(old) == canonical_json(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
        for key in new:
            yield from _changes(data, (*path, key), new[key]) if key in old else [((*path, key), new[key])]
        yield from (((*path, key), _REMOVED) for key in old if key not in new)
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        for number, item in enumerate(new):
            yield from _changes(data, (*path, number), item) if number < len(old) else [((*path, number), item)]
        yield from (((*path, number), _REMOVED) for number in reversed(range(len(new), len(old))))
    else:
        yield _new_part(data, path, new)


def _new_part(data: Any, path: Path, new: Any) -> tuple[Path, Any]:
    """Return the change that adds a value, with the mappings around it that are missing."""
    while len(path) > 1 and value_at(data, path[:-1]) in (None, {}, []):
        path, new = path[:-1], [new] if isinstance(path[-1], int) else {path[-1]: new}
    return path, new


_REMOVED: Any = object()


def _set_edit(text: str, root: yaml.Node, path: Path, value: Any) -> _Edit:
    if value is _REMOVED:
        return _remove_edit(text, root, path)
    found = entry_at(root, path)
    if found is not None:
        return _replace(text, found, value)
    parent = entry_at(root, path[:-1])
    if parent is None:
        raise NotEditable("the place of this value is not in the YAML text; edit the text")
    layout = layout_of(text, parent.value)
    return _append(text, layout, value) if isinstance(path[-1], int) else _insert(text, layout, str(path[-1]), value)


def _replace(text: str, entry: Entry, value: Any) -> _Edit:
    """Return the edit that writes `value` in place of an existing one, in its style."""
    start, end = entry.value.start_mark.index, value_end(text, entry.value)
    is_empty = not getattr(entry.value, "value", None)
    style = None if is_empty else cast(Style, getattr(entry.value, "style", None))
    if entry.in_flow:
        return _padded(text, start, end, _flow(value, style))
    begin = entry.after_indicator(text)
    comment = _comment_in(text[begin:start])
    if style in ("|", ">"):
        comment += _comment_in(text[start : _line_end(text, start)])
    is_literal = isinstance(value, str) and can_be_literal(value)
    if not (is_literal or is_block(entry.key, value)):
        inline = _flow(value, style) if isinstance(value, dict | list) else write_scalar(value, style=style)
        # Behind a block there is the line break that ended it; behind anything else there may be a comment.
        return begin, end, f" {inline}{comment}" + ("\n" if text[begin:end].endswith("\n") else "")
    line_end = _line_end(text, end)
    comment += _comment_in(text[end:line_end]) if not text[begin:end].endswith("\n") else ""
    end = line_end if not text[begin:end].endswith("\n") else end
    tail = "\n" if text[begin:end].endswith("\n") else ""
    if is_literal:
        return begin, end, f" {literal_header(value)}{comment}\n{_joined(literal_lines(value), entry.indent)}{tail}"
    return begin, end, f"{comment}\n{_joined(block_lines(value), entry.indent)}{tail}"


def _insert(text: str, layout: Layout, key: str, value: Any) -> _Edit:
    """Return the edit that adds an entry to a mapping, at its place in the usual order of keys."""
    before, after = layout.neighbours(key)
    if layout.is_flow:
        part = f"{write_key(key)}: {write_flow(value)}"
        return _insert_in_flow(text, layout, before, part)
    lines = entry_lines(key, value)
    if before is None and after is not None:
        first, *rest = [line if n == 0 or not line else " " * layout.column + line for n, line in enumerate(lines)]
        at = after.start_mark.index
        return at, at, "\n".join([first, *rest]) + "\n" + " " * layout.column
    return _insert_lines(text, layout, before, lines)


def _append(text: str, layout: Layout, value: Any) -> _Edit:
    last = layout.ends[-1] if layout.ends else None
    if layout.is_flow:
        return _insert_in_flow(text, layout, last, write_flow(value))
    return _insert_lines(text, layout, last, item_lines(value))


def _insert_lines(text: str, layout: Layout, end: int | yaml.Node | None, lines: Sequence[str]) -> _Edit:
    if not isinstance(end, int):
        raise NotEditable("there is no line after which this value can be added; edit the YAML text")
    added = _joined(lines, layout.column)
    if text[:end].endswith("\n"):
        return end, end, f"{added}\n"
    at = _line_end(text, end)
    return at, at, f"\n{added}"


def _insert_in_flow(text: str, layout: Layout, before: int | None, part: str) -> _Edit:
    if before is not None:
        return before, before, f", {part}"
    at = layout.node.start_mark.index + 1
    return at, at, part + (", " if layout.ends else "")


def _remove_edit(text: str, root: yaml.Node, path: Path) -> _Edit:
    entry, parent = entry_at(root, path), entry_at(root, path[:-1])
    if entry is None or parent is None:
        raise NotEditable("there is no such value in the YAML text")
    start, end = removal_span(text, layout_of(text, parent.value), entry)
    return start, end, ""


def _apply(text: str, document: int, make: Callable[[str, yaml.Node], _Edit]) -> str:
    nodes = [node for node in yaml.compose_all(text, Loader=_LOADER) if not _is_empty(node)]
    try:
        start, end, replacement = make(text, nodes[document])
    except ValueError:  # a key without a colon, as YAML's `? key` allows
        raise NotEditable(_NOT_ALONE) from None
    return text[:start] + replacement + text[end:]


def _checked(text: str, expected: Sequence[Any]) -> str:
    """Return the text if it says what is expected. Raises NotEditable if it does not."""
    try:
        found = read_data(text)
    except ConnectorError:
        found = []
    if canonical_json(found) != canonical_json(expected):
        raise NotEditable(_NOT_ALONE)
    return text


def _with_value(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        items = list(data) if isinstance(data, list) else []
        inner = _with_value(items[part] if part < len(items) else None, rest, value)
        return [*items[:part], inner, *items[part + 1 :]]
    mapping = data if isinstance(data, dict) else {}
    return {**mapping, part: _with_value(mapping.get(part), rest, value)}


def _without(data: Any, path: Path) -> Any:
    part, rest = path[0], path[1:]
    if rest:
        inner = _without(data[part], rest)
        return [*data[:part], inner, *data[part + 1 :]] if isinstance(part, int) else {**data, part: inner}
    if isinstance(part, int):
        return [*data[:part], *data[part + 1 :]]
    return {key: inner for key, inner in data.items() if key != part}


def _emptied(data: Any, path: Path) -> Path:
    """Return the path of the outermost part that would be empty without the value at `path`."""
    while len(path) > 1 and len(value_at(data, path[:-1]) or ()) == 1:
        path = path[:-1]
    return path


def _flow(value: Any, style: Style) -> str:
    return write_flow(value) if isinstance(value, dict | list) else write_scalar(value, in_flow=True, style=style)


def _padded(text: str, start: int, end: int, new: str) -> _Edit:
    """Return the edit of a value within brackets, with the space that an empty one lacks after its colon."""
    return start, end, f" {new}" if start == end and text[start - 1 : start] == ":" else new


def _joined(lines: Sequence[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{line}" if line else line for line in lines)


def _comment_in(text: str) -> str:
    at = text.find("#")
    return "  " + text[at:].split("\n")[0].rstrip() if at >= 0 else ""


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _with_end(text: str) -> str:
    """Return the text with line breaks of one kind and one at its end, and without a mark of its byte order."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else f"{text}\n"


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in ("", "~", "null", "Null", "NULL")


__all__ = ["NotEditable", "Path", "read_data", "remove_value", "set_value", "value_at"]
