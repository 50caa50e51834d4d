"""`connector plan`: what `apply` and then `publish` would do, before anything changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.rules.model.errors import OrderRefused
from connector.rules.model.values import canonical_json
from connector.rules.publishing.differences import Difference
from connector.rules.publishing.drafting import Definition
from connector.rules.publishing.preview import Drafting
from connector.store.reporting.overview import WaitCounts
from starter.commands.options import DataOption, JsonOption
from starter.commands.reading import Paths, keep_to_workspace, read_paths
from starter.commands.session import run, session
from starter.operations.preview import Preview, preview_changes
from starter.terminal import print_json, print_note, print_result, print_warning, table

_WIDEST, _BEFORE = 60, 20
_MOST_NAMED = 20
_SIGNS = {"added": "+", "removed": "-", "edited": "~"}


def plan(
    paths: Paths,
    allow_missed: Annotated[
        bool, typer.Option("--allow-missed", help="As if published even where a draft follow-on misses the launch.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what `apply` and then `publish` of all that is not live would do. Nothing is changed.

    What is new, edited (by its keys) and unchanged, and what the store has besides; the order in which the publication
    would take effect; what it would be refused for, and warn of; and how many users wait by which earlier revision.
    The exit code is 1 where a file has a fault or the publication would be refused.

    Examples:

      connector plan campaigns/

      connector plan welcome.yaml nudge.yaml --allow-missed --json
    """
    definitions = read_paths(paths)
    try:
        seen = run(_look(data, definitions, allow_missed))
    except OrderRefused as refusal:
        _refused("apply", refusal.problems)
        raise typer.Exit(1) from None
    if as_json:
        print_json(_in_json(seen))
    else:
        _show(seen)
    print_warning(seen.warnings)
    if seen.refusals:
        _refused("publish", seen.refusals)
        raise typer.Exit(1)


async def _look(data: Path | None, definitions: Sequence[Definition], allow_missed: bool) -> Preview:
    async with session(data) as context:
        keep_to_workspace(context.workspace, definitions)
        async with context.database.read(context.workspace) as tx:
            return await preview_changes(tx, definitions, allow_missed=allow_missed)


def _in_json(seen: Preview) -> dict[str, Any]:
    return {
        "changes": [_drafting_in_json(one) for one in seen.draftings if one.change != "unchanged"],
        "unchanged": [one.id for one in seen.draftings if one.change == "unchanged"],
        "elsewhere": [{"id": entry.id, "state": entry.state} for entry in seen.elsewhere],
        "order": list(seen.order),
        "refusals": list(seen.refusals),
        "warnings": list(seen.warnings),
        "waits": [vars(one) for one in seen.waits],
    }


def _drafting_in_json(drafting: Drafting) -> dict[str, Any]:
    return {**vars(drafting), "differences": [vars(one) for one in drafting.differences]}


def _show(seen: Preview) -> None:
    changed = [one for one in seen.draftings if one.change != "unchanged"]
    if changed:
        rows = [(one.change, one.kind, one.id, one.revision, one.live_revision) for one in changed]
        print_result(table(("change", "kind", "id", "revision", "live"), rows))
    for one in changed:
        for number, difference in enumerate(one.differences):
            print_result(("" if number else f"\n{one.id}:\n") + _line(difference))
    counts = Counter(one.change for one in seen.draftings)
    print_result(
        ("\n" if changed else "") + f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged"
    )
    if seen.elsewhere:
        others = _listed([f"{entry.id} ({entry.state})" for entry in seen.elsewhere])
        print_result(f"in the store, not in these files, and left as it is: {others}")
    print_result(
        f"publish would take effect in this order: {', '.join(seen.order)}" if seen.order else "nothing to publish"
    )
    for wait in seen.waits:
        print_result(_stays(wait))


def _line(difference: Difference) -> str:
    before, after = canonical_json(difference.before), canonical_json(difference.after)
    shared = _shared(before, after) if difference.change == "edited" else 0
    shown = {
        "added": _brief(after, shared),
        "removed": _brief(before, shared),
        "edited": f"{_brief(before, shared)} → {_brief(after, shared)}",
    }
    return f"  {_SIGNS[difference.change]} {difference.path}: {shown[difference.change]}"


def _shared(one: str, other: str) -> int:
    """How many characters they begin with alike."""
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def _brief(text: str, shared: int) -> str:
    """As much as stands on a line; of a long text from a little before the place at which the other one differs."""
    begins = max(0, shared - _BEFORE) if len(text) > _WIDEST else 0
    cut = f"…{text[begins:]}" if begins else text
    return cut if len(cut) <= _WIDEST else f"{cut[: _WIDEST - 1]}…"


def _stays(wait: WaitCounts) -> str:
    users = "1 user stays" if wait.users == 1 else f"{wait.users} users stay"
    return (
        f"{users} on revision {wait.revision} of {wait.campaign} ({wait.waiting} waiting, {wait.held} held): they keep "
        "its due time, trigger and exceptions, and get the newest live content"
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join([*names[:_MOST_NAMED], *([f"and {rest} more"] if rest > 0 else [])])


def _refused(verb: str, problems: Sequence[str]) -> None:
    print_note(f"{verb} would be refused:")
    for problem in problems:
        print_note(f"  {problem}")
