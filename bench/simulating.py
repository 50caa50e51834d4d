"""How long `simulate` takes for a long timeline: processor seconds, against an allowance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - a timeline drawn from a fixed seed
from time import process_time
from typing import Any

from bench.figures import Figure, Sizes, figure
from bench.progress import Progress
from starter.cli import run_command

_BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
_LASTS = timedelta(days=14)
_ALLOWED = 20.0
"""Seconds on one core for 100,000 interactions over 100 campaigns."""
_FULL = 100_000
_ITEMS_A_USER = 10


def measure(sizes: Sizes, folder: Path, progress: Progress) -> Figure:
    """Play a timeline of half triggers, a third exceptions and some noise through the command line."""
    where = folder / "simulating"
    where.mkdir()
    campaigns, timeline = where / "campaigns.yaml", where / "timeline.jsonl"
    pairs = sizes.simulated_campaigns // 2
    campaigns.write_text("\n---\n".join(_definitions(pairs)), encoding="utf-8")
    with timeline.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in _lines(sizes.simulated_items, pairs))
    words = ["simulate", "--campaigns", str(campaigns), "--timeline", str(timeline), "--json"]
    rounds = []
    for number in range(sizes.rounds):
        progress(f"simulating {sizes.simulated_items:,} interactions, round {number + 1}")
        rounds.append((_seconds(words, where), _ALLOWED * sizes.simulated_items / _FULL))
    name = f"simulate {sizes.simulated_items:,} interactions, {sizes.simulated_campaigns} campaigns"
    return figure(name, "s", f"allowed: {_ALLOWED:g} s for {_FULL:,}", rounds, aim=1.0, better="lower")


def _seconds(words: list[str], where: Path) -> float:
    with (where / "out.jsonl").open("w") as out, (where / "told.txt").open("w") as told:
        begun = process_time()
        with redirect_stdout(out), redirect_stderr(told):
            code = run_command(words)
        spent = process_time() - begun
    if code != 0:
        raise RuntimeError(f"simulate ended with {code}: {(where / 'told.txt').read_text()[-500:]}")
    return spent


def _definitions(pairs: int) -> Iterator[str]:
    yield "workspace: default\nfrequency_caps: [{channel: push, at_most: 3, per: day}]"
    for number in range(pairs):
        yield f"campaign: original-{number}\ndelivery: {{type: external}}"
        yield "\n".join(
            [
                f"campaign: nudge-{number}",
                "delivery:",
                "  type: action_based",
                f"  trigger: [{{interaction: receive_push, campaign: original-{number}}}]",
                f"  delay: {{after: {1 + number % 48} hours}}",
                "  exceptions:",
                "    - {event: make_purchase}",
                f"    - {{interaction: open_push, campaign: original-{number}}}",
                "  eligible_again: {after: 2 days}",
                "messages:",
                "  push: {title: Hi, body: \"{{ user.first_name | default: 'Hi' }}, come back\"}",
            ]
        )


def _lines(items: int, pairs: int) -> Iterator[dict[str, Any]]:
    chance, users = Random(1), items // _ITEMS_A_USER
    for number in range(users):
        yield {"at": _BEGIN.isoformat(), "user": {"id": f"u-{number}", "push_tokens": ["phone"]}}
    names = [f"{kind}-{number}" for number in range(pairs) for kind in ("nudge", "original")]
    yield {"at": _BEGIN.isoformat(), "publish": names}
    for number in range(items):
        at = (_BEGIN + _LASTS * number / items).isoformat()
        done = {"id": f"e-{number}", "user": f"u-{chance.randrange(users)}", **_act(chance, pairs)}
        yield {"at": at, "interaction": done}


def _act(chance: Random, pairs: int) -> dict[str, Any]:
    which = chance.random()
    if which < 0.7:
        kind = "receive_push" if which < 0.5 else "open_push"
        return {"type": kind, "campaign": f"original-{chance.randrange(pairs)}"}
    return {"type": "make_purchase"} if which < 0.8 else {"type": "event", "name": "viewed"}
