"""Conditions and delays in plain words, for pictures and pages that marketers read."""

from __future__ import annotations

from connector.rules.explaining.interaction_words import INTERACTION_WORDS
from connector.rules.explaining.wording import format_value
from connector.rules.model.conditions import REFINEMENTS, Condition, EventCondition
from connector.rules.model.schedules import After, Delay, Next
from connector.rules.model.values import format_duration


def describe_interaction(condition: Condition) -> str:
    """Return what a user does, without the target: "opens the email", or the name of an event."""
    return condition.event if isinstance(condition, EventCondition) else INTERACTION_WORDS[condition.interaction]


def describe_refinement(condition: Condition) -> str | None:
    """Return what narrows a condition, as "alias: cta, plan: gold"; None if nothing does."""
    named = {} if isinstance(condition, EventCondition) else dict.fromkeys(REFINEMENTS)
    given = {name: getattr(condition, name) for name in named} | condition.where
    parts = [f"{name}: {format_value(value)}" for name, value in given.items() if value is not None]
    parts += [f"same {name}" for name in condition.same]
    return ", ".join(parts) or None


def describe_delay(delay: Delay | None) -> str:
    """Return how long a follow-on waits: "at once", "after 1 day", "next saturday at 15:15"."""
    if delay is None:
        return "at once"
    if isinstance(delay, After):
        return f"after {format_duration(delay.after)}"
    at = f"at {delay.at:%H:%M}" + (" (company's zone)" if delay.zone == "company" else "")
    if isinstance(delay, Next):
        return f"next {delay.next} {at}"
    days = (
        "the same day" if delay.in_days == 0 else "the next day" if delay.in_days == 1 else f"in {delay.in_days} days"
    )
    return f"{days} {at}"
