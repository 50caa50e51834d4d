"""The activity that sends: claim, send to the provider, record. At most one message per delivery (guarantee 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.claims import Claim, claim_message
from activities.results import record_result, release_claim
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
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.results import SendResult
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.templating.templates import MessageAborted, RenderingFailed, render, template_variables
from connector.tracking.rewriting import hosts_in
from connector.wire import SendOutcome, SendRequest

_log = structlog.get_logger("send")
_T = TypeVar("_T")


class Sender:
    """Sends the messages of one workspace.

    Args:
        channels: by name; a message for a channel that is missing fails with `no_provider`.
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
        """Evaluate one message as of this attempt's start, and send it if no rule objects.

        Raises:
            ApplicationError: the provider surely did not accept the message; the next attempt evaluates it again.
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
        """Make one attempt at one message, for its own activity or for a launch: claim, send, record.

        Args:
            now: as of when the message is evaluated, UTC.

        Raises:
            TryLater: the provider surely did not accept the message; its claim is released.
            ApplicationError: the channel broke; a later attempt records the message as unknown.
        """
        claim = await self._claim(request, now, attempt)
        if isinstance(claim, SendOutcome):
            return claim
        try:
            result = await self._send_to_provider(claim)
        except TryLater as fault:
            await self._release(claim, fault.code, now, attempt)
            raise
        return await self._record(claim, result, now, attempt)

    async def _claim(self, request: SendRequest, now: datetime, attempt: int) -> Claim | SendOutcome:
        async def claim(tx: Transaction, catalogue: Catalogue) -> Claim | SendOutcome:
            return await claim_message(tx, catalogue, self._intake, request, now=now, attempt=attempt)

        claimed = await self._in_transaction(claim)
        if isinstance(claimed, SendOutcome) and claimed.outcome == "control":
            self._changed()
        return claimed

    async def _send_to_provider(self, claim: Claim) -> SendResult:
        """Render a claimed message and hand it to its channel; raises TryLater, or ApplicationError for a defect."""
        try:
            channel = self._channel(claim.due.channel)
            accepted = await _hand_over(channel, _render(claim))
        except TryLater:
            raise
        except (SendError, RenderingFailed, MessageAborted) as fault:
            return _result_of(fault)
        return SendResult(
            DeliveryState.SENT,
            provider_id=accepted.provider_id,
            is_reported=accepted.reported,
            invalid_tokens=accepted.invalid_tokens,
        )

    async def _record(self, claim: Claim, result: SendResult, now: datetime, attempt: int) -> SendOutcome:
        if result.fault is not None:
            _log.warning("not_sent", delivery=claim.due.delivery_id, reason=result.reason, fault=result.fault)

        async def record(tx: Transaction, catalogue: Catalogue) -> tuple[SendOutcome, bool]:
            return await record_result(tx, catalogue, self._intake, claim, result, now=now, attempt=attempt)

        outcome, changed = await self._in_transaction(record)
        if changed:
            self._changed()
        return outcome

    async def _release(self, claim: Claim, fault: str, now: datetime, attempt: int) -> None:
        _log.info("send_is_tried_again", delivery=claim.due.delivery_id, fault=fault, attempt=attempt)

        async def release(tx: Transaction, catalogue: Catalogue) -> None:
            await release_claim(tx, catalogue, self._intake, claim, fault, now=now, attempt=attempt)

        await self._in_transaction(release)

    async def _in_transaction(self, act: Callable[[Transaction, Catalogue], Awaitable[_T]]) -> _T:
        return await with_current_catalogue(self._database, self._cache, self._workspace, act)

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            raise Rejected("no_provider", f"no provider is set up for {name}")
        return self._channels[name]


def _render(claim: Claim) -> OutgoingMessage:
    """Render a message for its channel; raises TemplateFault or Aborted."""
    user, due = claim.user, claim.due
    sms = claim.content.sms if due.channel == "sms" else None
    return OutgoingMessage(
        delivery_id=due.delivery_id,
        campaign=due.follow_up.campaign,
        channel=due.channel,
        address=Address(user.id, user.email, user.phone, tuple(user.push_tokens)),
        content=render(claim.content, due.channel, template_variables(due.follow_up, user, claim.campaign)),
        hosts=None if sms is None else hosts_in(sms.body),
    )


async def _hand_over(channel: Channel, message: OutgoingMessage) -> Accepted:
    try:
        return await channel.send(message)
    except SendError:
        raise
    except Exception as error:  # a defect of the channel: its text could name a person, so only its type is passed on
        _log.exception("channel_broke", delivery=message.delivery_id)
        raise ApplicationError("the channel broke", type=type(error).__name__) from None


def _result_of(fault: SendError | RenderingFailed | MessageAborted) -> SendResult:
    if isinstance(fault, Rejected):
        return SendResult(DeliveryState.FAILED, Reason.SEND_FAILED, fault.code, invalid_tokens=fault.invalid_tokens)
    if isinstance(fault, OutcomeUnknown):
        return SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN, fault.code)
    code = "template_aborted" if isinstance(fault, MessageAborted) else "template_fault"
    return SendResult(DeliveryState.DROPPED, Reason.ABORTED_BY_TEMPLATE, code)
