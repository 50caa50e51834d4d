"""Conditions as data: what the form shows of one, and what stays of it when another kind is chosen. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from connector.rules.explaining.interaction_words import INTERACTION_GROUPS, INTERACTION_WORDS
from connector.rules.model.conditions import REFINEMENTS, REQUIRED_REFINEMENT
from connector.rules.model.interactions import CARD_INTERACTIONS, InteractionType

WHATS = {
    "campaign": "interacts with a campaign",
    "card": "interacts with a News Feed card",
    "event": "performs an event",
}
_KEPT = ("where", "same", "within")
_KNOWN = frozenset({"interaction", "campaign", "card", "event", *REFINEMENTS, *_KEPT})
PARTS = {"alias": "aliases", "url": "urls", "page": "pages", "conversion": "conversions"}
"""The parts of a target that suggest values of a refinement."""


def what_of(condition: Any) -> str:
    """Return what a condition listens to: campaign, card or event; "" if the form cannot show it."""
    if not isinstance(condition, dict):
        return ""
    if "event" in condition:
        return "event"
    return "card" if "card" in condition else "campaign" if condition.keys() & {"interaction", "campaign"} else ""


def with_what(condition: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the condition of another kind, with the filters that both kinds have."""
    kept = {name: condition[name] for name in _KEPT if name in condition}
    if what == "event":
        return {"event": "", **kept}
    if what == "card":
        return {"interaction": "click_news_feed_card", "card": "", **kept}
    return {"interaction": "open_email", "campaign": condition.get("card", ""), **kept}


def with_interaction(condition: Mapping[str, Any], type: str) -> dict[str, Any]:
    """Return the condition on another interaction, without the refinements that it does not have."""
    fits = {name for name in condition if name not in REFINEMENTS or name in refinements_of(type)}
    changed = {name: value for name, value in condition.items() if name in fits} | {"interaction": type}
    required = next((name for one, name in REQUIRED_REFINEMENT.items() if one == type), None)
    return changed if required is None or required in changed else changed | {required: ""}


def refinements_of(type: str) -> list[str]:
    """Return the properties that narrow an interaction."""
    return [name for name, types in REFINEMENTS.items() if type in {one.value for one in types}]


def interaction_options(what: str) -> dict[str, dict[str, str]]:
    """Return the interactions with a campaign or a card in plain words, by channel."""
    groups = {
        group: {type.value: words for type, words in types.items() if what != "card" or type in CARD_INTERACTIONS}
        for group, types in INTERACTION_GROUPS.items()
    }
    return {group: types for group, types in groups.items() if types}


def shape_of(condition: Any) -> Hashable:
    """Return by what the fields of a condition are built."""
    if not isinstance(condition, dict):
        return None
    where = condition.get("where")
    names = tuple(where) if isinstance(where, dict) else None
    return what_of(condition), condition.get("interaction"), names, tuple(only_in_yaml(condition))


def only_in_yaml(condition: Mapping[str, Any]) -> list[str]:
    """Return the keys of a condition that the form does not show."""
    unknown = [name for name in condition if name not in _KNOWN]
    where = condition.get("where")
    if where is not None and not isinstance(where, dict):
        unknown.append("where")
    elif isinstance(where, dict):
        unknown += [f"where.{name}" for name, value in where.items() if isinstance(value, dict | list)]
    return unknown


def describe(condition: Any) -> str:
    """Return a condition in words, as far as it is written: "opens the email of welcome"."""
    what = what_of(condition)
    if what == "event":
        return f"does {condition['event'] or 'an event'}"
    if not what:
        return "does what the YAML says"
    type = condition.get("interaction")
    words = INTERACTION_WORDS.get(type, str(type)) if isinstance(type, str) else "interacts"  # type: ignore[call-overload]
    target = condition.get(what) or "…"
    return f"{words} of {target}"


def suggestions_of(name: str, interaction: str, parts: Mapping[str, Any]) -> list[str]:
    """Return the values that a refinement can have, by the parts of the target."""
    if name == "button":
        is_push = interaction == InteractionType.CLICK_PUSH_BUTTON
        return list(parts["push_buttons" if is_push else "in_app_buttons"])
    return list(parts.get(PARTS.get(name, ""), ()))
