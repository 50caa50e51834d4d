"""The times of an example user of a follow-on: when the message falls due, how long it is held, when it is sent.

They come from the functions that decide in production. The example meets every condition of the trigger, is in the
audience, and does nothing else; caps, the control group and `spread` do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.rules.model.campaigns import ActionBased, Workspace
from connector.rules.model.reasons import Reason
from connector.rules.model.schedules import QuietHours
from connector.rules.timing.delays import compute_due_at
from connector.rules.timing.windows import next_opening, quiet_until

_MAX_HOLDS = 20
"""Hours and quiet hours may hold a message by turns; more turns than this never end."""


@dataclass(frozen=True)
class ExampleTimes:
    """Instants in UTC. `sent_at` is None if the message is dropped for `reason`."""

    triggered_at: datetime
    due_at: datetime
    sent_at: datetime | None
    reason: Reason | None = None

    @property
    def waits(self) -> timedelta:
        """How long exceptions can cancel the message."""
        return (self.sent_at or self.due_at) - self.triggered_at


def example_times(
    delivery: ActionBased, workspace: Workspace, triggered_at: datetime, *, user_zone: str, has_quiet_hours: bool
) -> ExampleTimes:
    """Return the times of a user in `user_zone` whose trigger happens at `triggered_at` (UTC) and is in time.

    Args:
        has_quiet_hours: whether a channel of the messages is held by quiet hours.
    """
    zones = {"user_zone": user_zone, "company_zone": workspace.zone}
    due_at = at = compute_due_at(delivery.delay, triggered_at, **zones)
    quiet = _quiet_hours(delivery, workspace) if has_quiet_hours else None
    hours = delivery.time_of_day
    for _ in range(_MAX_HOLDS):
        opens = next_opening(hours, at, **zones) if hours else at
        if hours and opens != at and hours.outside == "drop":
            return ExampleTimes(triggered_at, due_at, None, Reason.OUTSIDE_TIME_OF_DAY)
        until = quiet_until(quiet, opens, **zones) if quiet else None
        if quiet and until is not None and quiet.then == "drop":
            return ExampleTimes(triggered_at, due_at, None, Reason.QUIET_HOURS)
        if until is None and opens == at:
            break
        at = until or opens
    else:
        return ExampleTimes(triggered_at, due_at, None, Reason.OUTSIDE_TIME_OF_DAY)
    if delivery.end is not None and at >= delivery.end:
        return ExampleTimes(triggered_at, due_at, None, Reason.OUTSIDE_CAMPAIGN_DURATION)
    return ExampleTimes(triggered_at, due_at, at)


def _quiet_hours(delivery: ActionBased, workspace: Workspace) -> QuietHours | None:
    chosen = workspace.quiet_hours if delivery.quiet_hours is None else delivery.quiet_hours
    return chosen if isinstance(chosen, QuietHours) and chosen.from_ != chosen.to else None
