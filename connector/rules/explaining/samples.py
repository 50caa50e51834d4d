"""An item that would trigger a follow-on: the newest one of a user's log, else an invented one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connector.rules.model.campaigns import ActionBased
from connector.rules.model.conditions import REFINEMENTS, Condition, EventCondition
from connector.rules.model.interactions import Event, Interaction, Item, LogEntry
from connector.rules.targeting.matching import matches


def newest_match(follow_on: ActionBased, log: Iterable[LogEntry]) -> Item | None:
    """Return the newest item of a log, in event order, that matches a condition of the trigger; None if none does."""
    fitting = (one for one in reversed(list(log)) if any(matches(one.item, wanted) for wanted in follow_on.trigger))
    newest = next(fitting, None)
    return None if newest is None else newest.item.model_copy(update={"id": newest.id})


def sample_item(condition: Condition, user: str, at: datetime) -> Item:
    """Return an item that matches the condition: with its refinements and `where`, and no other property."""
    facts: dict[str, Any] = {"id": "preview", "user": user, "occurred_at": at}
    if isinstance(condition, EventCondition):
        properties = dict(condition.where)
        return Event.model_construct(**facts, type="event", name=condition.event, properties=properties)
    given = {name: value for name in REFINEMENTS if (value := getattr(condition, name)) is not None}
    return Interaction.model_construct(
        **facts,
        type=condition.interaction,
        campaign=condition.campaign,
        card=condition.card,
        properties={**condition.where, **given},
    )
