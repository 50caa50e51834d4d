"""Why nothing happened: which of a user's interactions came nearest to a trigger, and where it fell short.

Nothing is decided here: the trigger's condition is relaxed step by step, and `matches` says where an item drops out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.targeting.matching import (
    PRIMARY_CONVERSION,
    Topic,
    matches,
    passes_robot_filter,
    topic_of,
    topic_of_condition,
)

_ALIKE = 0.8
_REFINED = ("button", "url", "alias", "page", "opens")


class Shortfall(StrEnum):
    """The first respect in which an item fell short of a trigger, nearest first."""

    DECISION_NOT_KEPT = "decision_not_kept"
    ROBOT = "robot"
    DRAFT = "draft"
    BEFORE_PUBLISH = "before_publish"
    EARLIER_REVISION = "earlier_revision"
    WHERE = "where"
    OPENS = "opens"
    PAGE = "page"
    ALIAS = "alias"
    URL = "url"
    BUTTON = "button"
    CONVERSION = "conversion"
    OTHER_INTERACTION = "other_interaction"
    OTHER_TARGET = "other_target"
    OTHER_EVENT = "other_event"
    UNKNOWN_TARGET = "unknown_target"


@dataclass(frozen=True)
class NearMiss:
    """An item that came near a trigger; without one, the trigger's target is not known at all.

    `name` is the property that differs where it is one, `wanted` what the trigger asks of it, `had` what it was;
    `revision` is the one that was in effect as the item happened.
    """

    shortfall: Shortfall
    condition: Condition
    revision: Revision
    logged: LogEntry | None = None
    name: str | None = None
    wanted: Any = None
    had: Any = None


def nearest_miss(entry: Entry, items: Iterable[LogEntry], catalogue: Catalogue) -> NearMiss | None:
    """The item that came nearest to triggering this follow-on, the newest of several; None where none came near.

    Args:
        items: what the user did, of which none was decided upon for this follow-on.
    """
    misses = [miss for logged in items for miss in _misses(entry, logged, catalogue)]
    if not misses:
        return _unknown_target(entry, catalogue)
    return min(misses, key=lambda miss: (_ORDER[miss.shortfall], -miss.logged.t.timestamp() if miss.logged else 0))


Subject = tuple[str, str]
"""What an item is about: a campaign or card that the user interacted with, whatever the type, or an event's name."""


def subjects_of(items: Iterable[LogEntry]) -> frozenset[Subject]:
    """All that a user's items are about."""
    return frozenset(_subject(topic_of(logged.item)) for logged in items)


def listens_to_any(entry: Entry, subjects: Set[Subject]) -> bool:
    """Whether this follow-on listens to any interaction with one of these targets, or to one of these events."""
    trigger = _trigger(entry, entry.live or entry.newest)
    return any(_subject(topic_of_condition(condition)) in subjects for condition in trigger)


_ORDER = {shortfall: place for place, shortfall in enumerate(Shortfall)}


def _misses(entry: Entry, logged: LogEntry, catalogue: Catalogue) -> Iterator[NearMiss]:
    then = _in_effect(entry, logged)
    for condition in _trigger(entry, then):
        fell_short = _fell_short(logged.item, condition)
        if fell_short is None:
            yield NearMiss(_despite_matching(entry, logged, catalogue), condition, then, logged)
        elif later := _taken_later(entry, then, logged):
            yield NearMiss(Shortfall.EARLIER_REVISION, condition, then, logged, None, later)
        else:
            shortfall, name, wanted, had = fell_short
            if shortfall is not None:
                yield NearMiss(shortfall, condition, then, logged, name, wanted, had)


def _in_effect(entry: Entry, logged: LogEntry) -> Revision:
    """The revision by which the item was judged: as for triggers, before the first one the first one."""
    return entry.revision_at(logged.t) or next(iter(entry.published), entry.newest)


def _trigger(entry: Entry, revision: Revision) -> Sequence[Condition]:
    follow_on = entry.follow_on(revision)
    return follow_on.trigger if follow_on else ()


def _despite_matching(entry: Entry, logged: LogEntry, catalogue: Catalogue) -> Shortfall:
    """Why an item that meets the trigger was not even refused."""
    if not passes_robot_filter(logged.item, catalogue.workspace.robots):
        return Shortfall.ROBOT
    if entry.first_effective_at is None:
        return Shortfall.DRAFT
    return Shortfall.BEFORE_PUBLISH if logged.t < entry.first_effective_at else Shortfall.DECISION_NOT_KEPT


def _taken_later(entry: Entry, then: Revision, logged: LogEntry) -> int | None:
    """The number of a later revision that would have taken the item."""
    later = (revision for revision in entry.revisions if revision.number > then.number)
    return next((r.number for r in later if any(matches(logged.item, c) for c in _trigger(entry, r))), None)


_Step = tuple[Shortfall | None, str | None, Any, Any]
"""Where an item drops out, the property's name, what was wanted, and what there was."""


def _fell_short(item: Item, condition: Condition) -> _Step | None:
    """Where the item drops out as the condition is put together again; None where it meets all of it."""
    if matches(item, condition):
        return None
    if topic_of(item) != topic_of_condition(condition):
        return _another(item, condition)
    steps = _put_together(condition)
    shortfall, name, wanted = next(step[:3] for step in steps if not matches(item, step[3]))
    primary = PRIMARY_CONVERSION if shortfall is Shortfall.CONVERSION else None
    return shortfall, name, primary if wanted is None else wanted, item.properties.get(name, primary)


def _put_together(condition: Condition) -> Iterator[tuple[Shortfall, str, Any, Condition]]:
    """The condition with nothing but its topic (and conversion), then with one refinement or filter more at a time."""
    refined = _REFINED if isinstance(condition, InteractionCondition) else ()
    part: Condition = condition.model_copy(update={**dict.fromkeys(refined), "where": {}})
    yield Shortfall.CONVERSION, "conversion", getattr(condition, "conversion", None), part
    for name in refined:
        wanted = getattr(condition, name)
        part = part.model_copy(update={name: wanted})
        yield Shortfall(name), name, wanted, part
    for name, wanted in condition.where.items():
        yield Shortfall.WHERE, name, wanted, part.model_copy(update={"where": {name: wanted}})


def _another(item: Item, condition: Condition) -> _Step:
    """What is of another topic comes near by its target, by its type, or by an event's name that is much alike."""
    (kind, name, target), (wanted_kind, wanted, wanted_target) = topic_of(item), topic_of_condition(condition)
    if kind != wanted_kind:
        return None, None, None, None
    if isinstance(condition, EventCondition):
        alike = SequenceMatcher(None, name.casefold(), wanted.casefold()).ratio() >= _ALIKE
        return Shortfall.OTHER_EVENT if alike else None, None, wanted, name
    if target == wanted_target:
        return Shortfall.OTHER_INTERACTION, None, condition.interaction.value, item.name_or_type
    return Shortfall.OTHER_TARGET if name == wanted else None, None, condition.target, item.target


def _unknown_target(entry: Entry, catalogue: Catalogue) -> NearMiss | None:
    revision = entry.live or entry.newest
    for condition in _trigger(entry, revision):
        if isinstance(condition, InteractionCondition) and condition.target not in catalogue.entries:
            return NearMiss(Shortfall.UNKNOWN_TARGET, condition, revision, wanted=condition.target)
    return None


def _subject(topic: Topic) -> Subject:
    kind, name, target = topic
    return (kind, target) if target else (kind, name)
