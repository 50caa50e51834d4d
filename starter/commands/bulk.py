"""Run an action on many follow-ups at the command line: preview, confirmation, progress, and refusals."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from starter.commands.calls import next_page, open_calls
from starter.commands.store_session import run
from starter.operations.bulk import act_on_follow_ups
from starter.operations.bulk_actions import BulkAction
from starter.terminal import print_json, print_note, print_result

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and change nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_SAMPLE = 5
_DONE = {
    "cancel": "cancelled",
    "send_now": "sent now, if the rules of their due time allow it",
    "postpone": "postponed",
    "resend": "sent again",
    "resolve": "settled",
}
_UNCHANGED = {
    "cancel": "cancelled before",
    "send_now": "due already",
    "postpone": "waiting at least that long already",
    "resend": "being sent again already",
    "resolve": "known to have this result already",
}


@dataclass
class BulkSummary:
    """How many follow-ups an action changed, left as they were, and could not change, with the first ids of each.

    `left_out` has, by channel and reason, how many of those that are sent again are not on one of their channels.
    """

    done: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    sample: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, page: dict[str, Any]) -> None:
        """Count one page; refusals are counted by the rule's reason, else by their sentence."""
        self.done += len(page["done"])
        self.unchanged += len(page["unchanged"])
        self.sample += page["done"][: _SAMPLE - len(self.sample)]
        for refused in page["refused"]:
            why = refused["reason"] or refused["why"] or ""
            self.refused[why] += 1
            self.examples.setdefault(why, refused["id"])
        for one in page["left_out"]:
            self.left_out.setdefault(one["channel"], Counter())[one["reason"]] += 1
            self.examples.setdefault(f"{one['channel']}: {one['reason']}", one["id"])

    @property
    def total(self) -> int:
        """The number of follow-ups that were processed."""
        return self.done + self.unchanged + self.refused.total()


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
    async with open_calls(data) as calls:
        summary, after = BulkSummary(), None
        while True:
            page = await calls.act(act_on_follow_ups, action, after=after, dry_run=dry_run)
            summary.add(page)
            after = next_page(page, after)
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
    for channel, reasons in sorted(summary.left_out.items()):
        for reason, count in sorted(reasons.items()):
            yield f"{count} not on {channel}: {reason} (for example {summary.examples[f'{channel}: {reason}']})"
    for why, count in sorted(summary.refused.items(), key=lambda one: (-one[1], one[0])):
        yield f"{count} refused: {why} (for example {summary.examples[why]})"


def _view(action: BulkAction, summary: BulkSummary, dry_run: bool) -> dict[str, Any]:
    return {
        "action": action.verb,
        "dry_run": dry_run,
        "done": summary.done,
        "unchanged": summary.unchanged,
        "refused": summary.refused,
        "left_out": summary.left_out,
        "sample": summary.sample,
    }
