"""The ordered list "at the due time", for one channel of one follow-up, as of now (behaviour.md, W1 to W4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import ActionBased, Campaign, Workspace
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason
from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.model.users import SuppressedAddresses, User, has_usable_address
from connector.rules.targeting.assignment import Assignment
from connector.rules.targeting.audience import History, is_in_audience
from connector.rules.targeting.eligibility import is_eligible_again
from connector.rules.timing.caps import CAPPED_CHANNELS, PastSend, find_exceeded_caps
from connector.rules.timing.delays import is_stale
from connector.rules.timing.windows import next_opening, next_undisturbed, quiet_until


@dataclass(frozen=True)
class Hold:
    """Not now: evaluate the message again at `until` (UTC)."""

    until: datetime


@dataclass(frozen=True)
class Drop:
    """Never: the message ends with this reason."""

    reason: Reason


@dataclass(frozen=True)
class Pause:
    """Not while the campaign is stopped: its launch continues after the resume (P9)."""


@dataclass(frozen=True)
class Control:
    """Enrol the user, who is in the control group and gets no message (W3)."""


@dataclass(frozen=True)
class Send:
    """No step of the list objects."""


@dataclass(frozen=True)
class SwitchChannels:
    """Send on these channels instead: the newest live content (P10) no longer has this one."""

    channels: tuple[str, ...]


@dataclass(frozen=True)
class SendContent:
    """Send this content now."""

    content: Messages


Verdict = Hold | Drop | Pause | Control | Send
"""The verdict of the list."""
MessageVerdict = Hold | Drop | Pause | Control | SwitchChannels | SendContent
"""The verdict on a message: that of the list, by the content of the moment."""


def newest_live(entry: Entry) -> Campaign:
    """Return the newest live revision's definition; of a stopped campaign, the last one that was live."""
    revision = entry.live or entry.published[-1]
    assert isinstance(revision.definition, Campaign)  # noqa: S101 - cards have no follow-ups
    return revision.definition


@dataclass(frozen=True)
class DueFacts:
    """The facts that the list evaluates, as of `now` (UTC). Only messages of open follow-ups are evaluated.

    `next_at` is the due time, or the end of the last hold: staleness counts from there (D4). `received_at` is the last
    receipt of this campaign, user and key. `unreachable` holds the user's suppressed addresses, by channel.
    """

    now: datetime
    next_at: datetime
    entry: Entry
    window_id: int
    workspace: Workspace
    channel: str
    user: User
    history: History
    received_at: datetime | None
    past_sends: Sequence[PastSend]
    assignment: Assignment
    follow_up_id: str
    unreachable: SuppressedAddresses

    @cached_property
    def campaign(self) -> Campaign:
        """The newest live definition; its rules apply, whatever revision the follow-up began with (P10)."""
        return newest_live(self.entry)

    @cached_property
    def follow_on(self) -> ActionBased | None:
        """The campaign's delivery if it is a follow-on."""
        return self.campaign.follow_on


def check_window(facts: DueFacts) -> Verdict | None:
    """Drop a message whose follow-up began in a window that has closed; no resume brings it back (P9).

    An original's messages are not bound to a window: a stop pauses them, and only archiving ends them.
    """
    if facts.follow_on is None:
        return {"active": None, "archived": Drop(Reason.STOPPED)}.get(facts.entry.state, Pause())
    window = facts.entry.window(facts.window_id)
    return None if window is not None and window.closed_at is None else Drop(Reason.STOPPED)


def check_staleness(facts: DueFacts) -> Verdict | None:
    """Drop a message that is more than `stale_after` past the time that it waited for (D4)."""
    stale = is_stale(facts.next_at, facts.now, facts.campaign.stale_after(facts.workspace))
    return Drop(Reason.STALE) if stale else None


def check_duration(facts: DueFacts) -> Verdict | None:
    """Drop a message if the campaign has not started or has ended."""
    rules = facts.follow_on
    if rules is None:
        return None
    too_early = rules.start is not None and facts.now < rules.start
    too_late = rules.end is not None and facts.now >= rules.end
    return Drop(Reason.OUTSIDE_CAMPAIGN_DURATION) if too_early or too_late else None


def check_time_of_day(facts: DueFacts) -> Verdict | None:
    """Outside the hours of the day, drop a message or hold it to the next opening before the campaign's end.

    A message that would wait without end, in turn for the hours to open and for the quiet hours to end, is dropped.
    """
    rules = facts.follow_on
    if rules is None or rules.time_of_day is None:
        return None
    opening = next_opening(
        rules.time_of_day, facts.now, user_zone=facts.user.time_zone, company_zone=facts.workspace.zone
    )
    if opening > facts.now and rules.time_of_day.outside == "drop":
        return Drop(Reason.OUTSIDE_TIME_OF_DAY)
    if opening > facts.now and rules.end is not None and opening >= rules.end:
        return Drop(Reason.OUTSIDE_CAMPAIGN_DURATION)
    if _is_held_without_end(facts, rules.time_of_day):
        return Drop(Reason.OUTSIDE_TIME_OF_DAY)
    return Hold(opening) if opening > facts.now else None


