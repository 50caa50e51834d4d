"""The registry's activities: evaluate and commit one order, and end the waits of what was stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from connector import names
from connector.definitions.publish_facts import gather_facts_in_time
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.audit import AuditAction
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.facts import NO_FACTS, PublishFacts
from connector.rules.publishing.launch_notes import Forecasts, launches_to_forecast
from connector.rules.publishing.orders import PLANNERS, OrderPlan, plan_publish, plan_resume
from connector.store.audit import record_done
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import read_head
from connector.store.catalogue.orders import VersionMoved, commit_order, find_receipt, next_instant
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.ending import end_partly_sent, end_stopped, find_stopped
from connector.store.reporting.launch_forecasts import forecast_launches
from connector.wire import Order, OrderReceipt, StoppedWindow

_PAGE_SIZE = 500
"""A page takes some 10 ms on SQLite and 40 on PostgreSQL, for which it blocks its users, on SQLite all writers."""
_MAX_PAUSE_SECONDS = 1.0
_ORDER_SECONDS = 50.0
"""The deadline of an order's transactions: less than that of the activity, and far more than that of an ingest."""
_MAX_LINES = 100
"""Enough for a person, and within Temporal's limit of 2 MiB per payload."""


class Publisher:
    """Carries out the orders of one workspace.

    Args:
        changed: called when the outbox may have work, so that the outbox starts at once.
        providers: the channels that have a provider; None: not known.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        workspace: str,
        *,
        changed: Callable[[], None] = lambda: None,
        providers: Collection[str] | None = None,
    ) -> None:
        self._database, self._cache, self._workspace, self._changed = database, cache, workspace, changed
        self._providers = providers

    @activity.defn(name=names.CARRY_OUT_ORDER)
    async def carry_out_order(self, order: Order) -> OrderReceipt:
        """Evaluate an order by the newest catalogue and commit it by compare-and-set; a repeated one changes nothing.

        Raises:
            ApplicationError: of type OrderRefused, with the problems as its details; nothing was changed.
        """
        while True:
            catalogue = await self._cache.at_least(self._database)
            facts = await self._gather_facts(catalogue, order)
            forecasts = await self._forecast_launches(catalogue, order)
            try:
                receipt = await self._commit(catalogue, order, facts, forecasts)
                self._changed()  # a launch may have to begin, or to be signalled
                return receipt
            except VersionMoved:
                continue
            except OrderRefused as refusal:
                raise ApplicationError(
                    "the order is refused",
                    _first(refusal.problems),
                    type=OrderRefused.__name__,
                    non_retryable=True,
                    category=ApplicationErrorCategory.BENIGN,
                ) from None

    @activity.defn(name=names.END_WAITS)
    async def end_waits(self, stopped: StoppedWindow) -> int:
        """End follow-ups that wait in closed windows of these campaigns, page by page (P9); return how many.

        The outbox signals their workflows. After each page comes a pause for other writers, as long as the page took:
        SQLite has no queue that would give them a turn.
        """
        ended = 0
        for end, after in ((end_stopped, None), (end_partly_sent, "")):
            page: Mapping[str, str] | None = None
            while page is None or len(page) == _PAGE_SIZE:
                async with self._database.read(self._workspace) as tx:
                    page = await find_stopped(tx, stopped.campaigns, _PAGE_SIZE, partly_sent_after=after)
                if page:
                    ended += await self._end_page(page, end)
                    activity.heartbeat(ended)
                after = None if after is None else max(page, default="")
        return ended

    async def _end_page(
        self, page: Mapping[str, str], end: Callable[[Transaction, Mapping[str, str]], Awaitable[int]]
    ) -> int:
        """End the follow-ups of one page in a transaction; a pause follows a full one."""
        async with self._database.write(self._workspace) as tx:
            began_at = time.monotonic()
            ended = await end(tx, page)
        seconds = time.monotonic() - began_at
        self._changed()
        if len(page) == _PAGE_SIZE:
            await asyncio.sleep(min(seconds, _MAX_PAUSE_SECONDS))
        return ended

    async def _gather_facts(self, catalogue: Catalogue, order: Order) -> PublishFacts:
        if order.verb != "publish":
            return NO_FACTS
        return await gather_facts_in_time(
            self._database,
            self._workspace,
            catalogue,
            order.ids,
            with_follow_ons=order.with_follow_ons,
            providers=self._providers,
        )

    async def _forecast_launches(self, catalogue: Catalogue, order: Order) -> Forecasts:
        if order.verb not in ("publish", "resume"):
            return {}
        async with self._database.read(self._workspace, seconds=_ORDER_SECONDS) as tx:
            now = await database_now(tx)
            launches = launches_to_forecast(catalogue, order.verb, order.ids, now)
            return await forecast_launches(tx, launches, catalogue.workspace, now)

    async def _commit(
        self, catalogue: Catalogue, order: Order, facts: PublishFacts, forecasts: Forecasts
    ) -> OrderReceipt:
        async with self._database.write(self._workspace, lock="exclusive", seconds=_ORDER_SECONDS) as tx:
            done = await find_receipt(tx, order.order_id, order.digest)
            if done is not None:
                return OrderReceipt.model_validate(done)
            if (await read_head(tx)).version != catalogue.version:
                raise VersionMoved("the catalogue has changed since it was loaded")
            now = await next_instant(tx)
            plan = _plan(catalogue, order, facts, forecasts, now)
            plan = replace(plan, warnings=tuple(_first(plan.warnings)))
            receipt = await commit_order(
                tx,
                catalogue,
                plan,
                order_id=order.order_id,
                verb=order.verb,
                ids=order.ids,
                effective_at=now,
                digest=order.digest,
            )
            changed = {id: {"changed": id in receipt["changed"]} for id in (*plan.sequence, *plan.unchanged)}
            await record_done(tx, AuditAction(order.verb), order.act_id, changed)
            return OrderReceipt.model_validate(receipt)


def _plan(catalogue: Catalogue, order: Order, facts: PublishFacts, forecasts: Forecasts, now: datetime) -> OrderPlan:
    """Return what an order changes, by the rules of publishing; raises OrderRefused."""
    if order.verb == "resume":
        return plan_resume(catalogue, order.ids, forecasts)
    if order.verb != "publish":
        return PLANNERS[order.verb](catalogue, order.ids)
    return plan_publish(
        catalogue,
        order.ids,
        now=now,
        with_follow_ons=order.with_follow_ons,
        allow_missed=order.allow_missed,
        facts=facts,
        forecasts=forecasts,
    )


def _first(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _MAX_LINES
    return list(lines) if rest <= 0 else [*lines[:_MAX_LINES], f"and {rest} more of the kind"]
