"""What may be published, stopped, resumed and archived, in which order, and with which warnings (P1 to P7, P9, P10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.rules.campaigns import Campaign
from connector.rules.catalogue import Catalogue, Entry, Lifecycle
from connector.rules.conditions import InteractionCondition
from connector.rules.errors import OrderRefused
from connector.rules.interactions import LAUNCH_TIME
from connector.rules.lints import refusals, warnings
from connector.rules.listening import circles, follow_ons_of, listens_to, publication_order

Missed = Mapping[tuple[str, str], int]
"""How many launch-time interactions are logged already, by (target, interaction type)."""


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
    problems = _unknown(catalogue, ids)
    if problems:
        raise OrderRefused(problems)
    chosen = _widened(catalogue, ids) if with_follow_ons else list(dict.fromkeys(ids))
    entries = [catalogue.entries[name] for name in chosen]
    problems += [f"{entry.id} is archived, which is final" for entry in entries if entry.state == "archived"]
    changing = [entry for entry in entries if not _is_published(entry)]
    names = {entry.id for entry in changing}
    misses = _misses(catalogue, names)
    for entry in changing:
        problems += _target_problems(catalogue, entry)
        problems += refusals(entry.newest.definition, catalogue, now)
        if not allow_missed:
            problems += _launch_problems(entry, misses.get(entry.id, {}))
    problems += circles(catalogue, names)
    if problems:
        raise OrderRefused(problems)
    notes = [f"{entry.id} is active and has nothing new; nothing changed" for entry in entries if entry.id not in names]
    for entry in changing:
        notes += _draft_warnings(entry, misses.get(entry.id, {}))
        notes += _order_warnings(catalogue, entry, names, missed or {}, now)
        notes += warnings(entry.newest.definition, catalogue, now)
    unchanged = tuple(entry.id for entry in entries if entry.id not in names)
    return OrderPlan(publication_order(catalogue, names), unchanged, tuple(notes))


def missed_to_count(catalogue: Catalogue, ids: Sequence[str], *, with_follow_ons: bool = False) -> set[tuple[str, str]]:
    """The (target, type) pairs whose logged interactions P4's warning will count."""
    known = [name for name in ids if name in catalogue.entries]
    chosen = _widened(catalogue, known) if with_follow_ons else known
    return {
        (condition.target, condition.interaction.value)
        for name in chosen
        for condition in listens_to(catalogue.entries[name])
        if condition.interaction in LAUNCH_TIME and _is_active(catalogue, condition.target)
    }


