"""What may be published, stopped, resumed and archived, in which order, and with which warnings (P1 to P6, P9, P10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision
from connector.rules.catalogue.dependencies import (
    cycle_problems,
    publication_order,
    trigger_interactions,
    with_draft_follow_ons,
)
from connector.rules.catalogue.references import target_problems
from connector.rules.model.errors import OrderRefused
from connector.rules.model.interactions import LAUNCH_TIME
from connector.rules.publishing.lints import refusals, warnings
from connector.rules.publishing.missed import Missed, already_missed, launch_problems, missing_drafts, will_miss

__all__ = [
    "Missed",
    "OrderPlan",
    "check_publish",
    "missed_to_count",
    "plan_archive",
    "plan_publish",
    "plan_resume",
    "plan_stop",
]


@dataclass(frozen=True)
class OrderPlan:
    """What an order changes: `sequence` in the order in which it takes effect, and what it leaves as it was."""

    sequence: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_publish(
    catalogue: Catalogue,
    ids: Sequence[str],
    *,
    now: datetime,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
    missed: Missed | None = None,
) -> OrderPlan:
    """Judge a publication of these ids, all or none; follow-ons come before what they listen to (P5).

    Args:
        now: the instant at which it would take effect, UTC.
        with_follow_ons: publish the draft follow-ons that listen to them as well.
        allow_missed: publish even where a draft follow-on will have missed a launch (P3).
        missed: see `missed_to_count`.

    Raises:
        OrderRefused: with every problem.
    """
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    plan, problems = check_publish(catalogue, chosen, now=now, allow_missed=allow_missed, missed=missed)
    if problems:
        raise OrderRefused(problems)
    return plan


def check_publish(
    catalogue: Catalogue,
    ids: Sequence[str],
    *,
    now: datetime,
    allow_missed: bool = False,
    missed: Missed | None = None,
) -> tuple[OrderPlan, list[str]]:
    """What publishing these would do, and every problem for which it is refused; arguments as of `plan_publish`.

    Raises:
        OrderRefused: no ids, or unknown ones.
    """
    entries = _entries(catalogue, ids)
    problems = [f"{entry.id} is archived, which is final" for entry in entries if entry.state == "archived"]
    changing = [entry for entry in entries if entry.state != "archived" and not _is_published(entry)]
    names = {entry.id for entry in changing}
    behind = missing_drafts(catalogue, names)
    for entry in changing:
        problems += target_problems(catalogue, entry)
        problems += refusals(entry.newest.definition, catalogue, now)
        problems += [] if allow_missed else launch_problems(entry, behind)
    problems += cycle_problems(catalogue, {entry.id: entry.newest for entry in changing})
    unchanged = tuple(entry.id for entry in entries if entry.id not in names)
    notes = [f"{name} is active and has nothing new; nothing changed" for name in unchanged]
    for entry in changing:
        notes += [*will_miss(entry, behind), *already_missed(catalogue, entry, missed or {})]
        notes += warnings(entry.newest.definition, catalogue, now)
    return OrderPlan(publication_order(catalogue, names), unchanged, tuple(notes)), problems


def missed_to_count(catalogue: Catalogue, ids: Sequence[str], *, with_follow_ons: bool = False) -> set[tuple[str, str]]:
    """The (target, type) pairs whose logged interactions P4's warning will count."""
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    return {
        (condition.target, condition.interaction.value)
        for name in chosen
        if name in catalogue.entries
        for condition in trigger_interactions(catalogue.entries[name])
        if condition.interaction in LAUNCH_TIME and catalogue.is_active(condition.target)
    }


def plan_stop(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Stop what is active (P9); raises OrderRefused for what was never published or is archived."""
    return _plan_move(_entries(catalogue, ids), "stopped", {"active"}, "only what is active can be stopped")


def plan_resume(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Make stopped ones active again, with the revision that they had (P9).

    Raises:
        OrderRefused: one is a draft or archived, or it would close a circle (P6).
    """
    entries = _entries(catalogue, ids)
    plan = _plan_move(entries, "active", {"stopped"}, "only what is stopped can be resumed; publish a draft")
    problems = cycle_problems(
        catalogue, {entry.id: _last_live(entry) for entry in entries if entry.id in plan.sequence}
    )
    if problems:
        raise OrderRefused(problems)
    return plan


def plan_archive(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Archive, from any state, for good (P9)."""
    return _plan_move(_entries(catalogue, ids), "archived", {"draft", "active", "stopped"}, "")


def _plan_move(entries: Sequence[Entry], to: Lifecycle, from_: set[Lifecycle], otherwise: str) -> OrderPlan:
    problems = [f"{e.id} is {_WORDS[e.state]}; {otherwise}" for e in entries if e.state not in {to, *from_}]
    if problems:
        raise OrderRefused(problems)
    unchanged = tuple(entry.id for entry in entries if entry.state == to)
    notes = tuple(f"{name} is {to} already; nothing changed" for name in unchanged)
    return OrderPlan(tuple(entry.id for entry in entries if entry.state != to), unchanged, notes)


_WORDS: Mapping[Lifecycle, str] = {
    "draft": "a draft",
    "active": "active",
    "stopped": "stopped",
    "archived": "archived, which is final",
}


def _entries(catalogue: Catalogue, ids: Sequence[str]) -> list[Entry]:
    """The entries of an order, each once; raises OrderRefused for no ids and for unknown ones."""
    if not ids:
        raise OrderRefused(["name at least one campaign or card"])
    unknown = [name for name in ids if name not in catalogue.entries]
    if unknown:
        raise OrderRefused([f"{name} is not known; {suggest_id(catalogue, name)}" for name in unknown])
    return [catalogue.entries[name] for name in dict.fromkeys(ids)]


def suggest_id(catalogue: Catalogue, name: str) -> str:
    """What helps where somebody names an id that is not known: a near one, or to apply it."""
    near = get_close_matches(name, catalogue.entries, 1, 0.8)
    return f"did you mean {near[0]}?" if near else "apply its definition first"


def _is_published(entry: Entry) -> bool:
    return entry.live is not None and entry.live.number == entry.newest.number


def _last_live(entry: Entry) -> Revision:
    return entry.published[-1]
