"""The time of a scheduled original: when each user's message is due, and for which users the time has passed (D3, P9,
W5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from connector.rules.catalogue.catalogue import Entry, Revision
from connector.rules.model.campaigns import Campaign, Scheduled, Workspace
from connector.rules.model.schedules import SendAt
from connector.rules.timing.delays import is_stale, local_instant, resolve_zone

MAX_PASSED = timedelta(hours=1)
"""The longest time since a user's own time, at the publication, for which the message is sent at once (W5)."""

_EARLIEST_ZONE, _LATEST_ZONE = timedelta(hours=14), timedelta(hours=12)
"""The zone in which a date begins first, ahead of UTC, and the one in which it begins last, behind UTC."""


@dataclass(frozen=True)
class SendTime:
    """The `send` of a scheduled original, published at `published_at` (UTC), in a company with that zone."""

    send: SendAt | Literal["at_publish"]
    published_at: datetime
    company_zone: str

    @property
    def is_local(self) -> bool:
        """Whether each user has a time of their own."""
        return isinstance(self.send, SendAt) and self.send.zone == "user"

    @property
    def begins_at(self) -> datetime:
        """When the audience is selected, UTC: when the first user may be due, never before the publication."""
        if isinstance(self.send, SendAt) and self.is_local:
            return max(self.published_at, _wall_clock(self.send).replace(tzinfo=UTC) - _EARLIEST_ZONE)
        return max(self.published_at, self.as_written(None))

    @property
    def has_passed_everywhere(self) -> bool:
        """Whether the time has passed in every time zone, so that no user gets the message (W5)."""
        if not isinstance(self.send, SendAt) or not self.is_local:
            return False
        return self.published_at - _wall_clock(self.send).replace(tzinfo=UTC) > _LATEST_ZONE + MAX_PASSED

    def as_written(self, user_zone: str | None) -> datetime:
        """Return the time for a user of a zone, UTC, which may be before the publication."""
        if not isinstance(self.send, SendAt):
            return self.published_at
        zone = resolve_zone(self.send.zone, user_zone=user_zone, company_zone=self.company_zone)
        wall = _wall_clock(self.send)
        return local_instant(wall.date(), wall.time(), zone)

    def has_passed_for(self, user_zone: str | None) -> bool:
        """Return whether a user's own time had passed more than an hour before the publication (W5)."""
        return self.is_local and is_stale(self.as_written(user_zone), self.published_at, MAX_PASSED)

    def due_for(self, user_zone: str | None) -> datetime:
        """Return when a user's message is due, UTC: at the publication if the time passed shortly before it."""
        written = self.as_written(user_zone)
        return written if self.has_passed_for(user_zone) else max(self.published_at, written)


Share = Literal["at_once", "stale", "later"]
SHARES: tuple[Share, ...] = get_args(Share)


@dataclass(frozen=True)
class LaunchForecast:
    """The effect of a publication or a resume on users who did not get a scheduled original yet, in numbers of users.

    `at_once`: their time has come. `stale`: it passed too long ago, so that they get no message (W5, P9). `later`: it
    is still to come. Without `is_exact` there are more users than were counted.
    """

    at_once: int = 0
    stale: int = 0
    later: int = 0
    is_exact: bool = True

    def __add__(self, other: LaunchForecast) -> LaunchForecast:
        return LaunchForecast(
            self.at_once + other.at_once,
            self.stale + other.stale,
            self.later + other.later,
            self.is_exact and other.is_exact,
        )

    @classmethod
    def of_counts(cls, counts: Mapping[Share, int], *, is_exact: bool = True) -> LaunchForecast:
        """Return the forecast of these numbers by share."""
        return cls(counts.get("at_once", 0), counts.get("stale", 0), counts.get("later", 0), is_exact)


def share_of_zone(time: SendTime, user_zone: str | None, now: datetime, stale_after: timedelta) -> Share:
    """Return the share of the users of a zone who are added to a launch at `now` (UTC)."""
    return "stale" if time.has_passed_for(user_zone) else share_of_wait(time.due_for(user_zone), now, stale_after)


def share_of_wait(waits_for: datetime, now: datetime, stale_after: timedelta) -> Share:
    """Return the share at `now` (UTC) of a message that has waited for an instant, without its own pause."""
    if is_stale(waits_for, now, stale_after):
        return "stale"
    return "at_once" if waits_for <= now else "later"


def send_time(entry: Entry, workspace: Workspace, *, until: Revision | None = None) -> SendTime | None:
    """Return the time of a scheduled original by its newest live revision, None for anything else.

    A newer revision with the same `send` leaves the time as it was published before; one with another `send` publishes
    another time.

    Args:
        until: return the time as it was by this published revision.
    """
    published = entry.published if until is None else entry.published[: entry.published.index(until) + 1]
    sends = [(_send_of(revision), revision.effective_at) for revision in published]
    if not sends or sends[-1][0] is None:
        return None
    send, published_at = sends[-1]
    for earlier, at in reversed(sends):
        if earlier != send:
            break
        published_at = at
    assert send is not None  # noqa: S101 - checked above
    assert published_at is not None  # noqa: S101 - published revisions have taken effect
    return SendTime(send, published_at, workspace.zone)


def _send_of(revision: Revision) -> SendAt | Literal["at_publish"] | None:
    definition = revision.definition
    delivery = definition.delivery if isinstance(definition, Campaign) else None
    return delivery.send if isinstance(delivery, Scheduled) else None


def _wall_clock(send: SendAt) -> datetime:
    return datetime.strptime(send.at, "%Y-%m-%d %H:%M")
