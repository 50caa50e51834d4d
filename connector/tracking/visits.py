"""Visits of tracked links: answered at once, classified together a moment later, then ingested; and unsubscribing.

A scanner's first click looks like a person's until its second one comes, so a click waits for the length of a burst.
An open is classified by itself, and waits only behind earlier clicks. Visits that cannot be stored stay in the queue,
which is bounded; lost visits are counted and logged.
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
from connector.rules.model.consent import ConsentSource
from connector.rules.model.interactions import Interaction, InteractionType, LogEntry
from connector.rules.provider_events.classification import (
    BURST_WINDOW,
    DeliveryClicks,
    EngagementKind,
    Visit,
    classify,
)
from connector.rules.sending.deliveries import DeliveryRecord
from connector.store.engine.database import Database, StoreUnavailable, database_now
from connector.store.follow_ups.deliveries import load_deliveries_by_id
from connector.store.users.descriptions import merge_user
from connector.store.users.log import load_items
from connector.store.users.users import UserErased
from connector.tracking.agents import is_crawler
from connector.tracking.tokens import LinkKind, Token

_log = structlog.get_logger("tracking")
_BATCH_VISITS = 500
_MAX_WAITING = 50_000
_RETRY_SECONDS = 2.0
_MIN_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class FollowedLink:
    """A followed link's token, and the request that followed it."""

    token: Token
    visit: Visit


class Visits:
    """Queues and ingests the visits of one workspace.

    Args:
        clock: the time in UTC, the same clock as `Visit.at`.
        changed: called when visits may have started or ended follow-ups.
        settle: how long a click waits before it is classified.
        max_waiting: how many visits may wait; more are lost.
        counted: called with an outcome and the number of visits: `stored`, `unknown` (no such delivery, or its user was
            erased), `refused` (by intake) or `lost`.
    """

    def __init__(
        self,
        database: Database,
        intake: Intake,
        workspace: str,
        *,
        clock: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
        settle: timedelta = BURST_WINDOW,
        max_waiting: int = _MAX_WAITING,
        counted: Callable[[str, int], None] = lambda _outcome, _number: None,
    ) -> None:
        self._database, self._intake, self._workspace = database, intake, workspace
        self._clock, self._changed, self._settle = clock, changed, settle
        self._max_waiting, self._counted = max_waiting, counted
        self._waiting: deque[FollowedLink] = deque()

    def note(self, followed: FollowedLink) -> None:
        """Queue a visit. Never waits and never fails, so that the request can be answered."""
        if len(self._waiting) >= self._max_waiting:
            self._report_lost(1)
            return
        self._waiting.append(followed)

    async def run(self, stopped: asyncio.Event) -> None:
        """Ingest visits as they become ready until `stopped`, then all others; those that cannot be stored are lost."""
        while not stopped.is_set():
            pause_seconds = self._seconds_until_ready() if await self._try_flush(all=False) else _RETRY_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), pause_seconds)
        if not await self._try_flush(all=True) and self._waiting:
            self._report_lost(len(self._waiting))

    async def flush(self, *, all: bool = True) -> None:
        """Ingest the waiting visits: all of them, or those that are ready.

        Raises:
            StoreUnavailable: the visits that were not ingested still wait.
        """
        while batch := self._next_batch(all):
            await self._ingest(batch)
            self._drop(len(batch))

    async def _try_flush(self, *, all: bool) -> bool:
        try:
            await self.flush(all=all)
        except StoreUnavailable:
            _log.warning("visits_wait", waiting=len(self._waiting))
            return False
        except Exception:  # a defect, or a visit that the store refuses: it must not block all later ones
            _log.exception("visits_broke")
            number = min(len(self._waiting), _BATCH_VISITS)
            self._report_lost(number)
            self._drop(number)
        return True

    def _next_batch(self, all: bool) -> Sequence[FollowedLink]:
        ready_before, number = self._clock() - self._settle, 0
        limit = min(len(self._waiting), _BATCH_VISITS)
        while number < limit and (all or _is_ready(self._waiting[number].visit, ready_before)):
            number += 1
        return [self._waiting[place] for place in range(number)]

    def _drop(self, number: int) -> None:
        for _ in range(number):
            self._waiting.popleft()

    def _seconds_until_ready(self) -> float:
        if not self._waiting:
            return max(self._settle.total_seconds() / 4, _MIN_POLL_SECONDS)
        first = self._waiting[0].visit
        is_open = first.act is EngagementKind.OPEN
        remaining = timedelta(0) if is_open else first.at + self._settle - self._clock()
        return max(remaining.total_seconds(), 0.01)

    async def _ingest(self, batch: Sequence[FollowedLink]) -> None:
        async with self._database.read(self._workspace) as tx:
            records = await load_deliveries_by_id(tx, {f.token.delivery_id for f in batch})
            deliveries = {id: record for id, record in records.items() if record.user}
            since = min(f.visit.at for f in batch) - BURST_WINDOW
            user_keys = {delivery.user_key for delivery in deliveries.values()}
            logged = await load_items(tx, dict.fromkeys(user_keys, since))
        known = [f for f in batch if f.token.delivery_id in deliveries]
        self._count("unknown", len(batch) - len(known))
        clicks = self._clicks_of({f.token.delivery_id for f in known}, logged)
        items = [_interaction_of(f, deliveries[f.token.delivery_id], clicks[f.token.delivery_id]) for f in known]
        if items:
            results = await self._intake.ingest(items, anonymous={item.user for item in items})
            refused = sum(result.status == "invalid" for result in results)
            self._count("refused", refused)
            self._count("stored", len(results) - refused)
            self._changed()

    def _clicks_of(
        self, delivery_ids: Set[str], logged: Mapping[str, Sequence[LogEntry]]
    ) -> Mapping[str, DeliveryClicks]:
        """Return the clicks of these deliveries: those that wait, and those logged recently, by any process."""
        clicks = {delivery_id: DeliveryClicks() for delivery_id in delivery_ids}
        for waiting in self._waiting:
            if waiting.visit.act is EngagementKind.CLICK and waiting.token.delivery_id in clicks:
                clicks[waiting.token.delivery_id].add(waiting.visit.link, waiting.visit.at)
        for entry in (entry for entries in logged.values() for entry in entries):
            properties = entry.item.properties
            of_delivery = clicks.get(str(properties.get("delivery")))
            if of_delivery is not None and "classified" in properties and isinstance(properties.get("link"), int):
                of_delivery.add(properties["link"], entry.t)
        return clicks

    def _report_lost(self, number: int) -> None:
        _log.error("visits_lost", number=number)
        self._count("lost", number)

    def _count(self, outcome: str, number: int) -> None:
        if number:
            self._counted(outcome, number)


