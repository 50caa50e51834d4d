"""Launches: when a scheduled original is sent to whom, how fast, and who is enrolled as a control user (T4, W3).

A campaign is launched once, when it is first published. A newer revision changes the content for the users who still
wait and, until the launch has begun, its time; nobody receives the campaign twice. A stop pauses the launch, a resume
(or another publication) continues it, and archiving ends it (P9).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign, Scheduled, Workspace
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.schedules import SendAt
from connector.rules.model.users import User
from connector.rules.model.values import canonical_json
from connector.rules.sending.decisions import Recipient, assignment_of, due_facts, keep_first_assignment
from connector.rules.sending.deliveries import DueMessage, main_reason
from connector.rules.sending.due_list import Drop, check_consent_and_address, check_frequency_caps, newest_live
from connector.rules.sending.effects import BeginFollowUp, Effect, enrol
from connector.rules.sending.rates import RateLimit, per_minute
from connector.rules.targeting.assignment import Assignment, content_for
from connector.rules.targeting.audience import is_in_audience
from connector.rules.timing.delays import local_instant, resolve_zone

NAME = "launch"
"""The name of the artificial event that triggers every follow-up of a launch."""

_EARLIEST_ZONE = timedelta(hours=14)
"""The zone in which a date begins first, ahead of UTC."""

_REACHES_USER = (check_consent_and_address, check_frequency_caps)


@dataclass(frozen=True)
class Launch:
    """One launch of a scheduled original: its id, what it sends, and when it was published (UTC)."""

    id: str
    entry: Entry
    delivery: Scheduled
    published_at: datetime


def launch_id(order_id: str, campaign: str) -> str:
    """Return the id of the launch that a publication creates, the same on every attempt."""
    return hashlib.sha256(canonical_json([NAME, order_id, campaign]).encode()).hexdigest()[:26]


def scheduled(entry: Entry) -> Scheduled | None:
    """Return a campaign's delivery if its newest live revision is a scheduled original."""
    if entry.is_card or not entry.published:
        return None
    delivery = newest_live(entry).delivery
    return delivery if isinstance(delivery, Scheduled) else None


def rate_limit(delivery: Scheduled | None) -> RateLimit | None:
    """Return the limit of a launch's own rate; None if it has none."""
    return None if delivery is None or delivery.per_minute is None else per_minute(delivery.per_minute)


def begins_at(delivery: Scheduled, published_at: datetime, workspace: Workspace) -> datetime:
    """Return when a launch selects its audience, UTC: when the first user may be due, never before the publication."""
    if not isinstance(delivery.send, SendAt):
        return published_at
    if delivery.send.zone == "company":
        return max(published_at, _local(delivery.send, None, workspace))
    wall = datetime.strptime(delivery.send.at, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return max(published_at, wall - _EARLIEST_ZONE)


def due_for(delivery: Scheduled, user: User, published_at: datetime, workspace: Workspace) -> datetime:
    """Return when a user's message is due, UTC; at the publication if the user's time had passed by then."""
    if not isinstance(delivery.send, SendAt):
        return published_at
    return max(published_at, _local(delivery.send, user.time_zone, workspace))


def is_in_launch(campaign: Campaign, recipient: Recipient, now: datetime) -> bool:
    """Return whether a launch sends to a user: in the audience now, and never received the campaign before."""
    return not recipient.receipts and is_in_audience(campaign.audience, recipient.user, recipient.history, now)


def launch_user(
    launch: Launch, user_key: str, recipient: Recipient, catalogue: Catalogue, now: datetime
) -> tuple[Effect, ...]:
    """Return the effects of adding a user to a launch: a follow-up that waits, or an enrolled control user (T4, W3)."""
    assignment = assignment_of(launch.entry, recipient)
    follow_up = _follow_up_of(launch, user_key, recipient.user, assignment, catalogue.workspace, now)
    enrolled: tuple[Effect, ...] = ()
    if assignment.control:
        state, reason = _evaluate_enrolment(follow_up, recipient, catalogue, now)
        follow_up = replace(follow_up, state=state, reason=reason, decided_at=now)
        enrolled = enrol(follow_up, recipient.user, now) if state is State.CONTROL else ()
    kept = keep_first_assignment(launch.entry, recipient, user_key, assignment)
    return *kept, BeginFollowUp(follow_up, now), *enrolled


def is_launched(follow_up: FollowUp) -> bool:
    """Return whether a follow-up belongs to a launch."""
    item = follow_up.trigger.item
    return isinstance(item, Event) and item.name == NAME and follow_up.trigger.seq == 0


def _follow_up_of(
    launch: Launch, user_key: str, user: User, assignment: Assignment, workspace: Workspace, now: datetime
) -> FollowUp:
    entry = launch.entry
    content = content_for(newest_live(entry), assignment, user.id)
    due_at = due_for(launch.delivery, user, launch.published_at, workspace)
    event = Event.model_construct(id=None, user="", occurred_at=now, properties={}, type="event", name=NAME)
    return FollowUp(
        id=follow_up_id_of(entry.id, user_key, "", launch.id, 0),
        campaign=entry.id,
        revision=entry.published[-1].number,
        window_id=entry.windows[-1].window_id,
        user_key=user_key,
        key="",
        trigger=LogEntry(id=launch.id, seq=0, t=now, received_at=now, item=event),
        due_at=due_at,
        next_at=due_at,
        state=State.WAITING,
        channels=content.channels if content else (),
    )


def _evaluate_enrolment(
    follow_up: FollowUp, recipient: Recipient, catalogue: Catalogue, now: datetime
) -> tuple[State, Reason]:
    """Enrol a control user whom a message could reach on one channel, so that both groups are treated alike (W3).

    A rule that only delays a message delays no enrolment.
    """
    facts = [due_facts(DueMessage(follow_up, channel, {}), recipient, catalogue, now) for channel in follow_up.channels]
    reasons = [next((v.reason for check in _REACHES_USER if isinstance(v := check(f), Drop)), None) for f in facts]
    if None in reasons:
        return State.CONTROL, Reason.CONTROL_GROUP
    return State.DROPPED, main_reason(reason for reason in reasons if reason is not None) or Reason.UNREACHABLE


def _local(send: SendAt, user_zone: str | None, workspace: Workspace) -> datetime:
    wall = datetime.strptime(send.at, "%Y-%m-%d %H:%M")
    return local_instant(
        wall.date(), wall.time(), resolve_zone(send.zone, user_zone=user_zone, company_zone=workspace.zone)
    )
