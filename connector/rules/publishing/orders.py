"""Plan orders: what may be published, stopped, resumed or archived, with which warnings (P1 to P6, P9, P10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
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
from connector.rules.model.interactions import LAUNCH_TIME, InteractionType
from connector.rules.publishing.launch_notes import Forecasts, launch_notes
from connector.rules.publishing.lints import refusals, warnings

Missed = Mapping[tuple[str, str], int]
"""The number of logged interactions by (target, interaction type)."""

DraftListeners = Mapping[str, Mapping[str, Set[InteractionType]]]
"""By target: the draft follow-ons that stay drafts, with the interactions of the target that each listens to."""


@dataclass(frozen=True)
class OrderPlan:
    """The changes of an order: the ids in the `sequence` in which it takes effect, and those that stay `unchanged`."""

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
    forecasts: Forecasts | None = None,
) -> OrderPlan:
    """Plan a publication of these ids, all or none; follow-ons come before what they listen to (P5).

    Args:
        now: the instant at which it would take effect, UTC.
        with_follow_ons: also publish the draft follow-ons that listen to them.
        allow_missed: publish even if a draft follow-on misses the launch (P3).
        missed: the counts of the pairs that `missed_to_count` returns.
        forecasts: of the launches that `launches_to_forecast` returns.

    Raises:
        OrderRefused: the publication is refused; the error has every problem.
    """
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    plan, problems = check_publish(
        catalogue, chosen, now=now, allow_missed=allow_missed, missed=missed, forecasts=forecasts
    )
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
    forecasts: Forecasts | None = None,
) -> tuple[OrderPlan, list[str]]:
    """Return what publishing these would do, and every problem. For the arguments see `plan_publish`.

    Raises:
        OrderRefused: no ids, or unknown ones.
    """
    entries = _entries(catalogue, ids)
    problems = [f"{entry.id} is archived, which is final" for entry in entries if entry.state == "archived"]
    changing = [entry for entry in entries if entry.state != "archived" and not _is_published(entry)]
    names = {entry.id for entry in changing}
    drafts = _draft_listeners(catalogue, names)
    for entry in changing:
        problems += target_problems(catalogue, entry)
        problems += refusals(entry.newest.definition, catalogue, now)
        problems += [] if allow_missed else _launch_problems(entry, drafts)
    problems += cycle_problems(catalogue, {entry.id: entry.newest for entry in changing})
    unchanged = tuple(entry.id for entry in entries if entry.id not in names)
    notes = [f"{name} is active and has nothing new; nothing changed" for name in unchanged]
    for entry in changing:
        notes += [*_draft_warnings(entry, drafts), *_missed_warnings(catalogue, entry, missed or {})]
        notes += warnings(entry.newest.definition, catalogue, now)
    notes += launch_notes(catalogue, [entry.id for entry in entries], forecasts or {})
    return OrderPlan(publication_order(catalogue, names), unchanged, tuple(notes)), problems


def missed_to_count(catalogue: Catalogue, ids: Sequence[str], *, with_follow_ons: bool = False) -> set[tuple[str, str]]:
    """Return the (target, type) pairs of which the logged interactions must be counted for the warning of P4."""
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    return {
        (condition.target, condition.interaction.value)
        for name in chosen
        if name in catalogue.entries
        for condition in trigger_interactions(catalogue.entries[name])
        if condition.interaction in LAUNCH_TIME and catalogue.is_active(condition.target)
    }


def plan_stop(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Plan a stop (P9). Raises OrderRefused if an entry was never published or is archived."""
    return _plan_move(_entries(catalogue, ids), "stopped", {"active"}, "only what is active can be stopped")


def plan_resume(catalogue: Catalogue, ids: Sequence[str], forecasts: Forecasts | None = None) -> OrderPlan:
    """Plan a resume: stopped entries become active again with the revision that they had (P9).

    Args:
        forecasts: of the launches that `launches_to_forecast` returns.

    Raises:
        OrderRefused: an entry is a draft or archived, or the resume would close a cycle (P6).
    """
    entries = _entries(catalogue, ids)
    plan = _plan_move(entries, "active", {"stopped"}, "only what is stopped can be resumed; publish a draft")
    problems = cycle_problems(
        catalogue, {entry.id: _last_live(entry) for entry in entries if entry.id in plan.sequence}
    )
    if problems:
        raise OrderRefused(problems)
    return replace(plan, warnings=(*plan.warnings, *launch_notes(catalogue, plan.sequence, forecasts or {})))


