"""`connector plan`: shows what `apply` and then `publish` would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from connector.rules.model.errors import OrderRefused
from connector.rules.model.values import canonical_json
from starter.commands.apply import read_definition_files
from starter.commands.audience_sizes import format_audience
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, DefinitionPaths, JsonOption
from starter.operations.plan import plan_definitions
from starter.terminal import format_table, print_each, print_json, print_lines, print_note, print_result, print_warnings

_MAX_VALUE_CHARACTERS, _CONTEXT_CHARACTERS = 60, 20
_MAX_NAMES = 20
_SIGNS = {"added": "+", "removed": "-", "edited": "~"}


def plan(
    paths: DefinitionPaths,
    allow_missed: Annotated[
        bool, typer.Option("--allow-missed", help="Plan a publication even if a draft follow-on would miss the launch.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what `apply` and `publish` of these files would do. Nothing is changed.

    The result lists what is new, edited (key by key) and unchanged, and what only the store has; the order in which the
    publication would take effect; its refusals and warnings; how many users wait on which earlier revision; how many
    users are in each audience now, and reachable by channel; and the number of segments of each text message, with its
    values left out. The exit code is 1 if a file has an error or the publication would be refused.

    Examples:

      connector plan campaigns/

      connector plan welcome.yaml nudge.yaml --allow-missed --json
    """
    definitions = read_definition_files(paths)
    try:
        planned = run_operation(data, plan_definitions, definitions, allow_missed=allow_missed)
    except OrderRefused as refusal:
        _print_refusals("apply", refusal.problems)
        raise typer.Exit(1) from None
    if as_json:
        print_json(planned)
    else:
        _print_plan(planned)
    print_warnings(planned["warnings"])
    if planned["refusals"]:
        _print_refusals("publish", planned["refusals"])
        raise typer.Exit(1)


def _print_plan(planned: dict[str, Any]) -> None:
    _print_changes(planned["changes"])
    counts = Counter(one["change"] for one in planned["changes"])
    summary = f"{counts['new']} new, {counts['edited']} edited, {len(planned['unchanged'])} unchanged"
    print_lines(("\n" if planned["changes"] else "") + summary)
    if planned["elsewhere"]:
        others = _format_names([f"{entry['id']} ({entry['state']})" for entry in planned["elsewhere"]])
        print_result(f"in the store but not in these files, and not changed: {others}")
    order = ", ".join(planned["order"])
    print_result(f"publish would take effect in this order: {order}" if order else "nothing to publish")
    for wait in planned["waits"]:
        print_result(format_waits(wait))
    for size in planned["audiences"]:
        print_result(format_audience(size))
    for text in planned["texts"]:
        print_result(_format_text(text))


def _print_changes(changed: Sequence[dict[str, Any]]) -> None:
    if changed:
        columns = ("change", "kind", "id", "revision", "live_revision")
        rows = [[one[column] for column in columns] for one in changed]
        print_lines(format_table((*columns[:-1], "live"), rows))
    for one in changed:
        for number, difference in enumerate(one["differences"]):
            print_each([*([] if number else ["", f"{one['id']}:"]), format_difference(difference)])


def format_difference(difference: dict[str, Any]) -> str:
    """Return the difference of one key of a definition as a line."""
    before, after = canonical_json(difference["before"]), canonical_json(difference["after"])
    change = difference["change"]
    shared = _common_prefix_length(before, after) if change == "edited" else 0
    shown = {
        "added": _shorten(after, shared),
        "removed": _shorten(before, shared),
        "edited": f"{_shorten(before, shared)} → {_shorten(after, shared)}",
    }
    return f"  {_SIGNS[change]} {difference['path']}: {shown[change]}"


def _common_prefix_length(one: str, other: str) -> int:
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def _shorten(text: str, shared: int) -> str:
    """Return what fits on a line; of a long text from a little before the first character that differs."""
    start = max(0, shared - _CONTEXT_CHARACTERS) if len(text) > _MAX_VALUE_CHARACTERS else 0
    cut = f"…{text[start:]}" if start else text
    return cut if len(cut) <= _MAX_VALUE_CHARACTERS else f"{cut[: _MAX_VALUE_CHARACTERS - 1]}…"


def format_waits(wait: dict[str, Any]) -> str:
    """Return who stays on an earlier revision, as a line."""
    users = "1 user stays" if wait["users"] == 1 else f"{wait['users']} users stay"
    follow_ups = f"{wait['waiting']} waiting, {wait['held']} held"
    return (
        f"{users} on revision {wait['revision']} of {wait['campaign']} ({follow_ups}): "
        "they keep its due time, trigger and exceptions, and get the newest live content"
    )


def _format_text(text: dict[str, Any]) -> str:
    segments = "1 segment" if text["segments"] == 1 else f"{text['segments']} segments"
    unit = "septets" if text["encoding"] == "GSM-7" else "units"
    count = text["links"]
    links = f", {count} link{'' if count == 1 else 's'} at the length sent" if count else ""
    depends = "; the template's values add to it" if text["depends_on_values"] else ""
    size = f"{text['encoding']}, {text['units']} {unit}{links}"
    return f"{text['campaign']}, {text['message']}: {segments} ({size}){depends}"


def _format_names(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_NAMES
    return ", ".join([*names[:_MAX_NAMES], *([f"and {rest} more"] if rest > 0 else [])])


def _print_refusals(verb: str, problems: Sequence[str]) -> None:
    print_note(f"{verb} would be refused:")
    for problem in problems:
        print_note(f"  {problem}")
