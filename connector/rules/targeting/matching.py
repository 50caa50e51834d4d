"""Does this interaction or event meet this condition? (M1 to M5, X3)"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import CLICKS, Event, Interaction, InteractionType, Item

T = InteractionType
Robots = Literal["ignore", "count"]
Topic = tuple[str, str, str]
"""What an index looks things up by: ("interaction", family, "campaign:id" or "card:id") or ("event", name, "")."""

_FAMILY = {
    T.CLICK_EMAIL_ALIAS: T.CLICK_EMAIL,
    T.CLICK_IN_APP_MESSAGE_BUTTON: T.CLICK_IN_APP_MESSAGE,
}
"""Wire types that report the same act: a click is a click, whichever of the two names it came by (M1)."""

PRIMARY_CONVERSION = "A"
"""The conversion that is meant where none is named (M1)."""


def base_type_of(kind: InteractionType) -> InteractionType:
    """The kind under which all wire types of the same act are listened to (M1)."""
    return _FAMILY.get(kind, kind)


def topic_of(item: Item) -> Topic:
    """The topic under which the conditions that may take this item are indexed."""
    if isinstance(item, Event):
        return ("event", item.name_or_type, "")
    return _topic(item.type, item.campaign, item.card)


def topic_of_condition(condition: Condition) -> Topic:
    """The topic of the items that may meet this condition."""
    if isinstance(condition, EventCondition):
        return ("event", condition.event, "")
    return _topic(condition.interaction, condition.campaign, condition.card)


def logged_types(condition: Condition) -> set[tuple[str, str | None]]:
    """The (type or event name, target) pairs under which the log has what may meet this condition."""
    if isinstance(condition, EventCondition):
        return {(condition.event, None)}
    wanted = base_type_of(condition.interaction)
    return {(kind.value, condition.target) for kind in T if base_type_of(kind) == wanted}


def matches(item: Item, condition: Condition) -> bool:
    """Whether the item is what the condition names, refined and filtered as it says (M1, M2, M5).

    Robots are not looked at here: see `passes_robot_filter`. `same` is not either: see `has_same_properties`.
    """
    if topic_of(item) != topic_of_condition(condition):
        return False
    if isinstance(condition, InteractionCondition) and not _refined(item.properties, condition):
        return False
    return all(json_equal(item.properties.get(name, _MISSING), value) for name, value in condition.where.items())


def passes_robot_filter(item: Item, robots: Robots) -> bool:
    """Whether a click flagged as a robot's counts: only where the workspace says `robots: count` (M2)."""
    if robots == "count" or not isinstance(item, Interaction) or item.type not in CLICKS:
        return True
    return item.properties.get("robot") is not True


def has_same_properties(properties: Mapping[str, Any], trigger: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether every named property is there in both and equal; missing is never the same (X3)."""
    return all(json_equal(properties.get(name, _MISSING), trigger.get(name, _OTHER)) for name in names)


_MISSING = object()
_OTHER = object()


@lru_cache(maxsize=65536)
def _topic(kind: InteractionType, campaign: str | None, card: str | None) -> Topic:
    """Kept, because every item is compared with every condition that may take it."""
    return ("interaction", base_type_of(kind), f"campaign:{campaign}" if campaign is not None else f"card:{card}")


def _refined(properties: Mapping[str, Any], condition: InteractionCondition) -> bool:
    for name in ("button", "url", "alias", "page"):
        wanted = getattr(condition, name)
        if wanted is not None and not json_equal(properties.get(name, _MISSING), wanted):
            return False
    if condition.opens in ("human", "machine") and properties.get("opens") != condition.opens:
        return False
    if condition.interaction is T.PERFORM_CONVERSION_EVENT:
        return bool(properties.get("conversion", PRIMARY_CONVERSION) == (condition.conversion or PRIMARY_CONVERSION))
    return True


def json_equal(left: Any, right: Any) -> bool:
    """Exact equality of JSON values: 1 and 1.0 are the same number, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(value, right[name]) for name, value in left.items())
    return bool(left == right)
