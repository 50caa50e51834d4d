"""The activity that sends: claim, render, hand over, record. At most one message a delivery (guarantee 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.claims import Claim, ClaimTransaction, outcome_for
from activities.results import SendResult, receive_of, record_result, release_claim, sent_result, variables_of
from connector import names
from connector.channels.protocol import (
    Accepted,
    Address,
    Channel,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import Delivery, DeliveryState
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.templating.templates import MessageAborted, RenderingFailed, render
from connector.tracking.rewriting import hosts_in
from connector.wire import SendOutcome, SendRequest

_log = structlog.get_logger("send")
_T = TypeVar("_T")


class Sender:
    """Sends the messages of one workspace.

    Args:
        channels: by name; a message for one that is missing fails with `no_provider`.
        changed: called when a send may have begun follow-ups of other campaigns, so that the outbox looks at once.
    """

    def __init__(
        self,
        database: Database,
        cache: CatalogueCache,
        intake: Intake,
        channels: Mapping[str, Channel],
        workspace: str,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._cache, self._intake = database, cache, intake
        self._channels, self._workspace, self._changed = channels, workspace, changed

    @activity.defn(name=names.SEND)
    async def send(self, request: SendRequest) -> SendOutcome:
        """Judge one message as of this attempt's start, and send it where nothing speaks against it.

        Raises:
            ApplicationError: the provider surely did not take it; the next attempt judges it anew.
        """
        info = activity.info()
        try:
            return await self.attempt(request, now=info.started_time, attempt=info.attempt)
        except TryLater as fault:
            raise ApplicationError(
                fault.code,
                type=fault.code,
                next_retry_delay=fault.retry_after,
                category=ApplicationErrorCategory.BENIGN,
            ) from None

    async def attempt(self, request: SendRequest, *, now: datetime, attempt: int) -> SendOutcome:
        """One attempt at one message, for whoever makes it: an activity of its own, or a launch.

        Args:
            now: as of when it is judged, UTC.

        Raises:
            TryLater: the provider surely did not take it; the claim is given back.
            ApplicationError: the channel broke; a later attempt decides what became of the message.
        """
        claim = await self._claim(request, now, attempt)
        if isinstance(claim, SendOutcome):
            if claim.outcome == "control":
                self._changed()
            return claim
        try:
            accepted = await self._send_to_provider(claim)
        except TryLater as fault:
            await self._give_back(claim, fault.code, now, attempt)
            raise
        except (Rejected, OutcomeUnknown, RenderingFailed, MessageAborted) as fault:
            return await self._conclude(claim, _result_of_fault(fault), now, attempt)
        return await self._conclude(claim, sent_result(accepted), now, attempt)

    async def _claim(self, request: SendRequest, now: datetime, attempt: int) -> Claim | SendOutcome:
        async def claim(tx: Transaction, catalogue: Catalogue) -> Claim | SendOutcome:
            claiming = ClaimTransaction(tx, catalogue, self._intake, request, now=now, attempt=attempt)
            return await claiming.claim()

        return await self._under_lock(claim)

    async def _send_to_provider(self, claim: Claim) -> Accepted:
        channel = self._channels.get(claim.delivery.channel)
        if channel is None:
            raise Rejected("no_provider", f"no provider is set up for {claim.delivery.channel}")
        user = claim.user
        sms = claim.content.sms if claim.delivery.channel == "sms" else None
        message = OutgoingMessage(
            delivery_id=claim.delivery.id,
            campaign=claim.follow_up.campaign,
            channel=claim.delivery.channel,
            address=Address(user.id, user.email, user.phone, tuple(user.push_tokens)),
            content=render(claim.content, claim.delivery.channel, variables_of(claim)),
            hosts=None if sms is None else hosts_in(sms.body),
        )
        try:
            return await channel.send(message)
        except SendError:
            raise
        except Exception as error:  # a defect of the channel: its text could name a person, so only its kind goes on
            _log.exception("channel_broke", delivery=claim.delivery.id)
            raise ApplicationError("the channel broke", type=type(error).__name__) from None

    async def _conclude(self, claim: Claim, conclusion: SendResult, now: datetime, attempt: int) -> SendOutcome:
        """Write what became of it, and take its `receive_*` in, in one transaction: chains just work."""
        received = receive_of(claim) if conclusion.state is DeliveryState.SENT and not conclusion.reported else None
        if conclusion.fault is not None:
            _log.warning("not_sent", delivery=claim.delivery.id, reason=conclusion.reason, fault=conclusion.fault)

        async def record(tx: Transaction, catalogue: Catalogue) -> tuple[Delivery, bool]:
            final = await record_result(tx, claim, conclusion, now=now, attempt=attempt)
            if received is None:
                return final, False
            return final, (await self._intake.ingest_in_transaction(tx, catalogue, [received])).changed

        final, changed = await self._under_lock(record)
        if changed:
            self._changed()
        return outcome_for(final.state, final.reason)

    async def _give_back(self, claim: Claim, fault: str, now: datetime, attempt: int) -> None:
        _log.info("send_is_tried_again", delivery=claim.delivery.id, fault=fault, attempt=attempt)

        async def undo(tx: Transaction, catalogue: Catalogue) -> None:
            await release_claim(tx, claim, fault, catalogue, now=now, attempt=attempt)

        await self._under_lock(undo)

    async def _under_lock(self, act: Callable[[Transaction, Catalogue], Awaitable[_T]]) -> _T:
        return await with_current_catalogue(self._database, self._cache, self._workspace, act)


def _result_of_fault(fault: Rejected | OutcomeUnknown | RenderingFailed | MessageAborted) -> SendResult:
    if isinstance(fault, Rejected):
        return SendResult(DeliveryState.FAILED, Reason.SEND_FAILED, fault.code, invalid_tokens=fault.invalid_tokens)
    if isinstance(fault, OutcomeUnknown):
        return SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN, fault.code)
    code = "template_aborted" if isinstance(fault, MessageAborted) else "template_fault"
    return SendResult(DeliveryState.DROPPED, Reason.ABORTED_BY_TEMPLATE, code)
