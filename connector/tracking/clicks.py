"""The clicks of one delivery, kept so that one can be looked at with those around it, however many there are."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from datetime import datetime

from connector.rules.provider_events.classification import BURST, EngagementKind, Visit


class Clicks:
    """When each link of one delivery was clicked. Asking for one link a thousand times makes no other look dearer."""

    def __init__(self) -> None:
        self._times: dict[int, list[datetime]] = {}

    def add(self, link: int, at: datetime) -> None:
        """Remember one."""
        insort(self._times.setdefault(link, []), at)

    def near(self, at: datetime) -> Sequence[Visit]:
        """One click of each link that was clicked within a burst's time of `at`: more of one link say no more."""
        found = []
        for link, times in self._times.items():
            first = bisect_left(times, at - BURST)
            if first < len(times) and times[first] <= at + BURST:
                found.append(Visit(EngagementKind.CLICK, times[first], "", link=link))
        return found
