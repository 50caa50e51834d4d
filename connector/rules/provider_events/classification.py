"""Was it a person or a machine that opened or clicked? (M2)

Mail scanners follow every link of a mail as it arrives, and some mail programs fetch every picture, read or not.
Nothing about a single request proves a person, so each one is judged by what speaks against it, and the reasons are
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

BURST = timedelta(seconds=2)
"""Visits of one delivery that lie no further apart are looked at together."""

AT_ONCE = timedelta(seconds=2)
"""Nobody reads so soon after the message was handed over."""

_MANY_LINKS = 3


class EngagementKind(StrEnum):
    """What was asked for."""

    OPEN = "open"
    CLICK = "click"


class Class(StrEnum):
    """Who did it, as far as can be told."""

    HUMAN = "human"
    MACHINE = "machine"
    SUSPECT = "suspect"


class Sign(StrEnum):
    """What speaks for a machine, or tells how an open came about."""

    KNOWN_AGENT = "known_agent"
    """The agent is a crawler, scanner or programming library that gives its name."""

    PRIVACY_PROXY = "privacy_proxy"
    """A mail program's privacy proxy, which fetches every mail's pictures, read or not (Apple's)."""

    IMAGE_PROXY = "image_proxy"
    """A mail provider's proxy, which fetches a picture as its reader opens the mail (Google's, Yahoo's)."""

    HEAD_REQUEST = "head_request"
    """Only the headers were asked for; no program that shows pages or pictures to people does so."""

    BURST = "burst"
    """Several links of one delivery were asked for within two seconds."""

    AT_ONCE = "at_once"
    """It came within two seconds of the message's dispatch."""

    NO_AGENT = "no_agent"
    """The request named no agent, or a bare one that no browser uses."""

    TOLD = "told_by_provider"
    """The provider that saw it says that a machine did it."""


@dataclass(frozen=True)
class Visit:
    """One request for a pixel or a link, seen by us or by a provider.

    `at` is when it came, UTC; `link` counts from 0, and is 0 for the pixel. `agent` is None where whoever saw it does
    not tell; `machine` is the provider's own word.
    """

    act: EngagementKind
    at: datetime
    agent: str | None
    method: Literal["GET", "HEAD"] = "GET"
    link: int = 0
    machine: bool = False


@dataclass(frozen=True)
class Classified:
    """A class with its reasons, in the order of `Sign`."""

    kind: Class
    signs: tuple[Sign, ...] = ()

    def properties(self, act: EngagementKind) -> Mapping[str, Any]:
        """What the interaction's properties say of it.

        A suspect open has no `opens`, so that only `any` takes it; only what is surely a machine's click is a robot's.
        """
        told: dict[str, Any] = {"classified": self.kind.value, "reasons": [sign.value for sign in self.signs]}
        if act is EngagementKind.OPEN and self.kind is not Class.SUSPECT:
            told["opens"] = self.kind.value
        if act is EngagementKind.CLICK and self.kind is Class.MACHINE:
            told["robot"] = True
        return told


def classify(
    visit: Visit, dispatched_at: datetime | None, others: Sequence[Visit], is_crawler: Callable[[str], bool]
) -> Classified:
    """Judge one visit. One suspicion makes a suspect, two make a machine, and some signs are proof enough alone.

    Without an agent nothing speaks for a person: it is a suspect at best.

    Args:
        dispatched_at: when the message was handed over, UTC; None where it is not known.
        others: the other visits of the same delivery that are known, those that came shortly after it too.
        is_crawler: whether an agent is known to be a program's.
    """
    agent = (visit.agent or "").strip()
    found = {
        Sign.KNOWN_AGENT: not _proxied(visit) and is_crawler(visit.agent or ""),
        Sign.PRIVACY_PROXY: visit.act is EngagementKind.OPEN and agent == _APPLE,
        Sign.IMAGE_PROXY: _proxied(visit),
        Sign.HEAD_REQUEST: visit.method == "HEAD",
        Sign.BURST: _links_at_once(visit, others) > 1,
        Sign.AT_ONCE: dispatched_at is not None and abs(visit.at - dispatched_at) < AT_ONCE,
        Sign.NO_AGENT: visit.agent is not None
        and (not agent or (visit.act is EngagementKind.CLICK and agent == _APPLE)),
        Sign.TOLD: visit.machine,
    }
    signs = tuple(sign for sign in Sign if found[sign])
    suspicions = sum(found[sign] for sign in _SUSPICIONS)
    if any(found[sign] for sign in _PROOFS) or suspicions > 1 or _links_at_once(visit, others) >= _MANY_LINKS:
        return Classified(Class.MACHINE, signs)
    return Classified(Class.SUSPECT if suspicions or visit.agent is None else Class.HUMAN, signs)


_APPLE = "Mozilla/5.0"
_IMAGE_PROXIES = ("GoogleImageProxy", "YahooMailProxy")
_PROOFS = (Sign.KNOWN_AGENT, Sign.PRIVACY_PROXY, Sign.HEAD_REQUEST, Sign.TOLD)
_SUSPICIONS = (Sign.BURST, Sign.AT_ONCE, Sign.NO_AGENT)


def _proxied(visit: Visit) -> bool:
    """A proxy fetches pictures for people, and follows no links."""
    return visit.act is EngagementKind.OPEN and any(name in (visit.agent or "") for name in _IMAGE_PROXIES)


def _links_at_once(visit: Visit, others: Sequence[Visit]) -> int:
    """How many links of the delivery were asked for about when this one was; 0 for an open."""
    if visit.act is not EngagementKind.CLICK:
        return 0
    near = {o.link for o in others if o.act is EngagementKind.CLICK and abs(o.at - visit.at) <= BURST}
    return len(near | {visit.link})
