"""`connector validate`: checks definitions with no database and no server."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import typer

from connector.app.configuration import read_settings
from starter.commands.options import DefinitionPaths, JsonOption
from starter.operations.validation import validate_files
from starter.terminal import print_json, print_note, print_result, print_warnings, spinner


def validate(paths: DefinitionPaths, as_json: JsonOption = False) -> None:
    """Check YAML files, with no database and no server.

    Every fault is printed with its file, line and key, and what would be right: of YAML, of the keys and their values,
    of templates, and whatever `publish` would refuse. Targets are looked up in these files only; `connector plan` looks
    in the store too. Warnings are those that need no store. The exit code is 1 if there is a fault.

    Examples:

      connector validate campaigns/

      connector validate welcome.yaml nudge.yaml --json
    """
    with spinner("Reading definitions"):
        result = validate_files(paths, datetime.fromtimestamp(time.time(), UTC), with_links=_checks_links())
    if as_json:
        print_json(result)
    else:
        _print_faults(result)
    if not result["valid"]:
        raise typer.Exit(1)


def _checks_links() -> bool:
    """Return whether links whose hosts come from user data are faults, as for `apply` and the API."""
    return not read_settings().link_hosts


def _print_faults(result: dict[str, Any]) -> None:
    for fault in result["faults"]:
        print_note(fault["text"])
    print_warnings(warning["text"] for warning in result["warnings"])
    kinds = Counter(one["kind"] for one in result["definitions"])
    read = [_count(kinds[kind], kind) for kind in ("campaign", "card") if kinds[kind]]
    read += ["the workspace"] if kinds["workspace"] else []
    found = f"{_count(len(result['faults']), 'fault')}, {_count(len(result['warnings']), 'warning')}"
    print_result(f"{', '.join(read)}: {found}" if read else found)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
