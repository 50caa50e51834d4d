"""Run an action on many follow-ups at the command line: preview, confirmation, progress, and refusals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.app.context import AppContext
from starter.commands.actor import command_line_actor
from starter.commands.session import open_session
from starter.commands.store_session import run
from starter.operations.bulk import BulkAction, BulkItem, act_on_page
from starter.terminal import print_json, print_note, print_result

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and change nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_SAMPLE = 5
_DONE = {
    "cancel": "cancelled",
    "send_now": "sent now, if the rules of their due time allow it",
    "postpone": "postponed",
    "resend": "sent again",
}
_UNCHANGED = {
    "cancel": "cancelled before",
    "send_now": "due already",
    "postpone": "waiting at least that long already",
    "resend": "being sent again already",
}


@dataclass
class BulkSummary:
    """How many follow-ups an action changed, left as they were, and could not change, with the first ids of each."""

    done: int = 0
    unchanged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    sample: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, item: BulkItem) -> None:
        """Count one follow-up; refusals are counted by the rule's reason, else by their sentence."""
        if item.outcome == "done":
            self.done += 1
            self.sample += [item.id] if len(self.sample) < _SAMPLE else []
        elif item.outcome == "unchanged":
            self.unchanged += 1
        else:
            why = item.reason.value if item.reason is not None else item.why or ""
            self.refused[why] = self.refused.get(why, 0) + 1
            self.examples.setdefault(why, item.id)

    @property
    def total(self) -> int:
        """The number of follow-ups that were processed."""
        return self.done + self.unchanged + sum(self.refused.values())


def run_bulk(action: BulkAction, data: Path | None, as_json: bool, *, dry_run: bool, yes: bool) -> None:
    """Run an action on all follow-ups that match, after a confirmation on a terminal; print the summary."""
    if not dry_run and not yes and sys.stdin.isatty():
        preview = run(_act(data, action, dry_run=True))
        _print(action, preview, False, dry_run=True)
        if preview.done:
            typer.confirm("Do that?", abort=True, err=True)
    summary = run(_act(data, action, dry_run=dry_run))
    _print(action, summary, as_json, dry_run=dry_run)


async def _act(data: Path | None, action: BulkAction, *, dry_run: bool) -> BulkSummary:
    async with open_session(data) as context:
        return await _all_pages(context, action, dry_run=dry_run)


async def _all_pages(context: AppContext, action: BulkAction, *, dry_run: bool) -> BulkSummary:
    summary, after = BulkSummary(), None
    while True:
        page = await act_on_page(context, command_line_actor(), action, after=after, dry_run=dry_run)
        for item in page.items:
            summary.add(item)
        after = page.next
        if after is None:
            return summary
        print_note(f"{summary.total} follow-ups so far; if this is interrupted, the same command continues it")


def _print(action: BulkAction, summary: BulkSummary, as_json: bool, *, dry_run: bool) -> None:
    if as_json:
        return print_json(_view(action, summary, dry_run))
    for line in _lines(action, summary, dry_run):
        print_result(line)
    return None


def _lines(action: BulkAction, summary: BulkSummary, dry_run: bool) -> Iterator[str]:
    yield f"{summary.done} {'would be ' if dry_run else ''}{_DONE[action.verb]}"
    if dry_run and summary.sample:
        yield f"for example {', '.join(summary.sample)}"
    if summary.unchanged:
        yield f"{summary.unchanged} unchanged: {_UNCHANGED[action.verb]}"
    for why, count in sorted(summary.refused.items(), key=lambda one: (-one[1], one[0])):
        yield f"{count} refused: {why} (for example {summary.examples[why]})"


def _view(action: BulkAction, summary: BulkSummary, dry_run: bool) -> dict[str, Any]:
    return {
        "action": action.verb,
        "dry_run": dry_run,
        "done": summary.done,
        "unchanged": summary.unchanged,
        "refused": summary.refused,
        "sample": summary.sample,
    }
