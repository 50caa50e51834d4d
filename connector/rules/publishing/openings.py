"""Do a campaign's hours of the day and the quiet hours leave any instant open? (P7)"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

from connector.rules.model.campaigns import Campaign, Workspace
from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.sending.due_list import quiet_hours_of
from connector.rules.timing.caps import CAPPED_CHANNELS
from connector.rules.timing.windows import is_within


def inside_quiet_hours(campaign: Campaign, workspace: Workspace) -> Iterator[str]:
    """P7: a `time_of_day` wholly inside the quiet hours of the same clock, where a channel keeps quiet hours (W2)."""
    hours, quiet = _hours_and_quiet(campaign, workspace)
    if hours is None or quiet is None or hours.zone != quiet.zone or not _wholly_inside(hours, quiet):
        return
    whose = "campaign" if campaign.follow_on and campaign.follow_on.quiet_hours else "workspace"
    yield (
        f"its `time_of_day` ({_span(hours)}) is wholly inside the {whose}'s quiet hours ({_span(quiet)}), so that "
        "nothing would ever go; move one of them, or write quiet_hours: none"
    )


def quiet_for_some(campaign: Campaign, workspace: Workspace) -> Iterator[str]:
    """P8: hours and quiet of two clocks, which are one for whoever lives in the company's zone, or has none."""
    hours, quiet = _hours_and_quiet(campaign, workspace)
    if hours is None or quiet is None or hours.zone == quiet.zone or not _wholly_inside(hours, quiet):
        return
    yield (
        f"its `time_of_day` ({_span(hours)}, {hours.zone}) is wholly inside the quiet hours ({_span(quiet)}, "
        f"{quiet.zone}) for users without a zone or in {workspace.zone}: their messages would be dropped; give both "
        "the same zone, or move one of them"
    )


def _hours_and_quiet(campaign: Campaign, workspace: Workspace) -> tuple[TimeOfDay | None, QuietHours | None]:
    """Its hours of the day, and the quiet hours that hold for it; no quiet where none of its channels keeps it (W2)."""
    follow_on = campaign.follow_on
    channels = {channel for content in campaign.contents for channel in content.channels}
    if follow_on is None or CAPPED_CHANNELS.isdisjoint(channels):
        return None, None
    return follow_on.time_of_day, quiet_hours_of(follow_on, workspace)


def _wholly_inside(hours: TimeOfDay, quiet: QuietHours) -> bool:
    opens_in_quiet = hours.from_ != hours.to and is_within(hours.from_, quiet.from_, quiet.to)
    return opens_in_quiet and _minutes(hours.from_, hours.to) <= _minutes(hours.from_, quiet.to)


def _span(hours: TimeOfDay | QuietHours) -> str:
    return f"{hours.from_:%H:%M} to {hours.to:%H:%M}"


def _minutes(opens: time, closes: time) -> int:
    return ((closes.hour - opens.hour) * 60 + closes.minute - opens.minute) % (24 * 60)
