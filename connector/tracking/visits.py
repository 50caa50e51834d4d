"""Visits on their way into the log: answered at once, classified together a moment later, then taken in.

A scanner's first click looks like a person's until its second one comes, so a click rests for as long as a burst lasts.
An open is judged by itself, and rests only where clicks that came before it do.
What cannot be stored stays in the queue, which is bounded; what is lost is counted and logged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from connector.ingest.intake import Intake
from connector.rules.model.interactions import Interaction, InteractionType, LogEntry
from connector.rules.provider_events.classification import BURST, EngagementKind, Visit, classify
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.provider_events.tracked import TrackedDelivery, find_deliveries
from connector.store.users.log import load_items
from connector.tracking.agents import is_crawler
from connector.tracking.clicks import Clicks
from connector.tracking.tokens import Kind, Token

_log = structlog.get_logger("tracking")
_BATCH = 500
_ROOM = 50_000
_RETRY_SECONDS = 2.0


@dataclass(frozen=True)
class FollowedLink:
    """A token that was followed, and the request that did."""

    token: Token
    visit: Visit


class Visits:
    """Takes visits in for one workspace.

    Args:
        changed: called when visits may have begun or ended follow-ups.
        settle: how long a click rests before it is classified.
        room: how many visits wait at most; more are lost.
        clock: the time in UTC, by which `Visit.at` was told.
        counted: told what became of visits: `stored`, `unknown` (no such delivery, or its user was erased),
            `refused` (by intake) or `lost`, and how many.
    """

    def __init__(
        self,
        database: Database,
        intake: Intake,
        workspace: str,
        *,
        clock: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
        settle: timedelta = BURST,
        room: int = _ROOM,
        counted: Callable[[str, int], None] = lambda _fate, _number: None,
    ) -> None:
        self._database, self._intake, self._workspace = database, intake, workspace
        self._clock, self._changed, self._settle = clock, changed, settle
        self._room, self._counted = room, counted
        self._waiting: deque[FollowedLink] = deque()

    def note(self, followed: FollowedLink) -> None:
        """Remember a visit. Never waits and never fails: the answer to the request is on its way."""
        if len(self._waiting) >= self._room:
            self._lose(1)
            return
        self._waiting.append(followed)

    async def run(self, stopped: asyncio.Event) -> None:
        """Take visits in as they ripen until `stopped`; then all that wait, and what cannot be stored is lost."""
        while not stopped.is_set():
            rest = _RETRY_SECONDS if not await self._try_flush(all=False) else self._until_ripe()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), rest)
        if not await self._try_flush(all=True) and self._waiting:
            self._lose(len(self._waiting))

    async def flush(self, *, all: bool = True) -> None:
        """Take in what waits: all of it, or what has rested.

        Raises:
            StoreUnavailable: what was not taken in waits on.
        """
        while batch := self._next(all):
            await self._take_in(batch)
            for _ in batch:
                self._waiting.popleft()

    async def _try_flush(self, *, all: bool) -> bool:
        try:
            await self.flush(all=all)
        except StoreUnavailable:
            _log.warning("visits_wait", waiting=len(self._waiting))
            return False
        except Exception:  # a defect, or a visit that the store does not take: it must not stop all that follow
            _log.exception("visits_broke")
            self._lose(min(len(self._waiting), _BATCH))
            for _ in range(min(len(self._waiting), _BATCH)):
                self._waiting.popleft()
        return True

    def _next(self, all: bool) -> Sequence[FollowedLink]:
        ripe = self._clock() - self._settle
        number = 0
        while number < min(len(self._waiting), _BATCH) and (all or _is_ripe(self._waiting[number].visit, ripe)):
            number += 1
        return [self._waiting[n] for n in range(number)]

    def _until_ripe(self) -> float:
        if not self._waiting:
            return max(self._settle.total_seconds() / 4, 0.05)
        first = self._waiting[0].visit
        rest = timedelta(0) if first.act is EngagementKind.OPEN else first.at + self._settle - self._clock()
        return max(rest.total_seconds(), 0.01)

    async def _take_in(self, batch: Sequence[FollowedLink]) -> None:
        async with self._database.read(self._workspace) as tx:
            found = await find_deliveries(tx, {f.token.delivery_id for f in batch})
            since = min(f.visit.at for f in batch) - BURST
            logged = await load_items(tx, dict.fromkeys({d.user_key for d in found.values()}, since))
        known = [f for f in batch if f.token.delivery_id in found]
        self._count("unknown", len(batch) - len(known))
        around = self._around({f.token.delivery_id for f in known}, logged)
        made = [_interaction(f, found[f.token.delivery_id], around[f.token.delivery_id]) for f in known]
        if made:
            results = await self._intake.ingest(made)
            refused = sum(result.status == "invalid" for result in results)
            self._count("refused", refused)
            self._count("stored", len(results) - refused)
            self._changed()

    def _around(self, deliveries: Set[str], logged: Mapping[str, Sequence[LogEntry]]) -> Mapping[str, Clicks]:
        """The clicks of these deliveries: those that wait, and those that were taken in lately, here or elsewhere."""
        around = {delivery: Clicks() for delivery in deliveries}
        for waiting in self._waiting:
            if waiting.visit.act is EngagementKind.CLICK and waiting.token.delivery_id in around:
                around[waiting.token.delivery_id].add(waiting.visit.link, waiting.visit.at)
        for entry in (entry for entries in logged.values() for entry in entries):
            told = entry.item.properties
            clicks = around.get(str(told.get("delivery")))
            if clicks is not None and "classified" in told and isinstance(told.get("link"), int):
                clicks.add(told["link"], entry.t)
        return around

    def _lose(self, number: int) -> None:
        _log.error("visits_lost", number=number)
        self._count("lost", number)

    def _count(self, fate: str, number: int) -> None:
        if number:
            self._counted(fate, number)


def _is_ripe(visit: Visit, ripe: datetime) -> bool:
    """What else is asked for of a message says nothing of an open; of a click it does."""
    return visit.act is EngagementKind.OPEN or visit.at <= ripe


def _interaction(followed: FollowedLink, delivery: TrackedDelivery, clicks: Clicks) -> Interaction:
    """The interaction that a visit makes, with an id that the same visit, repeated, makes again (M6)."""
    token, visit = followed.token, followed.visit
    others = clicks.near(visit.at) if visit.act is EngagementKind.CLICK else ()
    classified = classify(visit, delivery.dispatched_at, others, is_crawler)
    told: dict[str, Any] = {**classified.properties(visit.act), "delivery": delivery.id}
    second = visit.at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    if visit.act is EngagementKind.OPEN:
        id = f"open-{delivery.id}-{classified.kind}-{second[:11]}"
    else:
        told |= {"url": token.url, "link": token.link} | ({"alias": token.alias} if token.alias else {})
        id = f"click-{delivery.id}-{token.link}-{classified.kind}-{second}"
    return Interaction(
        id=id,
        user=delivery.user,
        type=_type_of(token),
        campaign=delivery.campaign,
        occurred_at=visit.at,
        properties=told,
    )


def _type_of(token: Token) -> InteractionType:
    if token.kind is Kind.OPEN:
        return InteractionType.OPEN_EMAIL
    if token.kind is Kind.SHORT:
        return InteractionType.CLICK_SMS_LINK
    return InteractionType.CLICK_EMAIL_ALIAS if token.alias else InteractionType.CLICK_EMAIL
