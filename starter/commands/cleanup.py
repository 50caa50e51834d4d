"""`connector cleanup`: deletes what is past its use now, or shows what would go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.store.cleanup.cleaning import Cleaned, rows_of
from starter.commands.calls import open_calls
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.commands.store_session import run
from starter.operations.cleanup import clean_up
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")]


def cleanup(
    dry_run: DryRunOption = False,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is past its use, as a worker does every day: old interactions, decisions and ended follow-ups.

    docs/operations.md lists how long each table's rows are kept, and why. What runs can be interrupted and repeated.

    Examples:

      connector cleanup --dry-run

      connector cleanup --reason "before the backup" --json
    """
    check_reason(reason)
    cleaned = run(_clean_up(data, dry_run, reason))
    if as_json:
        return print_json(cleaned)
    return _print(cleaned, dry_run)


async def _clean_up(data: Path | None, dry_run: bool, reason: str | None) -> dict[str, Any]:
    """Clean up until nothing is left: over HTTP, in requests of some seconds."""
    rows, partitions = Counter[str](), dict[str, int]()
    async with open_calls(data) as calls:
        while True:
            cleaned = await calls.act(clean_up, dry_run=dry_run, reason=reason, progress=_print_progress)
            rows.update(cleaned["rows"])
            partitions |= cleaned["partitions"]
            if cleaned["has_more"] is not True:
                return {**cleaned, "rows": dict(sorted(rows.items())), "partitions": dict(sorted(partitions.items()))}
            _print_counts(rows)


def _print_progress(cleaned: Cleaned) -> None:
    _print_counts(rows_of(cleaned))


def _print_counts(rows: Mapping[str, int]) -> None:
    counts = ", ".join(f"{number} of {name}" for name, number in rows.items())
    print_note(f"deleted so far: {counts or 'nothing'}")


def _print(cleaned: dict[str, Any], dry_run: bool) -> None:
    if cleaned["rows"]:
        rows = [(table, number) for table, number in cleaned["rows"].items()]
        print_lines(format_table(("table", "rows to delete" if dry_run else "rows deleted"), rows))
    else:
        print_result("there is nothing to delete" if dry_run else "nothing was deleted")
    if cleaned["partitions"]:
        header = ("partition to drop" if dry_run else "partition dropped", "bytes")
        print_lines("\n" + format_table(header, list(cleaned["partitions"].items())))
    for fault in cleaned["faults"]:
        print_note(f"not done: {fault}")
