"""Near misses: which of a user's interactions came nearest to a trigger, and why it did not match.

Nothing is decided here: conditions are relaxed step by step, and `matches` finds the step that an item fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.explaining.wording import describe_condition, format_value
from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.times import is_before
from connector.rules.model.values import format_instant
from connector.rules.targeting.matching import (
    PRIMARY_CONVERSION,
    Topic,
    matches,
    passes_robot_filter,
    topic_of,
    topic_of_condition,
)

_SIMILAR_NAME = 0.8
_REFINEMENTS = ("button", "url", "alias", "page", "opens")


class Shortfall(StrEnum):
    """The first respect in which an item did not match a trigger, the nearest first."""

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

    Args:
        revision: the revision in effect at the item's time.
        name: the property that differs, if it is a property.
        wanted: what the trigger requires.
        had: what the item had.
    """

    shortfall: Shortfall
    condition: Condition
    revision: Revision
    logged: LogEntry | None = None
    name: str | None = None
    wanted: Any = None
    had: Any = None


def nearest_miss(entry: Entry, items: Iterable[LogEntry], catalogue: Catalogue) -> NearMiss | None:
    """Return the item that came nearest to triggering this follow-on, the newest of several; None if none came near.

    Args:
        items: the user's logged items; no decision of this follow-on is about one of them.
    """
    misses = [miss for logged in items for miss in _misses(entry, logged, catalogue)]
    if not misses:
        return _unknown_target(entry, catalogue)
    return min(misses, key=lambda miss: (_RANK[miss.shortfall], -miss.logged.t.timestamp() if miss.logged else 0))


def describe_near_miss(miss: NearMiss, entry: Entry, catalogue: Catalogue) -> str:
    """Describe in one clause why the item did not count."""
    return NEAR_MISS_TEXTS[miss.shortfall](miss, entry, catalogue)


Subject = tuple[str, str]
"""What an item is about: (interaction, campaign or card), whatever the type of interaction, or (event, name)."""


def subjects_of(items: Iterable[LogEntry]) -> frozenset[Subject]:
    """Return the subjects of a user's items."""
    return frozenset(_subject(topic_of(logged.item)) for logged in items)


def listens_to_any(entry: Entry, subjects: Set[Subject]) -> bool:
    """Return whether the follow-on listens to an interaction with one of these targets, or to one of these events."""
    trigger = _trigger(entry, entry.live or entry.newest)
    return any(_subject(topic_of_condition(condition)) in subjects for condition in trigger)


_RANK = {shortfall: rank for rank, shortfall in enumerate(Shortfall)}


def _misses(entry: Entry, logged: LogEntry, catalogue: Catalogue) -> Iterator[NearMiss]:
    revision = _revision_in_effect(entry, logged)
    for condition in _trigger(entry, revision):
        mismatch = _mismatch(logged.item, condition)
        if mismatch is None:
            yield NearMiss(_shortfall_of_match(entry, logged, catalogue), condition, revision, logged)
        elif later := _later_match(entry, revision, logged):
            yield NearMiss(Shortfall.EARLIER_REVISION, condition, revision, logged, None, later)
        else:
            shortfall, name, wanted, had = mismatch
            if shortfall is not None:
                yield NearMiss(shortfall, condition, revision, logged, name, wanted, had)


def _revision_in_effect(entry: Entry, logged: LogEntry) -> Revision:
    """Return the revision in effect at the item's time; before the first publication the first one, as for triggers."""
    return entry.revision_at(logged.t) or next(iter(entry.published), entry.newest)


def _trigger(entry: Entry, revision: Revision) -> Sequence[Condition]:
    follow_on = entry.follow_on(revision)
    return follow_on.trigger if follow_on else ()


def _shortfall_of_match(entry: Entry, logged: LogEntry, catalogue: Catalogue) -> Shortfall:
    """Return why there is no decision about an item that matches the trigger."""
    if not passes_robot_filter(logged.item, catalogue.workspace.robots):
        return Shortfall.ROBOT
    if entry.first_effective_at is None:
        return Shortfall.DRAFT
    return Shortfall.BEFORE_PUBLISH if is_before(logged.t, entry.first_effective_at) else Shortfall.DECISION_NOT_KEPT


def _later_match(entry: Entry, revision: Revision, logged: LogEntry) -> int | None:
    """Return the number of a later revision that the item matches."""
    later = (other for other in entry.revisions if other.number > revision.number)
    return next((r.number for r in later if any(matches(logged.item, c) for c in _trigger(entry, r))), None)


_Mismatch = tuple[Shortfall | None, str | None, Any, Any]
"""The shortfall (None: nowhere near), the property's name, what was wanted, and what the item had."""


