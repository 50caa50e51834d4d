"""What providers tell of messages later: delivered, or not. Repeating a report changes nothing.

A delivery report makes the `receive_*` interaction of its channel (M4), through intake, so that chains just work. It
also mends a message whose answer was lost: a provider that reports on it has taken it (guarantee 4). An email was
received as it was handed over, whatever became of it later; a text is as its carrier says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.deliveries import Delivery, DeliveryState, receive_id, receive_interaction_of
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries, settle
from connector.store.follow_ups.follow_ups import load_follow_up
from connector.store.follow_ups.receipts import receipt_key, save_receipts
from connector.store.provider_events.delivery_reports import (
    ReportedDelivery,
    find_message,
    is_logged,
    mark_taken,
    note_fault,
)
from connector.store.users.users import is_erased_id, load_users, lock_user

Taken = Literal["received", "noted", "unchanged", "unknown"]
"""What became of a report: an interaction, a note on the message, nothing new, or about no message of ours."""

_UNSETTLED = (DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


@dataclass(frozen=True)
class DeliveryReport:
    """What a provider told of one message.

    Args:
        provider_id: the provider's id for it; None: it has one that we never hear of (email by SMTP).
        arrived: whether it was received as its channel counts it (M4); None: it is on its way.
        fault: why it did not arrive, a code of ours.
    """

    delivery_id: str
    provider_id: str | None
    arrived: bool | None = None
    fault: str | None = None


class DeliveryReports:
    """Takes reports in for one workspace.

    Args:
        retention: how long the log is kept; what is told of an older message is not taken, for it may be a repetition.
    """

    def __init__(
        self, database: Database, cache: CatalogueCache, intake: Intake, workspace: str, *, retention: timedelta
    ) -> None:
        self._database, self._cache, self._intake = database, cache, intake
        self._workspace, self._retention = workspace, retention

    async def ingest(self, report: DeliveryReport) -> Taken:
        """Take one report in, which is known to come from the provider.

        Raises:
            StoreUnavailable: nothing was stored; the report may be sent again.
        """

        async def take(tx: Transaction, catalogue: Catalogue) -> Taken:
            return await self.ingest_in_transaction(tx, catalogue, report)

        return await with_current_catalogue(self._database, self._cache, self._workspace, take)

    async def ingest_in_transaction(self, tx: Transaction, catalogue: Catalogue, report: DeliveryReport) -> Taken:
        """The same inside a transaction of `with_current_catalogue`."""
        message = await self._locked(tx, report)
        if message is None:
            return "unknown"
        now = tx.now
        if message.claimed_at is not None and message.claimed_at < now - self._retention:
            return "unknown"
        mended = await self._mend(tx, message, report, now)
        received = await self._received(tx, catalogue, mended, now) if report.arrived else "unchanged"
        noted = await self._noted(tx, mended, report)
        return noted if received == "unchanged" else received

    async def _locked(self, tx: Transaction, report: DeliveryReport) -> ReportedDelivery | None:
        """The message as it stands once the user's lock is held; None where the report is about another one."""
        message = await find_message(tx, report.delivery_id)
        if message is None:
            return None
        await lock_user(tx, message.user_key)
        message = await find_message(tx, report.delivery_id)
        if message is None or (report.provider_id and message.provider_id not in (None, report.provider_id)):
            return None
        return message

    async def _mend(
        self, tx: Transaction, message: ReportedDelivery, report: DeliveryReport, now: datetime
    ) -> ReportedDelivery:
        follow_up = await load_follow_up(tx, message.follow_up_id)
        open_yet = message.state is DeliveryState.OPEN and follow_up is not None and follow_up.is_open
        if message.state not in _UNSETTLED and not open_yet:
            return message
        at = message.claimed_at or now
        await mark_taken(tx, message.id, report.provider_id, claimed_at=at, now=now)
        if follow_up is not None:
            await save_receipts(tx, {receipt_key(follow_up): at})
            sent = Delivery(message.id, message.channel, DeliveryState.SENT, None, at)
            await settle(tx, follow_up, {**await load_deliveries(tx, follow_up.id), message.channel: sent}, now)
        return replace(message, state=DeliveryState.SENT, fault=None, claimed_at=at)

    async def _received(self, tx: Transaction, catalogue: Catalogue, message: ReportedDelivery, now: datetime) -> Taken:
        if message.fault is not None and message.state is DeliveryState.SENT and message.channel != "email":
            await note_fault(tx, message.id, None)
        if await self._is_received(tx, message):
            return "unchanged"
        stored = (await load_users(tx, [message.user_key])).get(message.user_key)
        if stored is None or is_erased_id(stored.user.id):
            return "unchanged"
        at = message.claimed_at if message.channel == "email" else None
        item = receive_interaction_of(message.id, message.channel, message.campaign, stored.user.id, at or now)
        if item is None:
            return "unchanged"
        await self._intake.ingest_in_transaction(tx, catalogue, [item])
        return "received"

    async def _noted(self, tx: Transaction, message: ReportedDelivery, report: DeliveryReport) -> Taken:
        """That it did not arrive stands on the message, unless it is known to have arrived; email can come back."""
        sent = message.state is DeliveryState.SENT
        if report.fault in (None, message.fault) or not sent:
            return "unchanged"
        if message.channel != "email" and await self._is_received(tx, message):
            return "unchanged"
        await note_fault(tx, message.id, report.fault)
        return "noted"

    async def _is_received(self, tx: Transaction, message: ReportedDelivery) -> bool:
        since = message.claimed_at
        if since is None:
            return False
        return await is_logged(tx, message.user_key, receive_id(message.id), since)