def check_quiet_hours(facts: DueFacts) -> Verdict | None:
    """In quiet hours, hold a message to their end or drop it; they do not apply to in-app messages and cards (W2).

    A hold to the campaign's `end` or beyond is not cut short: the message is dropped when the hold ends.
    """
    hours = _quiet_hours_of(facts)
    if hours is None:
        return None
    until = quiet_until(hours, facts.now, user_zone=facts.user.time_zone, company_zone=facts.workspace.zone)
    if until is None:
        return None
    return Hold(until) if hours.then == "hold" else Drop(Reason.QUIET_HOURS)


def check_audience(facts: DueFacts) -> Verdict | None:
    """With `recheck_audience`, drop a message if the user is not in the audience any more."""
    if facts.follow_on is None or not facts.follow_on.recheck_audience:
        return None
    inside = is_in_audience(facts.campaign.audience, facts.user, facts.history, facts.now)
    return None if inside else Drop(Reason.NOT_IN_AUDIENCE)


def check_eligibility(facts: DueFacts) -> Verdict | None:
    """Drop a message if the user received the campaign while it waited and may not receive it again (T1)."""
    if facts.follow_on is None:
        return None
    is_eligible = is_eligible_again(facts.follow_on.eligible_again, facts.received_at, facts.now)
    return None if is_eligible else Drop(Reason.NOT_ELIGIBLE_AGAIN)


def check_consent_and_address(facts: DueFacts) -> Verdict | None:
    """Drop a message if the user has unsubscribed from the channel or has no address for it."""
    if facts.user.consent.get(facts.channel) == "unsubscribed":  # type: ignore[call-overload]
        return Drop(Reason.NO_CONSENT)
    return None if reachable(facts.user, facts.channel, facts.unreachable) else Drop(Reason.UNREACHABLE)


def check_frequency_caps(facts: DueFacts) -> Verdict | None:
    """Drop a message that would exceed a frequency cap (W2)."""
    if facts.follow_on is not None and facts.follow_on.ignore_frequency_caps:
        return None
    exceeded = find_exceeded_caps(
        facts.workspace.frequency_caps,
        facts.channel,
        facts.past_sends,
        facts.now,
        user_zone=facts.user.time_zone,
        company_zone=facts.workspace.zone,
        follow_up_id=facts.follow_up_id,
    )
    return Drop(Reason.FREQUENCY_CAPPED) if exceeded else None


def check_control_group(facts: DueFacts) -> Verdict | None:
    """Enrol a control user at the moment at which the message would have been sent (W3)."""
    return Control() if facts.assignment.control else None


AT_THE_DUE_TIME: tuple[Callable[[DueFacts], Verdict | None], ...] = (
    check_window,
    check_staleness,
    check_duration,
    check_time_of_day,
    check_quiet_hours,
    check_audience,
    check_eligibility,
    check_consent_and_address,
    check_frequency_caps,
    check_control_group,
)


def evaluate_due_list(facts: DueFacts) -> Verdict:
    """Return the verdict of the first step that objects; Send if none does."""
    return next((verdict for step in AT_THE_DUE_TIME if (verdict := step(facts)) is not None), Send())


def _is_held_without_end(facts: DueFacts, hours: TimeOfDay) -> bool:
    """Return whether a message would be held without end, in turn by the quiet hours and by the hours of the day."""
    quiet = _quiet_hours_of(facts)
    if quiet is None or quiet.then == "drop" or hours.outside == "drop":
        return False
    zones = facts.user.time_zone, facts.workspace.zone
    return next_undisturbed(hours, quiet, facts.now, user_zone=zones[0], company_zone=zones[1]) is None


def _quiet_hours_of(facts: DueFacts) -> QuietHours | None:
    """Return the quiet hours of a message; None for in-app messages and cards (W2)."""
    if facts.channel not in CAPPED_CHANNELS:
        return None
    return quiet_hours_of(facts.follow_on, facts.workspace)


def quiet_hours_of(follow_on: ActionBased | None, workspace: Workspace) -> QuietHours | None:
    """Return the quiet hours of a campaign: its own, None if it opts out, else the workspace's."""
    own = follow_on.quiet_hours if follow_on else None
    if own == "none":
        return None
    return own if isinstance(own, QuietHours) else workspace.quiet_hours


def reachable(user: User, channel: str, unreachable: SuppressedAddresses) -> bool:
    """Return whether the user has an address for the channel that is not suppressed, if the channel needs one."""
    return has_usable_address(user, unreachable, channel)
