"""The ordered list "at the trigger": what refuses an interaction before it starts a follow-up (behaviour.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.model.values import canonical_json
from connector.rules.targeting.assignment import assign, content_for
from connector.rules.targeting.audience import History, is_in_audience
from connector.rules.targeting.eligibility import is_eligible_again
from connector.rules.targeting.matching import matches, passes_robot_filter
from connector.rules.timing.delays import compute_due_at, spread_offset


@dataclass(frozen=True)
class TriggerFacts:
    """Everything that the list looks at. `user` is the user as known now; `received_at` is the last receipt (T1).

    `blocking` is the follow-up of this follow-on, user and key that is open as the interaction is judged; None where
    there is none, or where the same interaction called it off (T3).
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
        """The revision in effect at the interaction's time; before the first one, the first one."""
        return self.entry.revision_at(self.logged.t) or self.entry.published[0]

    @cached_property
    def campaign(self) -> Campaign:
        """The definition of that revision."""
        assert isinstance(self.revision.definition, Campaign)  # noqa: S101 - only campaigns have triggers
        return self.revision.definition

    @cached_property
    def follow_on(self) -> ActionBased:
        """Its delivery."""
        assert isinstance(self.campaign.delivery, ActionBased)  # noqa: S101 - only follow-ons have triggers
        return self.campaign.delivery


def is_trigger(item: Item, entry: Entry, t: datetime, catalogue: Catalogue) -> bool:
    """Whether the item is what the follow-on's revision in effect at `t` waits for (M1 to M5)."""
    published = entry.published
    follow_on = entry.follow_on(entry.revision_at(t) or (published[0] if published else None))
    return (
        follow_on is not None
        and passes_robot_filter(item, catalogue.workspace.robots)
        and any(matches(item, condition) for condition in follow_on.trigger)
    )


def key_of(item: Item, entry: Entry, t: datetime) -> str:
    """The key under which the item counts for this follow-on: '' when unset, canonical JSON otherwise."""
    published = entry.published
    follow_on = entry.follow_on(entry.revision_at(t) or (published[0] if published else None))
    if follow_on is None or follow_on.key is None:
        return ""
    return canonical_json(item.properties.get(follow_on.key.removeprefix("properties.")))


def check_first_publication(facts: TriggerFacts) -> Reason | None:
    """P2: only what happened since the first publication counts."""
    first = facts.entry.first_effective_at
    return Reason.BEFORE_PUBLISH if first is None or facts.logged.t < first else None


def check_live(facts: TriggerFacts) -> Reason | None:
    """P2: it falls into a window in which the follow-on was live, and arrived while it was live."""
    times = (facts.logged.t, facts.logged.received_at)
    return None if all(facts.entry.window_at(at) is not None for at in times) else Reason.NOT_LIVE


def check_target(facts: TriggerFacts) -> Reason | None:
    """P1: the target was active then; with `target: ever_published` it had been published by then."""
    if facts.logged.item.target is None:
        return None
    target, t = facts.catalogue.target_of(facts.logged.item), facts.logged.t
    if target is None:
        return Reason.TARGET_INACTIVE
    if facts.catalogue.workspace.target == "ever_published":
        at_work = target.first_effective_at is not None and target.first_effective_at <= t
    else:
        at_work = target.window_at(t) is not None
    return None if at_work else Reason.TARGET_INACTIVE


def check_start(facts: TriggerFacts) -> Reason | None:
    """Nothing counts before the campaign's `start`; its `end` is looked at when the follow-up is due."""
    start = facts.follow_on.start
    return Reason.OUTSIDE_CAMPAIGN_DURATION if start is not None and facts.logged.t < start else None


def check_audience(facts: TriggerFacts) -> Reason | None:
    """The user is in the audience as it stands before the event."""
    inside = is_in_audience(facts.campaign.audience, facts.user, facts.history, facts.logged.t)
    return None if inside else Reason.NOT_IN_AUDIENCE


def check_eligibility(facts: TriggerFacts) -> Reason | None:
    """T1: enough time since the last receipt.

    What is late may lie before it (T5): in its turn nothing had been received, and the wait that it overlaps tells.
    """
    if facts.blocking is not None and facts.received_at is not None and facts.logged.t < facts.received_at:
        return None
    may = is_eligible_again(facts.follow_on.eligible_again, facts.received_at, facts.logged.t)
    return None if may else Reason.NOT_ELIGIBLE_AGAIN


def check_single_wait(facts: TriggerFacts) -> Reason | None:
    """T2: never two for the same follow-on, user and key; `restart` gives way to the newer unless it is going out."""
    standing = facts.blocking
    if standing is None:
        return None
    restarts = facts.follow_on.retrigger == "restart" and standing.can_be_cancelled
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
    """The first reason that refuses this trigger; None where it starts a follow-up. Duplicates never come so far."""
    return next((reason for step in AT_THE_TRIGGER if (reason := step(facts)) is not None), None)


def begin_follow_up(facts: TriggerFacts, key: str, generation: int) -> FollowUp:
    """The follow-up that this trigger starts, due as its revision's delay and spread say (D1 to D5)."""
    due = _due(facts)
    window = facts.entry.window_at(facts.logged.t)
    return FollowUp(
        id=follow_up_id_of(facts.entry.id, facts.user_key, key, facts.logged.id, generation),
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


def _due(facts: TriggerFacts) -> datetime:
    waited = compute_due_at(
        facts.follow_on.delay,
        facts.logged.t,
        user_zone=facts.user.time_zone,
        company_zone=facts.catalogue.workspace.zone,
    )
    share: timedelta = spread_offset(facts.follow_on.spread, campaign=facts.entry.id, user=facts.user.id)
    return waited + share


def _channels(facts: TriggerFacts) -> tuple[str, ...]:
    live_now = facts.entry.live
    campaign = live_now.definition if live_now and isinstance(live_now.definition, Campaign) else facts.campaign
    content = content_for(campaign, assign(campaign, facts.user.id), facts.user.id)
    return content.channels if content else ()
