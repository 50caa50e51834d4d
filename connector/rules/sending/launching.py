"""Launches: when a scheduled original is sent to whom, how fast, and who is enrolled as a control user (T4, W3).

A campaign is launched once, when it is first published. A newer revision changes the content for the users who still
wait and, until the launch has begun, its time; no user receives the campaign twice. A stop pauses the launch, a resume
(or another publication) continues it for the users whose time is not too long past, and archiving ends it (P9).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign, Scheduled
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.model.values import canonical_json
from connector.rules.sending.decisions import Recipient, assignment_of, due_facts, keep_first_assignment
from connector.rules.sending.deliveries import DueMessage, main_reason
from connector.rules.sending.due_list import (
    Drop,
    check_consent_and_address,
    check_frequency_caps,
    check_staleness,
    newest_live,
)
from connector.rules.sending.effects import BeginFollowUp, Effect, enrol
from connector.rules.sending.launch_times import SendTime
from connector.rules.sending.rates import RateLimit, per_minute
from connector.rules.targeting.assignment import Assignment, content_for
from connector.rules.targeting.audience import is_in_audience

NAME = "launch"
"""The name of the artificial event that triggers every follow-up of a launch."""

RESEND_NAME = "resend"
"""The name of the artificial event that represents the launch in a follow-up that was sent again after it."""

_REACHES_USER = (check_staleness, check_consent_and_address, check_frequency_caps)


@dataclass(frozen=True)
class Launch:
    """One launch of a scheduled original: its id, what it sends, and its time."""

    id: str
    entry: Entry
    time: SendTime


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


def is_in_launch(campaign: Campaign, recipient: Recipient, now: datetime) -> bool:
    """Return whether a launch sends to a user: in the audience now, and never received the campaign before."""
    return not recipient.receipts and is_in_audience(campaign.audience, recipient.user, recipient.history, now)


def launch_user(
    launch: Launch, user_key: str, recipient: Recipient, catalogue: Catalogue, now: datetime
) -> tuple[Effect, ...]:
    """Return the effects of adding a user to a launch (T4).

    That is a follow-up that waits, an enrolled control user (W3), or a user whose own time passed too long before the
    publication (W5).
    """
    assignment = assignment_of(launch.entry, recipient)
    follow_up = _follow_up_of(launch, user_key, recipient.user, assignment, now)
    enrolled: tuple[Effect, ...] = ()
    if launch.time.has_passed_for(recipient.user.time_zone):
        follow_up = replace(follow_up, state=State.DROPPED, reason=Reason.STALE, decided_at=now)
    elif assignment.control:
        state, reason = _evaluate_enrolment(follow_up, recipient, catalogue, now)
        follow_up = replace(follow_up, state=state, reason=reason, decided_at=now)
        enrolled = enrol(follow_up, recipient.user, now) if state is State.CONTROL else ()
    kept = keep_first_assignment(launch.entry, recipient, user_key, assignment)
    return *kept, BeginFollowUp(follow_up, now), *enrolled


def is_launched(follow_up: FollowUp) -> bool:
    """Return whether a follow-up belongs to a launch."""
    item = follow_up.trigger.item
    return isinstance(item, Event) and item.name == NAME and follow_up.trigger.seq == 0


def _follow_up_of(launch: Launch, user_key: str, user: User, assignment: Assignment, now: datetime) -> FollowUp:
    entry = launch.entry
    content = content_for(newest_live(entry), assignment, user.id)
    due_at = launch.time.due_for(user.time_zone)
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
    """Enrol a control user whom a message could reach in time on one channel: both groups are treated alike (W3, D4).

    A rule that only delays a message delays no enrolment.
    """
    facts = [due_facts(DueMessage(follow_up, channel, {}), recipient, catalogue, now) for channel in follow_up.channels]
    reasons = [next((v.reason for check in _REACHES_USER if isinstance(v := check(f), Drop)), None) for f in facts]
    if None in reasons:
        return State.CONTROL, Reason.CONTROL_GROUP
    return State.DROPPED, main_reason(reason for reason in reasons if reason is not None) or Reason.UNREACHABLE
