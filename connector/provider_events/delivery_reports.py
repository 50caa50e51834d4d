"""What providers tell of messages later: delivered, or not. Repeating a report changes nothing.

A delivery report makes the `receive_*` interaction of its channel (M4), through intake, so that chains just work. It
also mends a message whose answer was lost: a provider that reports on it has taken it (guarantee 4). An email was
received as it was handed over, whatever became of it later; a text is as its carrier says so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.planning import DeliveryReport
from connector.rules.sending.deliveries import Delivery, DeliveryState, receive_id, receive_interaction_of
from connector.store.catalogue.versions import Head
from connector.store.engine.database import database_now
from connector.store.follow_ups.deliveries import load_deliveries, settle
from connector.store.follow_ups.follow_ups import load_follow_up, save_receipt
from connector.store.provider_events.delivery_reports import (
    ReportedDelivery,
    find_message,
    is_logged,
    mark_taken,
    note_fault,
)
from connector.store.users.users import ERASED, load_users, lock_user

Taken = Literal["received", "noted", "unchanged", "unknown"]
"""What became of a report: an interaction, a note on the message, nothing new, or about no message of ours."""

_UNSETTLED = (DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


class DeliveryReports:
    """Takes reports in for one workspace.

    Args:
        retention: how long the log is kept; what is told of an older message is not taken, for it may be a repetition.
    """

    def __init__(self, intake: Intake, workspace: str, *, retention: timedelta) -> None:
        self._intake, self._workspace, self._retention = intake, workspace, retention

    async def ingest_in_transaction(
        self, c: AsyncConnection, catalogue: Catalogue, head: Head, report: DeliveryReport
    ) -> Taken:
        """The same inside a transaction of `with_current_catalogue`."""
        message = await self._locked(c, report)
        if message is None:
            return "unknown"
        now = await database_now(c)
        if message.claimed_at is not None and message.claimed_at < now - self._retention:
            return "unknown"
        mended = await self._mend(c, message, report, now)
        received = await self._received(c, catalogue, head, mended, now) if report.arrived else "unchanged"
        noted = await self._noted(c, mended, report)
        return noted if received == "unchanged" else received

    async def _locked(self, c: AsyncConnection, report: DeliveryReport) -> ReportedDelivery | None:
        """The message as it stands once the user's lock is held; None where the report is about another one."""
        message = await find_message(c, self._workspace, report.delivery_id)
        if message is None:
            return None
        await lock_user(c, self._workspace, message.user_key)
        message = await find_message(c, self._workspace, report.delivery_id)
        if message is None or (report.provider_id and message.provider_id not in (None, report.provider_id)):
            return None
        return message

    async def _mend(
        self, c: AsyncConnection, message: ReportedDelivery, report: DeliveryReport, now: datetime
    ) -> ReportedDelivery:
        follow_up = await load_follow_up(c, self._workspace, message.follow_up_id)
        open_yet = message.state is DeliveryState.OPEN and follow_up is not None and follow_up.is_open
        if message.state not in _UNSETTLED and not open_yet:
            return message
        at = message.claimed_at or now
        await mark_taken(c, self._workspace, message.id, report.provider_id, claimed_at=at, now=now)
        if follow_up is not None:
            await save_receipt(c, self._workspace, follow_up.campaign, follow_up.user_key, follow_up.key, at)
            messages = await load_deliveries(c, self._workspace, follow_up.id)
            messages[message.channel] = Delivery(message.id, message.channel, DeliveryState.SENT, None, at)
            await settle(c, self._workspace, follow_up, messages, now)
        return replace(message, state=DeliveryState.SENT, fault=None, claimed_at=at)

    async def _received(
        self, c: AsyncConnection, catalogue: Catalogue, head: Head, message: ReportedDelivery, now: datetime
    ) -> Taken:
        if message.fault is not None and message.state is DeliveryState.SENT and message.channel != "email":
            await note_fault(c, self._workspace, message.id, None)
        if await self._is_received(c, message):
            return "unchanged"
        users = await load_users(c, self._workspace, [message.user_key])
        user = users[message.user_key].user.id if message.user_key in users else ERASED
        at = message.claimed_at if message.channel == "email" else None
        item = receive_interaction_of(message.id, message.channel, message.campaign, user, at or now)
        if item is None or user.startswith(ERASED):
            return "unchanged"
        await self._intake.ingest_in_transaction(c, catalogue, head, [item])
        return "received"

    async def _noted(self, c: AsyncConnection, message: ReportedDelivery, report: DeliveryReport) -> Taken:
        """That it did not arrive stands on the message, unless it is known to have arrived; email can come back."""
        sent = message.state is DeliveryState.SENT
        if report.fault in (None, message.fault) or not sent:
            return "unchanged"
        if message.channel != "email" and await self._is_received(c, message):
            return "unchanged"
        await note_fault(c, self._workspace, message.id, report.fault)
        return "noted"

    async def _is_received(self, c: AsyncConnection, message: ReportedDelivery) -> bool:
        since = message.claimed_at
        if since is None:
            return False
        return await is_logged(c, self._workspace, message.user_key, receive_id(message.id), since)
