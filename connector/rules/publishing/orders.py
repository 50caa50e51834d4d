"""Plan orders: what may be published, stopped, resumed or archived, with which warnings (P1 to P6, P9, P10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision
from connector.rules.catalogue.dependencies import (
    cycle_problems,
    publication_order,
    trigger_interactions,
    with_draft_follow_ons,
)
from connector.rules.model.campaigns import Campaign
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.errors import Fault, OrderRefused
from connector.rules.model.interactions import LAUNCH_TIME, InteractionType
from connector.rules.model.nearest import suggestion
from connector.rules.publishing.facts import (
    NO_FACTS,
    MissedCount,
    PublishFacts,
    PublishQuestions,
    condition_key,
    trigger_conditions,
)
from connector.rules.publishing.launch_notes import Forecasts, launch_notes
from connector.rules.publishing.lints import refusals, warnings

_APPLY_FIRST = "apply its definition first"
_MAX_SUGGESTIONS = 10
"""For how many unknown ids of one order the nearest known one is looked for: each takes up to a tenth of a second."""

DraftListeners = Mapping[str, Mapping[str, Sequence[tuple[str, InteractionCondition]]]]
"""By target: the draft follow-ons that stay drafts, with the conditions by which each listens to the target."""


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
    facts: PublishFacts = NO_FACTS,
    forecasts: Forecasts | None = None,
) -> OrderPlan:
    """Plan a publication of these ids, all or none; follow-ons come before what they listen to (P5).

    Args:
        now: the instant at which it would take effect, UTC.
        with_follow_ons: also publish the draft follow-ons that listen to them.
        allow_missed: publish even if a draft follow-on misses the launch (P3).
        facts: what was looked up for it, by the questions of `publish_questions`.
        forecasts: of the launches that `launches_to_forecast` returns.

    Raises:
        OrderRefused: the publication is refused; the error has every problem.
    """
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    plan, problems = check_publish(
        catalogue, chosen, now=now, allow_missed=allow_missed, facts=facts, forecasts=forecasts
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
    facts: PublishFacts = NO_FACTS,
    forecasts: Forecasts | None = None,
) -> tuple[OrderPlan, list[str]]:
    """Return what publishing these would do, and every problem. For the arguments see `plan_publish`.

    Raises:
        OrderRefused: no ids, or unknown ones.
    """
    entries = find_ordered(catalogue, ids)
    archived = [f"{entry.id} is archived, which is final" for entry in entries if entry.state == "archived"]
    changing = [entry for entry in entries if entry.state != "archived" and not _is_published(entry)]
    names = {entry.id for entry in changing}
    drafts = _draft_listeners(catalogue, names)
    problems, notes = list[Fault](), list[Fault]()
    for entry in changing:
        problems += refusals(entry.newest.definition, catalogue, now, facts)
        problems += [] if allow_missed else _launch_problems(entry, drafts)
        notes += [*_draft_warnings(entry, drafts), *_missed_warnings(catalogue, entry, facts)]
        notes += warnings(entry.newest.definition, catalogue, now, facts)
    cycles = cycle_problems(catalogue, {entry.id: entry.newest for entry in changing})
    unchanged = tuple(entry.id for entry in entries if entry.id not in names)
    notes += launch_notes(catalogue, [entry.id for entry in entries], forecasts or {})
    texts = [f"{name} is active and has nothing new; nothing changed" for name in unchanged]
    texts += [*facts.describe(notes), *([facts.unknown] if facts.unknown else [])]
    plan = OrderPlan(publication_order(catalogue, names), unchanged, tuple(texts))
    return plan, [*archived, *facts.describe([*problems, *cycles])]


def publish_questions(catalogue: Catalogue, ids: Sequence[str], *, with_follow_ons: bool = False) -> PublishQuestions:
    """Return the facts to look up before these ids are published, or checked as drafts; unknown ids are left out."""
    chosen = with_draft_follow_ons(catalogue, ids) if with_follow_ons else ids
    entries = [catalogue.entries[name] for name in dict.fromkeys(chosen) if name in catalogue.entries]
    changing = [entry for entry in entries if entry.state != "archived" and not _is_published(entry)]
    definitions = (entry.newest.definition for entry in changing)
    missed = {
        condition_key(condition): condition for entry in changing for _, condition in _missed_by(catalogue, entry)
    }
    return PublishQuestions([one for one in definitions if isinstance(one, Campaign)], missed)


def plan_stop(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Plan a stop (P9). Raises OrderRefused if an entry was never published or is archived."""
    return _plan_move(find_ordered(catalogue, ids), "stopped", {"active"}, "only what is active can be stopped")


def plan_resume(catalogue: Catalogue, ids: Sequence[str], forecasts: Forecasts | None = None) -> OrderPlan:
    """Plan a resume: stopped entries become active again with the revision that they had (P9).

    Args:
        forecasts: of the launches that `launches_to_forecast` returns.

    Raises:
        OrderRefused: an entry is a draft or archived, or the resume would close a cycle (P6).
    """
    entries = find_ordered(catalogue, ids)
    plan = _plan_move(entries, "active", {"stopped"}, "only what is stopped can be resumed; publish a draft")
    problems = cycle_problems(
        catalogue, {entry.id: _last_live(entry) for entry in entries if entry.id in plan.sequence}
    )
    if problems:
        raise OrderRefused([str(problem) for problem in problems])
    return replace(plan, warnings=(*plan.warnings, *map(str, launch_notes(catalogue, plan.sequence, forecasts or {}))))