def plan_archive(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Plan an archiving, which is possible from any state and final (P9)."""
    return _plan_move(_entries(catalogue, ids), "archived", {"draft", "active", "stopped"}, "")


PLANNERS: Mapping[str, Callable[[Catalogue, Sequence[str]], OrderPlan]] = {
    "stop": plan_stop,
    "resume": plan_resume,
    "archive": plan_archive,
}
"""The planners of the orders that move entries from one state to another: all orders but `publish`, by their verb."""


def _plan_move(entries: Sequence[Entry], to: Lifecycle, from_: set[Lifecycle], otherwise: str) -> OrderPlan:
    problems = [f"{e.id} is {_STATE_TEXTS[e.state]}; {otherwise}" for e in entries if e.state not in {to, *from_}]
    if problems:
        raise OrderRefused(problems)
    unchanged = tuple(entry.id for entry in entries if entry.state == to)
    notes = tuple(f"{name} is {to} already; nothing changed" for name in unchanged)
    return OrderPlan(tuple(entry.id for entry in entries if entry.state != to), unchanged, notes)


_STATE_TEXTS: Mapping[Lifecycle, str] = {
    "draft": "a draft",
    "active": "active",
    "stopped": "stopped",
    "archived": "archived, which is final",
}


def _entries(catalogue: Catalogue, ids: Sequence[str]) -> list[Entry]:
    """Return the entries of an order, each once. Raises OrderRefused for no ids and for unknown ones."""
    if not ids:
        raise OrderRefused(["name at least one campaign or card"])
    unknown = [name for name in ids if name not in catalogue.entries]
    if unknown:
        raise OrderRefused([f"{name} is not known; {suggest_id(catalogue, name)}" for name in unknown])
    return [catalogue.entries[name] for name in dict.fromkeys(ids)]


def suggest_id(catalogue: Catalogue, name: str) -> str:
    """Return advice about an unknown id: the nearest known id, or to apply its definition."""
    nearest = get_close_matches(name, catalogue.entries, 1, 0.8)
    return f"did you mean {nearest[0]}?" if nearest else "apply its definition first"


def _draft_listeners(catalogue: Catalogue, publishing: Set[str]) -> DraftListeners:
    """Return the drafts that an order does not publish, by the targets that they listen to."""
    listeners: dict[str, dict[str, set[InteractionType]]] = defaultdict(lambda: defaultdict(set))
    for entry in catalogue.entries.values():
        if entry.state == "draft" and entry.id not in publishing:
            for condition in trigger_interactions(entry):
                listeners[condition.target][entry.id].add(condition.interaction)
    return listeners


def _launch_problems(entry: Entry, drafts: DraftListeners) -> list[str]:
    """Return a problem for each draft follow-on that listens to what this launch makes, and would miss it (P3)."""
    return [
        f"publishing {entry.id} now would make the draft follow-on {name} miss its {', '.join(sorted(launch))}; "
        f"publish {name} first or with it (publish {name} {entry.id}), or allow it (--allow-missed)"
        for name, types in drafts.get(entry.id, {}).items()
        if (launch := types & LAUNCH_TIME)
    ]


def _draft_warnings(entry: Entry, drafts: DraftListeners) -> list[str]:
    """Return a warning for each draft follow-on that will miss interactions until it is published (P3)."""
    return [
        f"the draft follow-on {name} listens to {entry.id} ({', '.join(sorted(types))}): it will miss what happens "
        f"before it is published; publish it soon (publish {name})"
        for name, types in drafts.get(entry.id, {}).items()
    ]


def _missed_warnings(catalogue: Catalogue, entry: Entry, missed: Missed) -> list[str]:
    """Return a warning for each target that is active already, with the number of launch-time interactions missed (P4).

    Only for what no published revision listens to, because P2 counts from the first publication (P10).
    """
    published = {
        (c.target, c.interaction) for revision in entry.published for c in trigger_interactions(entry, revision)
    }
    new = {(c.target, c.interaction) for c in trigger_interactions(entry)} - published
    return [
        f"{target} is active already: what has happened does not start {entry.id}{_missed_count(target, type, missed)}"
        for target, type in sorted(new)
        if catalogue.is_active(target)
    ]


def _missed_count(target: str, type: InteractionType, missed: Missed) -> str:
    if type not in LAUNCH_TIME:
        return f" ({type})"
    count = missed.get((target, type.value), 0)
    return f"; {count} {type} {'has' if count == 1 else 'have'} been missed"


def _is_published(entry: Entry) -> bool:
    return entry.live is not None and entry.live.number == entry.newest.number


def _last_live(entry: Entry) -> Revision:
    return entry.published[-1]
