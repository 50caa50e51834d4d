"""Whether an interaction or event matches a condition (M1 to M5, X3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import CLICKS, Event, Interaction, InteractionType, Item
from connector.rules.model.json_values import has_value

T = InteractionType
Robots = Literal["ignore", "count"]
Topic = tuple[str, str, str]
"""The key of an index: ("interaction", base type, "campaign:id" or "card:id") or ("event", name, "")."""

_BASE_TYPE = {
    T.CLICK_EMAIL_ALIAS: T.CLICK_EMAIL,
    T.CLICK_IN_APP_MESSAGE_BUTTON: T.CLICK_IN_APP_MESSAGE,
}
"""Types that report the same as another one: a click is a click, whichever of the two types reports it (M1)."""

PRIMARY_CONVERSION = "A"
"""The conversion that is meant if none is named (M1)."""


LoggedType = tuple[str, str | None]
"""The (type or event name, target) of log entries; the target is None for events."""


def base_type_of(type: InteractionType) -> InteractionType:
    """Return the base type of all types that report the same (M1)."""
    return _BASE_TYPE.get(type, type)


def topic_of(item: Item) -> Topic:
    """Return the topic of the conditions that may match this item."""
    if isinstance(item, Event):
        return ("event", item.name_or_type, "")
    return _topic(item.type, item.campaign, item.card)


def topic_of_condition(condition: Condition) -> Topic:
    """Return the topic of the items that may match this condition."""
    if isinstance(condition, EventCondition):
        return ("event", condition.event, "")
    return _topic(condition.interaction, condition.campaign, condition.card)


def logged_type_of(item: Item) -> LoggedType:
    """Return the type under which the log has an item."""
    return item.name_or_type, item.target


def logged_types(condition: Condition) -> set[LoggedType]:
    """Return the types under which the log has the items that may match this condition."""
    if isinstance(condition, EventCondition):
        return {(condition.event, None)}
    base_type = base_type_of(condition.interaction)
    return {(type.value, condition.target) for type in T if base_type_of(type) == base_type}


def matches(item: Item, condition: Condition) -> bool:
    """Return whether the item has the condition's topic, refinements and `where` (M1, M2, M5, X3).

    Robots are checked by `passes_robot_filter` and `same` by `has_same_properties`, not here.
    """
    if isinstance(condition, EventCondition):
        if not isinstance(item, Event) or item.name != condition.event:
            return False
    elif topic_of(item) != topic_of_condition(condition) or not _matches_refinements(item.properties, condition):
        return False
    if not condition.where:
        return True
    return all(has_value(item.properties, name, value) for name, value in condition.where.items())


def is_narrowed(condition: InteractionCondition) -> bool:
    """Return whether the condition may not match an item of its topic: it has a refinement or `where` (M1, M2)."""
    refined = any(getattr(condition, name) is not None for name in ("button", "url", "alias", "page"))
    is_one_of_several = condition.interaction in (T.OPEN_PUSH, T.PERFORM_CONVERSION_EVENT)
    return bool(condition.where) or refined or is_one_of_several or condition.opens in ("human", "machine")


def passes_robot_filter(item: Item, robots: Robots) -> bool:
    """Return False for a click flagged as a robot's, unless the workspace has `robots: count` (M2)."""
    if robots == "count" or not isinstance(item, Interaction) or item.type not in CLICKS:
        return True
    return item.properties.get("robot") is not True


def has_same_properties(properties: Mapping[str, Any], trigger: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Return whether each named property is equal in both; a missing or null property never is (X3, M9)."""
    return all(has_value(properties, name, trigger.get(name)) for name in names)


def opens_of(properties: Mapping[str, Any]) -> Any:
    """Return how an open of an email was classified: as a machine's if it is flagged as a robot's (M2); None: not."""
    return "machine" if properties.get("robot") is True else properties.get("opens")


def conversion_of(properties: Mapping[str, Any]) -> Any:
    """Return which conversion was performed; the primary conversion if none is named (M1)."""
    conversion = properties.get("conversion")
    return PRIMARY_CONVERSION if conversion is None else conversion


@lru_cache(maxsize=65536)
def _topic(type: InteractionType, campaign: str | None, card: str | None) -> Topic:
    """Return the topic of interactions with a target. Cached: every item is compared with every possible condition."""
    return ("interaction", base_type_of(type), f"campaign:{campaign}" if campaign is not None else f"card:{card}")


def _matches_refinements(properties: Mapping[str, Any], condition: InteractionCondition) -> bool:
    for name in ("button", "url", "alias", "page"):
        value = getattr(condition, name)
        if value is not None and not has_value(properties, name, value):
            return False
    if condition.opens in ("human", "machine") and opens_of(properties) != condition.opens:
        return False
    if condition.interaction is T.PERFORM_CONVERSION_EVENT:
        return bool(conversion_of(properties) == (condition.conversion or PRIMARY_CONVERSION))
    return True
