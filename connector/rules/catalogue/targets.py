"""Do the targets that a follow-on names exist, and are they what it takes them for? (P3, M5)"""

from __future__ import annotations

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.conditions import Condition, InteractionCondition


def target_problems(catalogue: Catalogue, entry: Entry) -> list[str]:
    """What is wrong with the targets of an entry's newest revision.

    Each must exist, and a campaign is no card; those of triggers must not be archived. That of an exception may be.
    """
    follow_on = entry.follow_on(entry.newest)
    if follow_on is None:
        return []
    problems = [_problem(catalogue, "trigger", condition) for condition in follow_on.trigger]
    problems += [_problem(catalogue, "exception", condition) for condition in follow_on.exceptions]
    return [f"{entry.id}: {problem}" for problem in problems if problem is not None]


def _problem(catalogue: Catalogue, role: str, condition: Condition) -> str | None:
    if not isinstance(condition, InteractionCondition):
        return None
    kind, other = ("card", "campaign") if condition.card else ("campaign", "card")
    target = catalogue.entries.get(condition.target)
    named = f"its {role} names the {kind} {condition.target}"
    if target is None:
        return f"{named}, which does not exist; apply it first"
    if target.is_card != (condition.card is not None):
        return f"{named}, which is a {other}; write {other}: {condition.target}"
    if role == "trigger" and target.state == "archived":
        return f"{named}, which is archived and sends nothing any more; listen to another one"
    return None
