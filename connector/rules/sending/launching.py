"""Launches: when a scheduled original goes to whom, how fast, and who of its audience is enrolled instead (T4, W3).

A campaign is launched once, when it is published for the first time. Publishing a newer revision changes what those get
who still wait, and before it has begun also when it begins; it goes to nobody a second time. A stop pauses the launch,
resuming (or publishing again) lets it go on where it was, archiving ends it (P9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import Scheduled, Workspace
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.schedules import SendAt
from connector.rules.model.users import User
from connector.rules.model.values import canonical_json
from connector.rules.sending.deliveries import main_reason
from connector.rules.sending.due_list import Drop, DueFacts, consent_and_address, frequency_caps, newest_live
from connector.rules.targeting.assignment import Assignment, content_for
from connector.rules.timing.delays import local_instant, resolve_zone

NAME = "launch"
"""The name of the made event that stands as the trigger of what a launch sends."""

_EARLIEST_ZONE = timedelta(hours=14)
"""Where a date begins first."""

_MINUTE = timedelta(minutes=1)
_REACHES = (consent_and_address, frequency_caps)


@dataclass(frozen=True)
class RateWindow:
    """How many users were sent to in the minute that began at `at` (UTC; None: nobody yet)."""

    at: datetime | None = None
    count: int = 0

    def ends(self, now: datetime) -> datetime:
        """When the next one may begin."""
        return now if self.at is None else self.at + _MINUTE


def launch_id(order_id: str, campaign: str) -> str:
    """The id of the launch that a publication brings about, the same however often it is tried."""
    return hashlib.sha256(canonical_json([NAME, order_id, campaign]).encode()).hexdigest()[:26]


def scheduled(entry: Entry) -> Scheduled | None:
    """Its delivery where the newest published revision is a scheduled original's."""
    if entry.is_card or not entry.published:
        return None
    delivery = newest_live(entry).delivery
    return delivery if isinstance(delivery, Scheduled) else None


def begins_at(delivery: Scheduled, published_at: datetime, workspace: Workspace) -> datetime:
    """When its audience is gathered, UTC: at the first instant that may be somebody's, never before the publication."""
    if not isinstance(delivery.send, SendAt):
        return published_at
    if delivery.send.zone == "company":
        return max(published_at, _local(delivery.send, None, workspace))
    wall = datetime.strptime(delivery.send.at, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return max(published_at, wall - _EARLIEST_ZONE)


def due_for(delivery: Scheduled, user: User, published_at: datetime, workspace: Workspace) -> datetime:
    """When this user's message is due, UTC; at the publication where the user's time had passed by then."""
    if not isinstance(delivery.send, SendAt):
        return published_at
    return max(published_at, _local(delivery.send, user.time_zone, workspace))


def follow_up_of(
    entry: Entry, launch: str, user: User, user_key: str, assignment: Assignment, *, due_at: datetime, at: datetime
) -> FollowUp:
    """One user's follow-up through a launch, waiting.

    Args:
        launch: the launch's id.
        due_at, at: when it is due, and when the audience was gathered, UTC.
    """
    content = content_for(newest_live(entry), assignment, user.id)
    made = Event.model_construct(id=None, user="", occurred_at=at, properties={}, type="event", name=NAME)
    return FollowUp(
        id=follow_up_id_of(entry.id, user_key, "", launch, 0),
        campaign=entry.id,
        revision=entry.published[-1].number,
        window_id=entry.windows[-1].window_id,
        user_key=user_key,
        key="",
        trigger=LogEntry(id=launch, seq=0, t=at, received_at=at, item=made),
        due_at=due_at,
        next_at=due_at,
        state=State.WAITING,
        channels=content.channels if content else (),
    )


def is_launched(follow_up: FollowUp) -> bool:
    """Whether a launch sends it, and not a trigger of its own."""
    item = follow_up.trigger.item
    return isinstance(item, Event) and item.name == NAME and follow_up.trigger.seq == 0


def evaluate_enrolment(facts: Sequence[DueFacts]) -> tuple[State, Reason]:
    """What becomes of a control user, by the facts of each channel, as the audience is gathered (W3).

    Enrolled where a message could have gone on one of them, so that both groups are treated alike; what only delays a
    message delays no enrolment.
    """
    reasons = [next((v.reason for step in _REACHES if isinstance(v := step(one), Drop)), None) for one in facts]
    if None in reasons:
        return State.CONTROL, Reason.CONTROL_GROUP
    return State.DROPPED, main_reason(reason for reason in reasons if reason is not None) or Reason.UNREACHABLE


def take_from_window(minute: RateWindow, now: datetime, per_minute: int | None, wanted: int) -> tuple[int, RateWindow]:
    """How many of `wanted` users may be sent to now, and the minute as it stands when they were."""
    if per_minute is None:
        return wanted, minute
    if minute.at is None or now >= minute.ends(now) or now < minute.at:
        minute = RateWindow(now)
    granted = max(0, min(wanted, per_minute - minute.count))
    return granted, RateWindow(minute.at, minute.count + granted)


def _local(send: SendAt, user_zone: str | None, workspace: Workspace) -> datetime:
    wall = datetime.strptime(send.at, "%Y-%m-%d %H:%M")
    return local_instant(
        wall.date(), wall.time(), resolve_zone(send.zone, user_zone=user_zone, company_zone=workspace.zone)
    )
