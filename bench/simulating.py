"""Processor seconds of `simulate` for a long timeline, against an allowance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - a timeline drawn from a fixed seed
from time import process_time
from typing import Any

from bench.figures import Figure, Progress, Sizes, figure
from starter.cli import run_command

_START = datetime(2026, 3, 2, tzinfo=UTC)
_DURATION = timedelta(days=14)
_ALLOWED_SECONDS = 20.0
"""On one core for `_ALLOWED_ITEMS` interactions over 100 campaigns."""
_ALLOWED_ITEMS = 100_000
_ITEMS_PER_USER = 10


def measure(sizes: Sizes, folder: Path, progress: Progress) -> Figure:
    """Measure the command line with a timeline of half triggers, a third exceptions and some noise."""
    own_folder = folder / "simulating"
    own_folder.mkdir()
    campaigns, timeline = own_folder / "campaigns.yaml", own_folder / "timeline.jsonl"
    pairs = sizes.simulated_campaigns // 2
    campaigns.write_text("\n---\n".join(_definitions(pairs)), encoding="utf-8")
    with timeline.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in _timeline_lines(sizes.simulated_items, pairs))
    arguments = ["simulate", "--campaigns", str(campaigns), "--timeline", str(timeline), "--json"]
    rounds = []
    for number in range(sizes.rounds):
        progress(f"simulating {sizes.simulated_items:,} interactions, round {number + 1}")
        allowed = _ALLOWED_SECONDS * sizes.simulated_items / _ALLOWED_ITEMS
        rounds.append((_run(arguments, own_folder), allowed))
    name = f"simulate {sizes.simulated_items:,} interactions, {sizes.simulated_campaigns} campaigns"
    return figure(name, "s", f"allowed: {_ALLOWED_SECONDS:g} s for {_ALLOWED_ITEMS:,}", rounds, aim=1.0, better="lower")


def _run(arguments: list[str], folder: Path) -> float:
    """Run the command, and return its processor seconds."""
    errors = folder / "errors.txt"
    with (folder / "output.jsonl").open("w") as out, errors.open("w") as err:
        started_at = process_time()
        with redirect_stdout(out), redirect_stderr(err):
            code = run_command(arguments)
        seconds = process_time() - started_at
    if code != 0:
        raise RuntimeError(f"simulate ended with {code}: {errors.read_text()[-500:]}")
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