def _mismatch(item: Item, condition: Condition) -> _Mismatch | None:
    """Return the first step of the relaxed condition that the item fails; None if it matches the condition."""
    if matches(item, condition):
        return None
    if topic_of(item) != topic_of_condition(condition):
        return _topic_mismatch(item, condition)
    steps = _relaxed_conditions(condition)
    shortfall, name, wanted = next(step[:3] for step in steps if not matches(item, step[3]))
    primary = PRIMARY_CONVERSION if shortfall is Shortfall.CONVERSION else None
    return shortfall, name, primary if wanted is None else wanted, item.properties.get(name, primary)


def _relaxed_conditions(condition: Condition) -> Iterator[tuple[Shortfall, str, Any, Condition]]:
    """Yield the condition with only its topic (and conversion), then with one refinement or filter at a time."""
    names = _REFINEMENTS if isinstance(condition, InteractionCondition) else ()
    part: Condition = condition.model_copy(update={**dict.fromkeys(names), "where": {}})
    yield Shortfall.CONVERSION, "conversion", getattr(condition, "conversion", None), part
    for name in names:
        wanted = getattr(condition, name)
        part = part.model_copy(update={name: wanted})
        yield Shortfall(name), name, wanted, part
    for name, wanted in condition.where.items():
        yield Shortfall.WHERE, name, wanted, part.model_copy(update={"where": {name: wanted}})


def _topic_mismatch(item: Item, condition: Condition) -> _Mismatch:
    """Return the mismatch of an item with another topic: near by its target, its type, or a similar event name."""
    (kind, name, target), (wanted_kind, wanted, wanted_target) = topic_of(item), topic_of_condition(condition)
    if kind != wanted_kind:
        return None, None, None, None
    if isinstance(condition, EventCondition):
        is_similar = SequenceMatcher(None, name.casefold(), wanted.casefold()).ratio() >= _SIMILAR_NAME
        return Shortfall.OTHER_EVENT if is_similar else None, None, wanted, name
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


def _describe_value(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    had = f"its {miss.name} is {format_value(miss.had)}" if miss.had is not None else f"it came without {miss.name}"
    return f"{had}, and the trigger requires {miss.name} {format_value(miss.wanted)}"


def _describe_opens(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    had = "it was not classified" if miss.had is None else f"it was classified as {format_value(miss.had)}"
    return f"{had}, and the trigger requires opens: {miss.wanted}"


def _describe_robot(_miss: NearMiss, _entry: Entry, catalogue: Catalogue) -> str:
    return f"it was flagged as a robot's click, and `robots` is {catalogue.workspace.robots}"


def _describe_draft(_miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    return f"{entry.id} is {'a draft' if entry.state == 'draft' else entry.state} and has never been published"


def _describe_before_publish(_miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    first = entry.first_effective_at
    return f"{entry.id} was first published at {format_instant(first)}, after it" if first else "nothing was published"


def _describe_revision(miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    later = entry.revision(miss.wanted)
    since = f"from {format_instant(later.effective_at)}" if later and later.effective_at else "not published yet"
    return (
        f"revision {miss.revision.number}, in effect then, required {describe_condition(miss.condition)}; "
        f"it matches revision {miss.wanted} ({since})"
    )


def _describe_other(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"it was {format_value(miss.had)}, and the trigger requires {describe_condition(miss.condition)}"


def _describe_other_target(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"it was about {format_value(miss.had)}, and the trigger requires {describe_condition(miss.condition)}"


def _describe_unknown_target(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"the trigger requires {describe_condition(miss.condition)}, and {miss.wanted} is not known; apply it"


def _describe_not_kept(_miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return "it matches the trigger by the current settings: they were different then, or its decision is not kept"


NEAR_MISS_TEXTS: Mapping[Shortfall, Callable[[NearMiss, Entry, Catalogue], str]] = {
    Shortfall.DECISION_NOT_KEPT: _describe_not_kept,
    Shortfall.ROBOT: _describe_robot,
    Shortfall.DRAFT: _describe_draft,
    Shortfall.BEFORE_PUBLISH: _describe_before_publish,
    Shortfall.EARLIER_REVISION: _describe_revision,
    Shortfall.WHERE: _describe_value,
    Shortfall.OPENS: _describe_opens,
    Shortfall.PAGE: _describe_value,
    Shortfall.ALIAS: _describe_value,
    Shortfall.URL: _describe_value,
    Shortfall.BUTTON: _describe_value,
    Shortfall.CONVERSION: _describe_value,
    Shortfall.OTHER_INTERACTION: _describe_other,
    Shortfall.OTHER_TARGET: _describe_other_target,
    Shortfall.OTHER_EVENT: _describe_other,
    Shortfall.UNKNOWN_TARGET: _describe_unknown_target,
}
