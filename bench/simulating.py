"""Seconds of `connector simulate` for a long timeline, on one processor and on two."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - a timeline drawn from a fixed seed
from time import perf_counter
from typing import Any

from bench.figures import Figure, Row, Sample, at_most
from bench.processes import ROOT, environment
from bench.rounds import Bench

_START = datetime(2026, 3, 2, tzinfo=UTC)
_DURATION = timedelta(days=14)
_MAX_SECONDS = {1: 10, 2: 5.5}
"""The aims for 100,000 interactions over 100 campaigns, by the number of processes."""
_ITEMS_PER_USER = 10


async def measure(bench: Bench) -> list[Figure]:
    """Measure the command line with a timeline of half triggers, a third exceptions and some noise."""
    sizes = bench.sizes
    name = f"simulate {sizes.simulated_items:,} interactions, {sizes.simulated_campaigns} campaigns, --jobs"
    rows = [Row(f"{name} {jobs}", "s", aims=(at_most(most, of="ours"),)) for jobs, most in _MAX_SECONDS.items()]
    campaigns, timeline = _write_inputs(bench)
    arguments = ["simulate", "--campaigns", str(campaigns), "--timeline", str(timeline), "--json", "--jobs"]

    async def measure_round(_: int) -> Sequence[Sample]:
        return [(_seconds([*arguments, str(jobs)], bench.folder), None) for jobs in _MAX_SECONDS]

    return await bench.repeat("simulating", rows, measure_round)


def _write_inputs(bench: Bench) -> tuple[Path, Path]:
    folder, pairs = bench.folder / "simulating", bench.sizes.simulated_campaigns // 2
    folder.mkdir()
    campaigns, timeline = folder / "campaigns.yaml", folder / "timeline.jsonl"
    campaigns.write_text("\n---\n".join(_definitions(pairs)), encoding="utf-8")
    with timeline.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in _timeline_lines(bench.sizes.simulated_items, pairs))
    return campaigns, timeline


def _seconds(arguments: list[str], folder: Path) -> float:
    with (folder / "simulated.jsonl").open("wb") as output:
        started_at = perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", "starter.cli", *arguments],
            cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds = perf_counter() - started_at
    if ended.returncode != 0:
        raise RuntimeError(f"simulate ended with {ended.returncode}: {ended.stderr[-500:]}")
    return seconds


def _definitions(pairs: int) -> Iterator[str]:
    yield "workspace: default\nfrequency_caps: [{channel: push, at_most: 3, per: day}]"
    for number in range(pairs):
        yield f"campaign: target-{number}\ndelivery: {{type: external}}"
        yield "\n".join(
            [
                f"campaign: nudge-{number}",
                "delivery:",
                "  type: action_based",
                f"  trigger: [{{interaction: receive_push, campaign: target-{number}}}]",
                f"  delay: {{after: {1 + number % 48} hours}}",
                "  exceptions:",
                "    - {event: make_purchase}",
                f"    - {{interaction: open_push, campaign: target-{number}}}",
                "  eligible_again: {after: 2 days}",
                "messages:",
                "  push: {title: Hi, body: \"{{ user.first_name | default: 'Hi' }}, come back\"}",
            ]
        )


def _timeline_lines(items: int, pairs: int) -> Iterator[dict[str, Any]]:
    random, users = Random(1), items // _ITEMS_PER_USER
    for number in range(users):
        yield {"at": _START.isoformat(), "user": {"id": f"u-{number}", "push_tokens": ["phone"]}}
    names = [f"{kind}-{number}" for number in range(pairs) for kind in ("nudge", "target")]
    yield {"at": _START.isoformat(), "publish": names}
    for number in range(items):
        at = (_START + _DURATION * number / items).isoformat()
        item = {"id": f"e-{number}", "user": f"u-{random.randrange(users)}", **_draw_action(random, pairs)}
        yield {"at": at, "interaction": item}


def _draw_action(random: Random, pairs: int) -> dict[str, Any]:
    share = random.random()
    if share < 0.7:
        kind = "receive_push" if share < 0.5 else "open_push"
        return {"type": kind, "campaign": f"target-{random.randrange(pairs)}"}
    return {"type": "make_purchase"} if share < 0.8 else {"type": "event", "name": "viewed"}
