"""The ordered list "at the trigger": the checks that an item must pass to start a follow-up (behaviour.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.json_values import json_key
from connector.rules.model.reasons import Reason, State
from connector.rules.model.times import is_before
from connector.rules.model.users import User
from connector.rules.targeting.assignment import assign, content_for
from connector.rules.targeting.audience import History, is_in_audience
from connector.rules.targeting.eligibility import is_eligible_again
from connector.rules.targeting.matching import matches, passes_robot_filter
from connector.rules.timing.delays import compute_due_at, spread_offset


@dataclass(frozen=True)
class TriggerFacts:
    """The facts that the list evaluates. `user` is the user as described now; `received_at` is the last receipt (T1).

    `blocking` is the follow-up of this follow-on, user and key that was open at the item's time; None if there was
    none, or if the same item cancels it as an exception (T3).
    """

    logged: LogEntry
    entry: Entry
    catalogue: Catalogue
    user: User
    user_key: str
    history: History
    received_at: datetime | None
    blocking: FollowUp | None

    @cached_property
    def revision(self) -> Revision:
        """The revision in effect at the item's time; before the first publication, the first revision."""
        return self.entry.revision_at(self.logged.t) or self.entry.published[0]

    @property
    def campaign(self) -> Campaign:
        """The revision's definition."""
        definition = self.revision.definition
        assert isinstance(definition, Campaign)  # noqa: S101 - only campaigns have triggers
        return definition

    @property
    def follow_on(self) -> ActionBased:
        """The definition's delivery."""
        delivery = self.campaign.delivery
        assert isinstance(delivery, ActionBased)  # noqa: S101 - only follow-ons have triggers
        return delivery

    @property
    def in_the_way(self) -> FollowUp | None:
        """The blocking follow-up, unless this trigger would have restarted it and it has ended since (T2)."""
        if self.blocking is None or self.blocking.is_open:
            return self.blocking
        return None if self.follow_on.retrigger == "restart" else self.blocking


def is_trigger(item: Item, entry: Entry, t: datetime, catalogue: Catalogue) -> bool:
    """Return whether the item matches the trigger of the follow-on's revision in effect at `t` (M1 to M5)."""
    published = entry.published
    follow_on = entry.follow_on(entry.revision_at(t) or (published[0] if published else None))
    return (
        follow_on is not None
        and passes_robot_filter(item, catalogue.workspace.robots)
        and any(matches(item, condition) for condition in follow_on.trigger)
    )


def compute_key(item: Item, entry: Entry, t: datetime) -> str:
    """Return the item's key for this follow-on: '' if the follow-on has none, else canonical JSON (T2, M9)."""
    published = entry.published
    follow_on = entry.follow_on(entry.revision_at(t) or (published[0] if published else None))
    if follow_on is None or follow_on.key is None:
        return ""
    return json_key(item.properties.get(follow_on.key.removeprefix("properties.")))


def check_first_publication(facts: TriggerFacts) -> Reason | None:
    """Refuse an item from before the first publication (P2)."""
    first = facts.entry.first_effective_at
    return Reason.BEFORE_PUBLISH if first is None or is_before(facts.logged.t, first) else None


def check_live(facts: TriggerFacts) -> Reason | None:
    """Refuse an item that happened or arrived while the follow-on was not live (P2)."""
    entry, logged = facts.entry, facts.logged
    is_live = entry.window_at(logged.t) is not None and entry.was_live_at(logged.received_at)
    return None if is_live else Reason.NOT_LIVE


def check_target(facts: TriggerFacts) -> Reason | None:
    """Refuse an item whose target was not active then (P1); with `target: ever_published`, not published by then."""
    if facts.logged.item.target is None:
        return None
    target, t = facts.catalogue.target_of(facts.logged.item), facts.logged.t
    if target is None:
        return Reason.TARGET_INACTIVE
    if facts.catalogue.workspace.target == "ever_published":
        counts = target.first_effective_at is not None and not is_before(t, target.first_effective_at)
    else:
        counts = target.window_at(t) is not None
    return None if counts else Reason.TARGET_INACTIVE


def check_start(facts: TriggerFacts) -> Reason | None:
    """Refuse an item from before the campaign's `start`; its `end` is checked at the due time."""
    start = facts.follow_on.start
    return Reason.OUTSIDE_CAMPAIGN_DURATION if start is not None and is_before(facts.logged.t, start) else None


def check_audience(facts: TriggerFacts) -> Reason | None:
    """Refuse a user outside the audience, evaluated as before the item."""
    inside = is_in_audience(facts.campaign.audience, facts.user, facts.history, facts.logged.t)
    return None if inside else Reason.NOT_IN_AUDIENCE


def check_eligibility(facts: TriggerFacts) -> Reason | None:
    """Refuse a user who received the campaign and may not yet receive it again (T1).

    A late item may be older than the last receipt (T5). If a follow-up blocks it then, `check_single_wait` decides.
    """
    if facts.received_at is None:
        return None
    if facts.in_the_way is not None and is_before(facts.logged.t, facts.received_at):
        return None
    is_eligible = is_eligible_again(facts.follow_on.eligible_again, facts.received_at, facts.logged.t)
    return None if is_eligible else Reason.NOT_ELIGIBLE_AGAIN


def check_single_wait(facts: TriggerFacts) -> Reason | None:
    """Refuse a second follow-up of the same follow-on, user and key, unless `restart` may supersede the first (T2)."""
    blocking = facts.in_the_way
    if blocking is None:
        return None
    restarts = facts.follow_on.retrigger == "restart" and blocking.can_be_superseded
    return None if restarts else Reason.ALREADY_WAITING


AT_THE_TRIGGER: tuple[Callable[[TriggerFacts], Reason | None], ...] = (
    check_first_publication,
    check_live,
    check_target,
    check_start,
    check_audience,
    check_eligibility,
    check_single_wait,
)


def evaluate_trigger(facts: TriggerFacts) -> Reason | None:
    """Return the first reason that refuses this trigger; None if it starts a follow-up.

    Duplicates were refused before.
    """
    for check in AT_THE_TRIGGER:
        if (reason := check(facts)) is not None:
            return reason
    return None


def begin_follow_up(facts: TriggerFacts, key: str, generation: int) -> FollowUp:
    """Return the follow-up that this trigger starts, due by its revision's delay and spread (D1 to D5)."""
    due = _due_at(facts)
    window = facts.entry.window_at(facts.logged.t)
    return FollowUp(
        id=follow_up_id_of(facts.entry.id, facts.user_key, key, facts.logged.id, generation, t=facts.logged.t),
        campaign=facts.entry.id,
        revision=facts.revision.number,
        window_id=window.window_id if window else 0,
        user_key=facts.user_key,
        key=key,
        trigger=facts.logged,
        due_at=due,
        next_at=due,
        state=State.WAITING,
        channels=_channels(facts),
    )


def _due_at(facts: TriggerFacts) -> datetime:
    due = compute_due_at(
        facts.follow_on.delay,
        facts.logged.t,
        user_zone=facts.user.time_zone,
        company_zone=facts.catalogue.workspace.zone,
    )
    return due + spread_offset(facts.follow_on.spread, campaign=facts.entry.id, user=facts.user.id)


def _channels(facts: TriggerFacts) -> tuple[str, ...]:
    live = facts.entry.live
    campaign = live.definition if live and isinstance(live.definition, Campaign) else facts.campaign
    content = content_for(campaign, assign(campaign, facts.user.id), facts.user.id)
    return content.channels if content else ()