async def unsubscribe(database: Database, workspace: str, delivery_id: str) -> bool:
    """Withdraw the consent of the delivery's user to its channel; return whether there is such a user.

    Waiting messages are dropped by it at their due time. Repeating it changes nothing, and a provider's late report of
    an earlier statement does not overrule it.

    Raises:
        StoreUnavailable: nothing has changed.
    """
    async with database.write(workspace) as tx:
        delivery = (await load_deliveries_by_id(tx, [delivery_id])).get(delivery_id)
        if delivery is None or not delivery.user:
            return False
        with suppress(UserErased):
            now = await database_now(tx)
            changes = {"consent": {delivery.channel: "unsubscribed", "effective_at": now}}
            await merge_user(tx, delivery.user, changes, now, source=ConsentSource.USER, anonymous={delivery.user})
            return True
        return False


def _is_ready(visit: Visit, ready_before: datetime) -> bool:
    """Return whether a visit can be classified: later visits of its message matter for a click, not for an open."""
    return visit.act is EngagementKind.OPEN or visit.at <= ready_before


def _interaction_of(followed: FollowedLink, delivery: DeliveryRecord, clicks: DeliveryClicks) -> Interaction:
    """Return the visit's interaction; its id is the same whenever the visit is repeated (M6)."""
    token, visit = followed.token, followed.visit
    others = clicks.near(visit.at) if visit.act is EngagementKind.CLICK else ()
    classification = classify(visit, delivery.claimed_at, others, is_crawler)
    properties: dict[str, Any] = {**classification.properties(visit.act), "delivery": delivery.id}
    second = visit.at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    if visit.act is EngagementKind.OPEN:
        id = f"open-{delivery.id}-{classification.visit_class}-{second[:11]}"
    else:
        properties |= {"url": token.url, "link": token.link} | ({"alias": token.alias} if token.alias else {})
        id = f"click-{delivery.id}-{token.link}-{classification.visit_class}-{second}"
    return Interaction(
        id=id,
        user=delivery.user,
        type=_type_of(token),
        campaign=delivery.campaign,
        occurred_at=visit.at,
        properties=properties,
    )


def _type_of(token: Token) -> InteractionType:
    if token.kind is LinkKind.OPEN:
        return InteractionType.OPEN_EMAIL
    if token.kind is LinkKind.SHORT:
        return InteractionType.CLICK_SMS_LINK
    return InteractionType.CLICK_EMAIL_ALIAS if token.alias else InteractionType.CLICK_EMAIL