def plan_stop(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Stop what is active (P9); raises OrderRefused for what was never published or is archived."""
    return _plan_move(catalogue, ids, "stopped", {"active"}, "is not live; only what is active can be stopped")


def plan_resume(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Make stopped ones active again (P9); raises OrderRefused for drafts and archived ones."""
    return _plan_move(catalogue, ids, "active", {"stopped"}, "is not stopped; publish it to make it live")


def plan_archive(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Archive, from any state, for good (P9)."""
    return _plan_move(catalogue, ids, "archived", {"draft", "active", "stopped"}, "")


def _plan_move(
    catalogue: Catalogue, ids: Sequence[str], to: Lifecycle, from_: set[Lifecycle], otherwise: str
) -> OrderPlan:
    problems = _unknown(catalogue, ids)
    entries = [catalogue.entries[name] for name in dict.fromkeys(ids) if name in catalogue.entries]
    problems += [f"{e.id} is {e.state}: it {otherwise}" for e in entries if e.state != to and e.state not in from_]
    if problems:
        raise OrderRefused(problems)
    unchanged = tuple(entry.id for entry in entries if entry.state == to)
    notes = tuple(f"{name} is {to} already; nothing changed" for name in unchanged)
    return OrderPlan(tuple(e.id for e in entries if e.state != to), unchanged, notes)


def _unknown(catalogue: Catalogue, ids: Sequence[str]) -> list[str]:
    return [f"{name} is not known; apply its definition first" for name in ids if name not in catalogue.entries]


def _is_active(catalogue: Catalogue, name: str) -> bool:
    entry = catalogue.entries.get(name)
    return entry is not None and entry.state == "active"


def _is_published(entry: Entry) -> bool:
    return entry.state == "active" and entry.live is not None and entry.live.number == entry.newest.number


def _widened(catalogue: Catalogue, ids: Sequence[str]) -> list[str]:
    """The ids with the draft follow-ons that listen to them, and those that listen to these, and so on."""
    chosen = dict.fromkeys(ids)
    waiting = list(chosen)
    listening = follow_ons_of(catalogue)
    while waiting:
        for name in listening.get(waiting.pop(), ()):
            if name not in chosen and catalogue.entries[name].state == "draft":
                chosen[name] = None
                waiting.append(name)
    return list(chosen)


def _target_problems(catalogue: Catalogue, entry: Entry) -> list[str]:
    """P3: targets and exceptions name what exists; a trigger's target is not archived; a card is a card (M5)."""
    definition = entry.newest.definition
    follow_on = definition.follow_on if isinstance(definition, Campaign) else None
    if follow_on is None:
        return []
    problems = []
    for role, conditions in (("trigger", follow_on.trigger), ("exception", follow_on.exceptions)):
        for condition in conditions:
            if isinstance(condition, InteractionCondition):
                problems += _target_problem(catalogue, entry.id, role, condition)
    return problems


def _target_problem(catalogue: Catalogue, name: str, role: str, condition: InteractionCondition) -> list[str]:
    target, kind = catalogue.entries.get(condition.target), "card" if condition.card else "campaign"
    if target is None:
        return [f"{name}: its {role} names {kind} {condition.target}, which does not exist; apply it first"]
    if target.is_card != (condition.card is not None):
        other = "campaign" if condition.card else "card"
        return [f"{name}: its {role} names {kind} {condition.target}, which is a {other}"]
    if role == "trigger" and target.state == "archived":
        return [f"{name}: its trigger names {condition.target}, which is archived and sends nothing any more"]
    return []


def _launch_problems(entry: Entry, drafts: Mapping[str, set[str]]) -> list[str]:
    """P3: a draft follow-on of a launch-time interaction would miss this launch."""
    problems = []
    for name, kinds in drafts.items():
        if missed := sorted(kinds & LAUNCH_TIME):
            problems.append(
                f"publishing {entry.id} now would make the draft follow-on {name} miss its {', '.join(missed)}; "
                f"publish {name} first or with it (publish {name} {entry.id}), or allow it (--allow-missed)"
            )
    return problems


def _misses(catalogue: Catalogue, publishing: set[str]) -> dict[str, dict[str, set[str]]]:
    """By target: the draft follow-ons that stay drafts, with the interactions that each listens to."""
    found: dict[str, dict[str, set[str]]] = {}
    for target, names in follow_ons_of(catalogue).items():
        for name in names:
            if catalogue.entries[name].state == "draft" and name not in publishing:
                kinds = {c.interaction.value for c in listens_to(catalogue.entries[name]) if c.target == target}
                found.setdefault(target, {})[name] = kinds
    return found


def _draft_warnings(entry: Entry, drafts: Mapping[str, set[str]]) -> list[str]:
    """P3: who will miss what."""
    return [
        f"the draft follow-on {name} listens to {entry.id} ({', '.join(sorted(kinds))}) and will miss it"
        for name, kinds in drafts.items()
    ]


def _order_warnings(
    catalogue: Catalogue, entry: Entry, publishing: set[str], missed: Missed, now: datetime
) -> list[str]:
    """P4: what a follow-on of an active target has missed; asked at its first publication only."""
    if entry.windows:
        return []
    notes = []
    for condition in listens_to(entry):
        if not _is_active(catalogue, condition.target) or condition.target in publishing:
            continue
        note = f"{condition.target} is active already: what happened before {now.isoformat()} does not start {entry.id}"
        if condition.interaction in LAUNCH_TIME:
            count = missed.get((condition.target, condition.interaction.value), 0)
            note += f"; {count} {condition.interaction} have been missed"
        notes.append(note)
    return notes
