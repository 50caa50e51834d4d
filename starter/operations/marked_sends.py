"""Test sends: one marked message of a preview, through the channel's real provider, to an address of the caller's.

It makes no follow-up, no delivery, no interaction and no receipt, and has no tracked links; the audit trail has who did
it, for which campaign and channel, but no address.

ConnectorError
└── SendTestRefused  nothing was sent: no provider, another kind of address, a suppressed one, or a rate that is used up
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from connector.app.store_context import StoreContext
from connector.channels.console import ConsoleChannel
from connector.channels.protocol import Address, Channel, OutcomeUnknown, OutgoingMessage, Rejected, SendError, TryLater
from connector.channels.registry import open_test_channel
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.addresses import stored_address
from connector.rules.model.audit import Act, Actor, AuditAction, Outcome
from connector.rules.model.reasons import Reason
from connector.rules.sending.rates import per_second, take_from_window
from connector.rules.sending.trial import address_fault, channel_of_address, mark_content
from connector.store.audit import record_audit
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.rates import lock_windows, save_windows
from connector.store.provider_events.attribution import find_holders
from connector.store.users.marks import find_erased
from connector.store.users.suppressions import is_address_suppressed
from connector.templating.templates import MessageAborted, RenderingFailed
from starter.operations.errors import NotAllowedNow
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import render_subject
from starter.operations.preview_subject import load_subject


class SendTestRefused(NotAllowedNow):
    """Nothing was sent."""


async def send_test(
    context: StoreContext, actor: Actor, choice: Choice, address: str, *, reason: str | None = None
) -> dict[str, Any]:
    """Send one message of a preview, marked as a test, to an address.

    Args:
        choice: as for `preview_messages`; without `channel`, the address's form decides it.
        reason: why, for the audit trail.

    Returns:
        `provider_id` is the provider's id, if it gave one. `is_printed`: the channel has no provider, and `connector
        dev` prints its messages instead of sending them.

    Raises:
        SendTestRefused: nothing was sent, or the provider's answer was lost, as its text says.
        Whatever `load_subject` raises.
    """
    channel = choice.channel or channel_of_address(address)
    if fault := address_fault(channel, address):
        raise SendTestRefused(fault)
    subject = await load_subject(context, replace(choice, channel=channel))
    try:
        rendered = await render_subject(context, subject, channel)
    except (RenderingFailed, MessageAborted) as failure:
        raise SendTestRefused(str(failure)) from None
    except Rejected as refusal:
        raise SendTestRefused(_words_of(refusal)) from None
    provider = open_test_channel(context.settings, channel)
    if provider is None:
        raise SendTestRefused(f"{channel} has no provider by the settings of this process; docs/channels.md lists them")
    message = _mark(rendered, address)
    act = Act(AuditAction.SEND_TEST, choice.campaign, {"channel": channel}, reason, "requested", message.delivery_id)
    try:
        await _begin(context, actor, act, channel, address)
        accepted = await _hand_over(context, actor, act, provider, message)
    finally:
        await provider.close()
    return {
        "campaign": choice.campaign,
        "channel": channel,
        "id": message.delivery_id,
        "provider_id": accepted,
        "is_printed": isinstance(provider, ConsoleChannel),
    }


async def _begin(context: StoreContext, actor: Actor, act: Act, channel: str, address: str) -> None:
    """Check the address, take a place of the channel's rate and record the request. Raises SendTestRefused."""
    async with context.database.write(context.workspace) as tx:
        if channel in ("email", "sms"):
            if await is_address_suppressed(tx, channel, address):
                raise SendTestRefused(
                    "the address is on the suppression list: a provider reported that it takes no messages"
                )
            if (await find_erased(tx, (), [(channel, address)]))[1] and not await find_holders(tx, channel, [address]):
                raise SendTestRefused("the address was a user's who was erased; nothing is sent to it")
        await _take_place(tx, context, channel)
        await record_audit(tx, actor, act)


async def _take_place(tx: Transaction, context: StoreContext, channel: str) -> None:
    rate = context.settings.channel_rates.get(channel)  # type: ignore[call-overload]
    if rate is None:
        return
    window = (await lock_windows(tx, [channel]))[channel]
    limit, now = per_second(rate), await database_now(tx)
    granted, taken = take_from_window(window, now, limit, 1)
    if not granted:
        seconds = max(1.0, limit.left(taken, now).total_seconds())
        raise SendTestRefused(f"the rate of {channel} is used up; try again in {seconds:.0f} seconds")
    await save_windows(tx, {channel: taken})


async def _hand_over(
    context: StoreContext, actor: Actor, act: Act, provider: Channel, message: OutgoingMessage
) -> str | None:
    """Hand the message to its provider, and record the outcome; return the provider's id for it."""
    outcome: Outcome = "refused"
    try:
        accepted = await provider.send(message)
        outcome = "done"
    except OutcomeUnknown as lost:
        outcome = "done"  # it may have gone out
        raise SendTestRefused(f"the provider's answer was lost ({lost.code}): the message may have been sent") from None
    except (Rejected, TryLater) as refusal:
        raise SendTestRefused(_words_of(refusal)) from None
    finally:
        async with context.database.write(context.workspace) as tx:
            await record_audit(tx, actor, replace(act, outcome=outcome))
    return accepted.provider_id


def _mark(rendered: OutgoingMessage, address: str) -> OutgoingMessage:
    """Return the message with its mark, to the address, with an id that names no delivery."""
    channel = rendered.channel
    to = stored_address(channel, address)
    addressed = {
        "email": Address("test", email=to),
        "sms": Address("test", phone=to),
        "push": Address("test", push_tokens=(address,)),
    }
    return replace(
        rendered,
        delivery_id=f"test-{uuid4().hex}",
        campaign=f"{rendered.campaign} (test)",  # no id of a campaign, so that no app can report about it
        address=addressed[channel],
        content=mark_content(channel, rendered.content),
        hosts=None,
    )


def _words_of(refusal: SendError) -> str:
    """Return why a message was not sent; the provider's own text is not in it."""
    detail = str(refusal).partition(": ")[2]
    code = f"{REASON_TEXTS[Reason.SEND_FAILED]} ({refusal.code})"
    return f"{code}: {detail}" if detail else code
