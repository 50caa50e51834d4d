"""`connector plan`: shows what `apply` and then `publish` would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.rules.model.campaigns import AnyDefinition
from connector.rules.model.errors import OrderRefused, Source
from connector.rules.model.values import canonical_json
from connector.rules.publishing.preview import DefinitionPreview, Difference
from connector.store.engine.database import database_now
from connector.store.reporting.counts import WaitCounts
from starter.commands.apply import check_workspace, read_definition_files
from starter.commands.audience_sizes import format_audience
from starter.commands.options import DataOption, DefinitionPaths, JsonOption
from starter.commands.store_session import READ_SECONDS, open_store, run
from starter.operations.preview import Preview, preview_changes, view_audience
from starter.operations.text_sizes import TextSize, measure_texts
from starter.terminal import format_table, print_json, print_lines, print_note, print_result, print_warnings

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
    definitions, sources = read_definition_files(paths)
    try:
        preview, texts = run(_preview(data, definitions, sources, allow_missed))
    except OrderRefused as refusal:
        _print_refusals("apply", refusal.problems)
        raise typer.Exit(1) from None
    if as_json:
        print_json({**_in_json(preview), "texts": [vars(text) for text in texts]})
    else:
        _print_preview(preview)
        for text in texts:
            print_result(_format_text(text))
    print_warnings(preview.warnings)
    if preview.refusals:
        _print_refusals("publish", preview.refusals)
        raise typer.Exit(1)


async def _preview(
    data: Path | None, definitions: Sequence[AnyDefinition], sources: Mapping[str, Source], allow_missed: bool
) -> tuple[Preview, list[TextSize]]:
    async with open_store(data) as context:
        check_workspace(context.workspace, definitions)
        async with context.database.read(context.workspace, seconds=READ_SECONDS) as tx:
            preview = await preview_changes(
                tx,
                definitions,
                allow_missed=allow_missed,
                sources=sources,
                providers=context.settings.provided_channels,
            )
            return preview, measure_texts(definitions, context.settings, await database_now(tx))


def _in_json(preview: Preview) -> dict[str, Any]:
    return {
        "changes": [_definition_in_json(one) for one in preview.definitions if one.change != "unchanged"],
        "unchanged": [one.id for one in preview.definitions if one.change == "unchanged"],
        "elsewhere": [{"id": entry.id, "state": entry.state} for entry in preview.other_entries],
        "order": list(preview.order),
        "refusals": list(preview.refusals),
        "warnings": list(preview.warnings),
        "waits": [vars(wait) for wait in preview.waits],
        "audiences": [view_audience(size) for size in preview.audiences],
    }


def _definition_in_json(drafting: DefinitionPreview) -> dict[str, Any]:
    return {**vars(drafting), "differences": [vars(difference) for difference in drafting.differences]}


def _print_preview(preview: Preview) -> None:
    changed = [one for one in preview.definitions if one.change != "unchanged"]
    if changed:
        rows = [(one.change, one.kind, one.id, one.revision, one.live_revision) for one in changed]
        print_lines(format_table(("change", "kind", "id", "revision", "live"), rows))
    for one in changed:
        for number, difference in enumerate(one.differences):
            print_lines(("" if number else f"\n{one.id}:\n") + _format_difference(difference))
    counts = Counter(one.change for one in preview.definitions)
    print_result(
        ("\n" if changed else "") + f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged"
    )
    if preview.other_entries:
        others = _format_names([f"{entry.id} ({entry.state})" for entry in preview.other_entries])
        print_result(f"in the store but not in these files, and not changed: {others}")
    order = ", ".join(preview.order)
    print_result(f"publish would take effect in this order: {order}" if order else "nothing to publish")
    for wait in preview.waits:
        print_result(_format_waits(wait))
    for size in preview.audiences:
        print_result(format_audience(view_audience(size)))


def _format_difference(difference: Difference) -> str:
    before, after = canonical_json(difference.before), canonical_json(difference.after)
    shared = _common_prefix_length(before, after) if difference.change == "edited" else 0
    shown = {
        "added": _shorten(after, shared),
        "removed": _shorten(before, shared),
        "edited": f"{_shorten(before, shared)} → {_shorten(after, shared)}",
    }
    return f"  {_SIGNS[difference.change]} {difference.path}: {shown[difference.change]}"


def _common_prefix_length(one: str, other: str) -> int:
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def _shorten(text: str, shared: int) -> str:
    """Return what fits on a line; of a long text from a little before the first character that differs."""
    start = max(0, shared - _CONTEXT_CHARACTERS) if len(text) > _MAX_VALUE_CHARACTERS else 0
    cut = f"…{text[start:]}" if start else text
    return cut if len(cut) <= _MAX_VALUE_CHARACTERS else f"{cut[: _MAX_VALUE_CHARACTERS - 1]}…"


def _format_waits(wait: WaitCounts) -> str:
    users = "1 user stays" if wait.users == 1 else f"{wait.users} users stay"
    return (
        f"{users} on revision {wait.revision} of {wait.campaign} ({wait.waiting} waiting, {wait.held} held): they keep "
        "its due time, trigger and exceptions, and get the newest live content"
    )


def _format_text(text: TextSize) -> str:
    segments = "1 segment" if text.segments == 1 else f"{text.segments} segments"
    unit = "septets" if text.encoding == "GSM-7" else "units"
    links = f", {text.links} link{'' if text.links == 1 else 's'} at the length sent" if text.links else ""
    depends = "; the template's values add to it" if text.depends_on_values else ""
    return f"{text.campaign}, {text.message}: {segments} ({text.encoding}, {text.units} {unit}{links}){depends}"


def _format_names(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_NAMES
    return ", ".join([*names[:_MAX_NAMES], *([f"and {rest} more"] if rest > 0 else [])])


def _print_refusals(verb: str, problems: Sequence[str]) -> None:
    print_note(f"{verb} would be refused:")
    for problem in problems:
        print_note(f"  {problem}")
