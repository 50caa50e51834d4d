"""What a near miss is in plain words: why nothing happened, and what the trigger asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.explaining.near_misses import NearMiss, Shortfall
from connector.rules.explaining.wording import describe_condition, format_value
from connector.rules.model.values import format_instant


def describe_near_miss(miss: NearMiss, entry: Entry, catalogue: Catalogue) -> str:
    """Why the item did not count, as one clause."""
    return NEAR_MISS_TEXTS[miss.shortfall](miss, entry, catalogue)


def _value(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    had = f"its {miss.name} is {format_value(miss.had)}" if miss.had is not None else f"it came without {miss.name}"
    return f"{had}, and the trigger asks for {miss.name} {format_value(miss.wanted)}"


def _opens(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    had = "nobody classified it as" if miss.had is None else f"it was classified as {format_value(miss.had)}, not"
    return f"{had} {miss.wanted}, which the trigger asks for"


def _robot(_miss: NearMiss, _entry: Entry, catalogue: Catalogue) -> str:
    return f"it was flagged as a robot's click, and `robots` is {catalogue.workspace.robots}"


def _draft(_miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    return f"{entry.id} is {'a draft' if entry.state == 'draft' else entry.state} and has never been published"


def _before_publish(_miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    first = entry.first_effective_at
    return f"{entry.id} was published first at {format_instant(first)}, after it" if first else "nothing was published"


def _revision(miss: NearMiss, entry: Entry, _catalogue: Catalogue) -> str:
    later = entry.revision(miss.wanted)
    since = f"from {format_instant(later.effective_at)}" if later and later.effective_at else "not published yet"
    return (
        f"revision {miss.revision.number}, in effect then, asked for {describe_condition(miss.condition)}; "
        f"revision {miss.wanted} ({since}) takes it"
    )


def _another(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"it was {format_value(miss.had)}, and the trigger asks for {describe_condition(miss.condition)}"


def _other_target(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"it was about {format_value(miss.had)}, and the trigger asks for {describe_condition(miss.condition)}"


def _unknown_target(miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return f"the trigger asks for {describe_condition(miss.condition)}, and {miss.wanted} is not known; apply it"


def _not_kept(_miss: NearMiss, _entry: Entry, _catalogue: Catalogue) -> str:
    return "it meets the trigger by today's settings; they were others when it arrived, or its decision is not kept"


NEAR_MISS_TEXTS: Mapping[Shortfall, Callable[[NearMiss, Entry, Catalogue], str]] = {
    Shortfall.DECISION_NOT_KEPT: _not_kept,
    Shortfall.ROBOT: _robot,
    Shortfall.DRAFT: _draft,
    Shortfall.BEFORE_PUBLISH: _before_publish,
    Shortfall.EARLIER_REVISION: _revision,
    Shortfall.WHERE: _value,
    Shortfall.OPENS: _opens,
    Shortfall.PAGE: _value,
    Shortfall.ALIAS: _value,
    Shortfall.URL: _value,
    Shortfall.BUTTON: _value,
    Shortfall.CONVERSION: _value,
    Shortfall.OTHER_INTERACTION: _another,
    Shortfall.OTHER_TARGET: _other_target,
    Shortfall.OTHER_EVENT: _another,
    Shortfall.UNKNOWN_TARGET: _unknown_target,
}
