"""Classify opens and clicks as a person's or a machine's (M2).

Mail scanners follow every link of a mail on arrival, and some mail programs fetch every picture, read or not. Nothing
about a single request proves a person, so each request is evaluated by what indicates a machine, and the indicators
are kept.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

BURST_WINDOW = timedelta(seconds=2)
"""Clicks of one delivery that are no further apart are evaluated together."""

AT_ONCE_WINDOW = timedelta(seconds=2)
"""Nobody reads a message so soon after its dispatch."""

_MACHINE_LINKS = 3
"""So many links of one delivery in one burst prove a machine."""


class EngagementKind(StrEnum):
    """The kind of resource that was requested."""

    OPEN = "open"
    CLICK = "click"


class VisitClass(StrEnum):
    """The probable source of a request."""

    HUMAN = "human"
    MACHINE = "machine"
    SUSPECT = "suspect"


class Indicator(StrEnum):
    """An indication of a machine, or an explanation of an open. The values are stored with the interaction."""

    KNOWN_AGENT = "known_agent"
    """The user agent names a crawler, scanner or programming library."""

    PRIVACY_PROXY = "privacy_proxy"
    """A mail program's privacy proxy, which fetches every mail's pictures, read or not (Apple's)."""

    IMAGE_PROXY = "image_proxy"
    """A mail provider's proxy, which fetches a picture when its reader opens the mail (Google's, Yahoo's)."""

    HEAD_REQUEST = "head_request"
    """Only the headers were requested; no program that shows pages or pictures to people does so."""

    BURST = "burst"
    """Several links of one delivery were requested within two seconds."""

    AT_ONCE = "at_once"
    """The request came within two seconds of the message's dispatch."""

    NO_AGENT = "no_agent"
    """The request had no user agent, or a bare one that no browser uses."""

    REPORTED = "told_by_provider"
    """The provider reports that a machine did it."""


@dataclass(frozen=True)
class Visit:
    """One request for a pixel or a link, seen by us or by a provider.

    `at` is when it came, UTC; `link` counts from 0, and is 0 for the pixel. `agent` is None if the source of the
    report does not include it; `machine` is the provider's own opinion.
    """

    act: EngagementKind
    at: datetime
    agent: str | None
    method: Literal["GET", "HEAD"] = "GET"
    link: int = 0
    machine: bool = False


@dataclass(frozen=True)
class Classification:
    """A class with its indicators, in the order of `Indicator`."""

    visit_class: VisitClass
    indicators: tuple[Indicator, ...] = ()

    def properties(self, act: EngagementKind) -> Mapping[str, Any]:
        """Return the interaction's properties that the classification gives.

        A suspect open has no `opens`, so that only `opens: any` matches it; only a machine's click is a robot's.
        """
        reasons = [indicator.value for indicator in self.indicators]
        properties: dict[str, Any] = {"classified": self.visit_class.value, "reasons": reasons}
        if act is EngagementKind.OPEN and self.visit_class is not VisitClass.SUSPECT:
            properties["opens"] = self.visit_class.value
        if act is EngagementKind.CLICK and self.visit_class is VisitClass.MACHINE:
            properties["robot"] = True
        return properties


class DeliveryClicks:
    """The click times of each link of one delivery. A thousand clicks of one link make no other lookup slower."""

    def __init__(self) -> None:
        self._times: dict[int, list[datetime]] = {}

    def add(self, link: int, at: datetime) -> None:
        """Record a click."""
        insort(self._times.setdefault(link, []), at)

    def near(self, at: datetime) -> Sequence[Visit]:
        """Return one click of each link that was clicked within `BURST_WINDOW` of `at`; more would add nothing."""
        visits = []
        for link, times in self._times.items():
            first = bisect_left(times, at - BURST_WINDOW)
            if first < len(times) and times[first] <= at + BURST_WINDOW:
                visits.append(Visit(EngagementKind.CLICK, times[first], "", link=link))
        return visits


def classify(
    visit: Visit, dispatched_at: datetime | None, others: Sequence[Visit], is_crawler: Callable[[str], bool]
) -> Classification:
    """Classify one visit. One suspicion makes a suspect, two make a machine, and some indicators are proof alone.

    Without a user agent nothing indicates a person: the visit is a suspect at best.

    Args:
        dispatched_at: when the message was handed to its provider, UTC; None if unknown.
        others: the other known visits of the same delivery, including those that came shortly after.
        is_crawler: whether a user agent is a known program's.
    """
    agent, links = (visit.agent or "").strip(), _links_in_burst(visit, others)
    is_click, is_proxy = visit.act is EngagementKind.CLICK, _is_image_proxy(visit)
    present = {
        Indicator.KNOWN_AGENT: not is_proxy and is_crawler(visit.agent or ""),
        Indicator.PRIVACY_PROXY: not is_click and agent == _APPLE,
        Indicator.IMAGE_PROXY: is_proxy,
        Indicator.HEAD_REQUEST: visit.method == "HEAD",
        Indicator.BURST: links > 1,
        Indicator.AT_ONCE: dispatched_at is not None and abs(visit.at - dispatched_at) < AT_ONCE_WINDOW,
        Indicator.NO_AGENT: visit.agent is not None and (not agent or (is_click and agent == _APPLE)),
        Indicator.REPORTED: visit.machine,
    }
    indicators = tuple(indicator for indicator in Indicator if present[indicator])
    suspicions = sum(present[indicator] for indicator in _SUSPICIONS)
    if any(present[indicator] for indicator in _PROOFS) or suspicions > 1 or links >= _MACHINE_LINKS:
        return Classification(VisitClass.MACHINE, indicators)
    return Classification(VisitClass.SUSPECT if suspicions or visit.agent is None else VisitClass.HUMAN, indicators)


_APPLE = "Mozilla/5.0"
_IMAGE_PROXIES = ("GoogleImageProxy", "YahooMailProxy")
_PROOFS = (Indicator.KNOWN_AGENT, Indicator.PRIVACY_PROXY, Indicator.HEAD_REQUEST, Indicator.REPORTED)
_SUSPICIONS = (Indicator.BURST, Indicator.AT_ONCE, Indicator.NO_AGENT)


def _is_image_proxy(visit: Visit) -> bool:
    """Return whether a proxy fetched the picture for a person; such proxies follow no links."""
    return visit.act is EngagementKind.OPEN and any(name in (visit.agent or "") for name in _IMAGE_PROXIES)


def _links_in_burst(visit: Visit, others: Sequence[Visit]) -> int:
    """Return how many links of the delivery were clicked about when this one was; 0 for an open."""
    if visit.act is not EngagementKind.CLICK:
        return 0
    clicks = (other for other in others if other.act is EngagementKind.CLICK)
    return len({visit.link} | {click.link for click in clicks if abs(click.at - visit.at) <= BURST_WINDOW})
