"""Run a kill campaign on PostgreSQL, and print its result.

Usage: python -m tests.chaos [--minutes M] [--faults N] [--seed N] [--pause S] [--reporters N]
       [--restores] [--keep FOLDER]

The exit code is 1 if anything was lost, sent twice or wrong, or if a difference is not explained.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.campaign import Plan, Report, run

_MAX_SHOWN = 40


def main(words: list[str]) -> int:
    """Run the campaign that the words describe; return the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description="kill everything at random, and compare")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long there are faults (default: 10)")
    parser.add_argument("--faults", type=int, help="end after so many faults, if that is earlier")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="repeats a campaign's faults")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two faults, on average")
    parser.add_argument("--reporters", type=int, default=4, help="how many services report at once")
    parser.add_argument("--restores", action="store_true", help="set Temporal back to earlier copies of its file, too")
    parser.add_argument("--keep", type=Path, help="a folder for the logs; they are deleted without it")
    given = parser.parse_args(words)
    plan = Plan(given.seed, given.minutes * 60, given.faults, given.pause, given.reporters, restores=given.restores)
    print(f'seed {plan.seed}: repeat with make chaos ARGS="--minutes {given.minutes:g} --seed {plan.seed}"', flush=True)
    with tempfile.TemporaryDirectory(prefix="connector-chaos-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        report = asyncio.run(
            run(plan, folder, lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True))
        )
    print(table(report))
    return 0 if report.verdict.is_clean else 1


def table(report: Report) -> str:
    """Return the figures as a table, with what is not explained below it."""
    verdict = report.verdict
    rows = [
        ("faults", sum(report.faults.values())),
        *((f"- {kind}", count) for kind, count in report.faults.items()),
        ("items acknowledged", report.items),
        ("orders carried out", report.orders),
        ("follow-ups", report.follow_ups),
        *((f"- {kind}", count) for kind, count in sorted(verdict.classes.items())),
        ("messages received", report.received),
        ("claimed over 5 s late", verdict.late),
        ("the latest, seconds", round(verdict.latest.total_seconds(), 1)),
        ("seconds in all", round(report.seconds)),
        ("**lost**", len(verdict.lost)),
        ("**sent twice**", len(verdict.twice)),
        ("**wrong or unexplained**", len(verdict.wrong)),
    ]
    lines = ["", "| figure | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    found = [*verdict.lost, *verdict.twice, *verdict.wrong]
    lines += [*found[:_MAX_SHOWN], *([f"and {len(found) - _MAX_SHOWN} more"] if len(found) > _MAX_SHOWN else [])]
    answers = ", ".join(f"{name} {count}" for name, count in report.requests.items())
    return "\n".join([*lines, f"answers of the APIs: {answers}"])


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # Temporal's SDK sometimes aborts at interpreter exit on CPython 3.11
