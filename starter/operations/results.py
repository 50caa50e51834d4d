"""What came of a campaign, as the API and the command line show it: the control group, the receivers, the variants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from connector.app.context import AppContext
from connector.rules.catalogue.catalogue import Entry
from connector.rules.results.conversions import LETTERS
from connector.rules.results.uplift import CONFIDENCE, Share, uplift
from connector.store.reporting.results import ResultCounts, count_results
from starter.terminal import table

_STEPS = ("enrolled", "sent", "opened", "opened_by_people", "clicked")
_VERDICTS = {"more": "more than control", "less": "less than control", "undecided": "no difference shown"}


async def load_results(context: AppContext, entry: Entry) -> dict[str, Any]:
    """What came of this campaign or card until now; see `view`."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        counted = await count_results(tx, entry.id, catalogue.workspace.robots)
    return view(counted, letters_of(entry, counted))


def letters_of(entry: Entry, counted: Sequence[ResultCounts]) -> list[str]:
    """The conversions to show, by their letters: those that it counts now, and those that were counted once."""
    newest = entry.live or (entry.published[-1] if entry.published else entry.newest)
    seen = {letter for one in counted for letter in one.converted}
    return [letter for place, letter in enumerate(LETTERS) if place < len(newest.conversions) or letter in seen]


def view(counted: Sequence[ResultCounts], letters: Sequence[str]) -> dict[str, Any]:
    """Numbers of users in JSON values: `control`, `receivers` (all others together) and each of the `variants`.

    `uplift`, by conversion, compares with the control group; it is null where either group is empty: too few to say.
    """
    control = _sum([one for one in counted if one.control], letters)
    others = [one for one in counted if not one.control]
    named = others if any(one.variant is not None for one in others) else []

    def compared(group: Sequence[ResultCounts]) -> dict[str, Any]:
        numbers = _sum(group, letters)
        return {**numbers, "uplift": {letter: _uplift(numbers, control, letter) for letter in letters}}

    return {
        "confidence": CONFIDENCE,
        "control": control,
        "receivers": compared(others),
        "variants": [{"variant": one.variant, **compared([one])} for one in named],
    }


def text(shown: dict[str, Any]) -> str:
    """The same as tables for people; what nobody got yet is said in a line."""
    groups = list(_groups(shown))
    if not any(group["enrolled"] or group["sent"] or group["opened"] or group["clicked"] for _, group in groups):
        return "nobody got it yet"
    letters = list(shown["receivers"]["uplift"])
    header = ("users", *(step.replace("_", " ") for step in _STEPS), *(f"converted {letter}" for letter in letters))
    rows = [(name, *(group[step] for step in _STEPS), *_conversions(group, letters)) for name, group in groups]
    uplifts = [row for name, group in groups[1:] for row in _uplifts(name, group)]
    if not uplifts:
        return table(header, rows)
    percent = round(shown["confidence"] * 100)
    compared = (f"uplift over control ({percent}%)", "conversion", "points", "interval", "relative", "which is")
    return table(header, rows) + "\n\n" + table(compared, uplifts)


def _sum(group: Sequence[ResultCounts], letters: Sequence[str]) -> dict[str, Any]:
    """Every user is in one group only, so that groups can be added up."""
    converted = {letter: sum(one.converted.get(letter, 0) for one in group) for letter in letters}
    return {**{step: sum(getattr(one, step) for one in group) for step in _STEPS}, "converted": converted}


def _uplift(numbers: dict[str, Any], control: dict[str, Any], letter: str) -> dict[str, Any] | None:
    receivers = Share(numbers["converted"][letter], numbers["sent"])
    found = uplift(receivers, Share(control["converted"][letter], control["enrolled"]))
    if found is None:
        return None
    facts = {name: value for name, value in asdict(found).items() if name != "confidence"}
    rounded = {name: None if value is None else round(value, 6) for name, value in facts.items()}
    return {**rounded, "verdict": found.verdict}


def _groups(shown: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "control group", shown["control"]
    yield "receivers", shown["receivers"]
    for one in shown["variants"]:
        yield f"  variant {one['variant']}" if one["variant"] is not None else "  without a variant", one


def _conversions(group: dict[str, Any], letters: Sequence[str]) -> Iterator[str]:
    users = group["enrolled"] or group["sent"]
    for letter in letters:
        converted = group["converted"][letter]
        yield f"{converted} ({converted / users:.1%})" if users else str(converted)


def _uplifts(name: str, group: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for letter, found in group["uplift"].items():
        if found is None:
            yield name, letter, "-", "-", "-", "too few to say"
            continue
        relative = "-" if found["relative"] is None else f"{found['relative']:+.1%}"
        interval = f"{found['low'] * 100:+.1f} to {found['high'] * 100:+.1f}"
        yield name, letter, f"{found['difference'] * 100:+.1f}", interval, relative, _VERDICTS[found["verdict"]]
