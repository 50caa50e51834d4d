"""What calls a waiting follow-up off (X1 to X4)."""

from __future__ import annotations

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import Passage
from connector.rules.model.interactions import Interaction, Logged
from connector.rules.targeting.matching import counts_despite_robots, meets, same_as_trigger


def calls_off(passage: Passage, logged: Logged, catalogue: Catalogue) -> bool:
    """Whether this item is an exception of this passage and falls into [trigger, dispatch) (X1, X2).

    The exceptions are those of the revision that the passage began with (P10). Where something has been dispatched,
    the answer tells that the exception came too late (`late_exception`).
    """
    return _in_time(passage, logged) and _is_exception(passage, logged, catalogue)


def _in_time(passage: Passage, logged: Logged) -> bool:
    began = passage.trigger.t
    if logged.id == passage.trigger.id or logged.t < began:
        return False
    if logged.t == began and not _of_own_target(passage, logged):
        return False
    if passage.dispatched_at is not None:
        return logged.t < passage.dispatched_at and logged.t != passage.next_at
    return passage.can_be_called_off and logged.t != passage.next_at


def _of_own_target(passage: Passage, logged: Logged) -> bool:
    trigger, item = passage.trigger.item, logged.item
    return (
        isinstance(trigger, Interaction)
        and isinstance(item, Interaction)
        and (trigger.campaign, trigger.card) == (item.campaign, item.card)
    )


def _is_exception(passage: Passage, logged: Logged, catalogue: Catalogue) -> bool:
    entry = catalogue.entries.get(passage.campaign)
    follow_on = entry.follow_on(entry.revision(passage.revision)) if entry else None
    if follow_on is None or not counts_despite_robots(logged.item, catalogue.workspace.robots):
        return False
    ours, triggers = logged.item.properties, passage.trigger.item.properties
    return any(
        meets(logged.item, condition) and same_as_trigger(ours, triggers, condition.same)
        for condition in follow_on.exceptions
    )
