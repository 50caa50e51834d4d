"""The horizons of the cleanup: the instants before which rows of each kind are past, the same for all deletions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.rules.catalogue.look_backs import LookBacks
from connector.rules.model.interactions import log_horizon
from connector.rules.timing.caps import MAX_CAP_LOOKBACK


@dataclass(frozen=True)
class Horizons:
    """The instants (UTC) from which rows are kept, as of one moment.

    Args:
        now: the current time.
        log: items, decisions, and follow-ups that sent nothing.
        sent: follow-ups that sent something, with their deliveries: links in messages, unsubscriptions and providers'
            late events lead to them.
        looked_back: the items that audiences look back to beyond the log's horizon.
    """

    now: datetime
    log: datetime
    sent: datetime
    looked_back: LookBacks


@dataclass(frozen=True)
class Kept:
    """For how long rows are kept.

    Args:
        retention: of the log.
        links: for how long links in messages are valid.
    """

    retention: timedelta
    links: timedelta

    def horizons(self, now: datetime, looked_back: LookBacks) -> Horizons:
        """Return the horizons as of `now` (UTC)."""
        longest = max(self.retention, self.links, MAX_CAP_LOOKBACK) + timedelta(days=1)
        return Horizons(now, log_horizon(now, self.retention), log_horizon(now, longest), looked_back)