def plan_archive(catalogue: Catalogue, ids: Sequence[str]) -> OrderPlan:
    """Plan an archiving, which is possible from any state and final (P9)."""
    return _plan_move(find_ordered(catalogue, ids), "archived", {"draft", "active", "stopped"}, "")


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


def find_ordered(catalogue: Catalogue, ids: Sequence[str]) -> list[Entry]:
    """Return the entries of an order, each once. Raises OrderRefused for no ids and for unknown ones."""
    if not ids:
        raise OrderRefused(["name at least one campaign or card"])
    unknown = [name for name in dict.fromkeys(ids) if name not in catalogue.entries]
    if unknown:
        advice = [suggest_id(catalogue, name) for name in unknown[:_MAX_SUGGESTIONS]]
        found = zip_longest(unknown, advice, fillvalue=_APPLY_FIRST)
        raise OrderRefused([f"{name} is not known; {text}" for name, text in found])
    return [catalogue.entries[name] for name in dict.fromkeys(ids)]


def suggest_id(catalogue: Catalogue, name: str) -> str:
    """Return advice about an unknown id: the nearest known id, or to apply its definition."""
    return suggestion(name, catalogue.entries, _APPLY_FIRST)


def _draft_listeners(catalogue: Catalogue, publishing: Set[str]) -> DraftListeners:
    """Return the drafts that an order does not publish, by the targets that they listen to."""
    listeners: dict[str, dict[str, list[tuple[str, InteractionCondition]]]] = defaultdict(lambda: defaultdict(list))
    for entry in catalogue.entries.values():
        if entry.state == "draft" and entry.id not in publishing:
            for key, condition in _keyed_triggers(entry):
                listeners[condition.target][entry.id].append((key, condition))
    return listeners


def _launch_problems(entry: Entry, drafts: DraftListeners) -> list[Fault]:
    """Return a problem for each draft follow-on that listens to what this launch makes, and would miss it (P3)."""
    problems = []
    for name, conditions in drafts.get(entry.id, {}).items():
        launch = {condition.interaction: key for key, condition in conditions if condition.interaction in LAUNCH_TIME}
        if launch:
            problem = (
                f"publishing {entry.id} now would make the draft follow-on {name} miss its {_names(launch)}; "
                f"publish {name} first or with it (publish {name} {entry.id}), or allow it (--allow-missed)"
            )
            problems.append(Fault(next(iter(launch.values())), problem, id=name))
    return problems


def _draft_warnings(entry: Entry, drafts: DraftListeners) -> list[Fault]:
    """Return a warning for each draft follow-on that will miss interactions until it is published (P3)."""
    return [
        Fault(
            conditions[0][0],
            f"the draft follow-on {name} listens to {entry.id} ({_names(c.interaction for _, c in conditions)}): it "
            f"will miss what happens before it is published; publish it soon (publish {name})",
            id=name,
        )
        for name, conditions in drafts.get(entry.id, {}).items()
    ]


def _missed_warnings(catalogue: Catalogue, entry: Entry, facts: PublishFacts) -> list[Fault]:
    """Return a warning for each condition on a target that is active already, with the number missed (P4, P8)."""
    return [
        Fault(
            key,
            f"{condition.target} is active already: what has happened does not start {entry.id}; "
            f"{_count_in_words(condition, facts.missed.get(condition_key(condition)))}",
            id=entry.id,
        )
        for key, condition in _missed_by(catalogue, entry)
    ]


def _missed_by(catalogue: Catalogue, entry: Entry) -> list[tuple[str, InteractionCondition]]:
    """Return the trigger's conditions on active targets to which no published revision has listened before (P10)."""
    before = {
        condition_key(condition) for revision in entry.published for condition in trigger_interactions(entry, revision)
    }
    return [
        (key, condition)
        for key, condition in _keyed_triggers(entry)
        if condition_key(condition) not in before and catalogue.is_active(condition.target)
    ]


def _keyed_triggers(entry: Entry) -> list[tuple[str, InteractionCondition]]:
    definition = entry.newest.definition
    conditions = trigger_conditions(definition) if isinstance(definition, Campaign) else ()
    return [(key, condition) for key, condition in conditions if isinstance(condition, InteractionCondition)]


def _count_in_words(condition: InteractionCondition, count: MissedCount | None) -> str:
    if count is None:
        return f"its {condition.interaction} until now has been missed"
    least = "" if count.is_exact else "at least "
    return f"{least}{count.number} {condition.interaction} {'has' if count.number == 1 else 'have'} been missed"


def _names(types: Iterable[InteractionType]) -> str:
    return ", ".join(sorted(set(types)))


def _is_published(entry: Entry) -> bool:
    return entry.live is not None and entry.live.number == entry.newest.number


def _last_live(entry: Entry) -> Revision:
    return entry.published[-1]
