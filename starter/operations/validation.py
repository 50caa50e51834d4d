"""Validate definitions from files or a text, with no database and no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.definitions import Definitions, parse_yaml, read_definitions
from connector.rules.model.campaigns import AnyDefinition, Workspace
from connector.rules.model.errors import DefinitionError, Fault, Source
from connector.rules.publishing.alone import check_alone
from connector.rules.publishing.drafting import get_kind


def validate_files(paths: Sequence[Path], now: datetime, *, with_links: bool) -> dict[str, Any]:
    """Return the faults and warnings of YAML files, and of all YAML files of folders.

    Args:
        now: UTC; an `end` may have passed.
        with_links: a link whose host comes from user data is a fault too.
    """
    return validate_read(lambda: read_definitions(*paths, with_links=with_links), now)


def validate_text(text: str, now: datetime, *, file: str, with_links: bool) -> dict[str, Any]:
    """Return the faults and warnings of one YAML text; `file` is its name in them. See `validate_files`."""
    return validate_read(lambda: parse_yaml(text, file=file, with_links=with_links), now)


def validate_read(read: Callable[[], Definitions], now: datetime) -> dict[str, Any]:
    """Return the faults and warnings of the definitions that `read` returns or refuses. See `validate_files`."""
    try:
        definitions = read()
    except DefinitionError as error:
        return _view([], error.faults, [])
    problems, warnings = check_alone(definitions.all, now)
    return _view(
        _view_definitions(definitions), _locate(problems, definitions.sources), _locate(warnings, definitions.sources)
    )


def _view(definitions: list[dict[str, Any]], faults: Sequence[Fault], warnings: Sequence[Fault]) -> dict[str, Any]:
    return {
        "valid": not faults,
        "definitions": definitions,
        "faults": [_view_fault(fault) for fault in faults],
        "warnings": [_view_fault(fault) for fault in warnings],
    }


def _view_fault(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON values; `text` is the line that people read."""
    return {
        "file": fault.file,
        "line": fault.line,
        "id": fault.id or None,
        "key": fault.key or None,
        "problem": fault.problem,
        "text": str(fault),
    }


def _view_definitions(definitions: Definitions) -> list[dict[str, Any]]:
    return [_view_definition(one, definitions.sources) for one in definitions.all]


def _view_definition(definition: AnyDefinition, sources: Mapping[str, Source]) -> dict[str, Any]:
    if isinstance(definition, Workspace):
        kind, id, source = "workspace", definition.workspace, sources[""]
    else:
        kind, id, source = get_kind(definition), definition.id, sources[definition.id]
    return {"id": id, "kind": kind, "file": source.file, "line": source.line_of(kind)}


def _locate(faults: Iterable[Fault], sources: Mapping[str, Source]) -> list[Fault]:
    return [sources[fault.id].locate(fault) for fault in faults]
