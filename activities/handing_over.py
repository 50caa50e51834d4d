"""Render a claimed message and hand it to its provider; return the result, and the text to keep."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from temporalio.exceptions import ApplicationError

from activities.claims import Claim
from connector import tracing
from connector.channels.keeping import KeptText, TextKeeper
from connector.channels.protocol import (
    Accepted,
    Channel,
    OutcomeUnknown,
    OutgoingMessage,
    Rejected,
    SendError,
    TryLater,
)
from connector.channels.rendering import MessageToRender, render_message
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.results import SendResult
from connector.templating.templates import MessageAborted, RenderingFailed, RenderMoment, result_of_failure

_log = structlog.get_logger("send")


async def hand_over(
    claim: Claim, channel: Channel, link_hosts: Collection[str], keeper: TextKeeper
) -> tuple[SendResult, KeptText | None]:
    """Render a claimed message and hand it to its channel; return the result, and the text to keep.

    Args:
        link_hosts: as in `render_message`.

    Raises:
        TryLater: the provider surely did not accept the message. ApplicationError: a defect of the channel.
    """
    text: KeptText | None = None
    try:
        message = await _render(claim, link_hosts)
        text = keeper.take(message)
        accepted = await _send(channel, message)
    except TryLater:
        raise
    except (RenderingFailed, MessageAborted) as failure:
        return result_of_failure(failure), None
    except (Rejected, OutcomeUnknown) as fault:
        return _result_of(fault), text
    sent = SendResult(
        DeliveryState.SENT,
        provider_id=accepted.provider_id,
        is_reported=accepted.reported,
        invalid_tokens=accepted.invalid_tokens,
    )
    return sent, text


async def _render(claim: Claim, link_hosts: Collection[str]) -> OutgoingMessage:
    """Render a claimed message; raises as `render_message` does."""
    due, moment = claim.due, RenderMoment(claim.dispatched_at, claim.zone)
    message = MessageToRender(
        due.delivery_id, due.follow_up, due.channel, claim.user, claim.campaign, claim.content, moment
    )
    return await render_message(message, link_hosts)


async def _send(channel: Channel, message: OutgoingMessage) -> Accepted:
    facts = {"connector.channel": message.channel, "connector.campaign": message.campaign}
    try:
        with tracing.span(f"send {message.channel}", "client", facts) as span:
            try:
                return await channel.send(message)
            except SendError as fault:
                span.fail(fault.code)
                raise
    except SendError:
        raise
    except Exception as error:  # a defect of the channel: its text could name a person, so only its type is passed on
        _log.exception("channel_broke", delivery=message.delivery_id)
        raise ApplicationError("the channel broke", type=type(error).__name__) from None


def _result_of(fault: Rejected | OutcomeUnknown) -> SendResult:
    if isinstance(fault, Rejected):
        return SendResult(
            DeliveryState.FAILED,
            Reason.SEND_FAILED,
            fault.code,
            invalid_tokens=fault.invalid_tokens,
            meaning=fault.meaning,
        )
    return SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN, fault.code)
