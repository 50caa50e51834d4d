"""The lanes of a picture: what each user did, and what came of it in each follow-on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.simulation.axis import clock
from connector.simulation.timeline import TimelineStep

Outcome = Mapping[str, Any]
"""One object of the contract."""


@dataclass(frozen=True)
class Dot:
    """Something that a user did: at `t`, by this name."""

    t: datetime
    name: str


@dataclass
class Lane:
    """What came of one user's interactions in one follow-on; its name is empty where nothing came of anything."""

    user: str
    follow_on: str
    dots: list[Dot]
    outcomes: list[Outcome] = field(default_factory=list)


def lanes_of(lines: Sequence[TimelineStep], outcomes: Sequence[Outcome]) -> list[Lane]:
    """The lanes by user and follow-on, those of which nothing is told included; keys have lanes of their own."""
    dots: dict[str, dict[tuple[str | None, datetime], Dot]] = {}
    for line in lines:
        if line.kind == "interaction":
            t = min(line.value.occurred_at, line.at)
            dots.setdefault(line.value.user, {}).setdefault((line.value.id, t), Dot(t, _name(line)))
    lanes: dict[tuple[str, str, str], Lane] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome["user"], outcome["triggered_at"])):
        user, key = outcome["user"], "" if outcome["key"] is None else f" {outcome['key']}"
        known = dots.setdefault(user, {})
        if not any(name == outcome["trigger"] or name is None for name, _ in known):
            t = read_instant(outcome["triggered_at"])
            known[outcome["trigger"], t] = Dot(t, "by a message of ours")
        lane = Lane(user, outcome["campaign"] + key, [])
        lanes.setdefault((user, outcome["campaign"], key), lane).outcomes.append(outcome)
    for user, follow_on in sorted(_without_lane(dots, lanes)):
        lanes[user, follow_on, ""] = Lane(user, follow_on, [])
    for lane in lanes.values():
        lane.dots = sorted(dots[lane.user].values(), key=lambda dot: dot.t)
    return [lanes[place] for place in sorted(lanes)]


def _without_lane(users: Iterable[str], lanes: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Each user in each follow-on of which anything is told, where nothing is told of the two."""
    told = {(user, follow_on) for user, follow_on, _ in lanes}
    follow_ons = {follow_on for _, follow_on in told} or {""}
    return ((user, name) for user in users for name in follow_ons if (user, name) not in told)


def _name(line: TimelineStep) -> str:
    properties = line.value.properties
    refined = [str(properties[name]) for name in ("alias", "button", "page", "sku") if name in properties]
    heard = [f"(heard of {clock(line.at)})"] if line.value.occurred_at < line.at else []
    return " ".join([line.value.name_or_type, *refined, *heard])


def instants_of(lanes: Iterable[Lane]) -> Iterator[datetime]:
    """Every instant that they show, UTC."""
    for lane in lanes:
        yield from (dot.t for dot in lane.dots)
        for outcome in lane.outcomes:
            yield from (
                read_instant(outcome[n]) for n in ("triggered_at", "due_at", "decided_at") if outcome[n] is not None
            )


def read_instant(instant: str) -> datetime:
    """An instant of the contract."""
    return datetime.fromisoformat(instant)
