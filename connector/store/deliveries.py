"""The messages of a follow-up, one row a channel, and how they settle the follow-up's own row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.caps import LONGEST, PastSend
from connector.rules.passages import Passage
from connector.rules.reasons import Reason, State
from connector.store.tables import deliveries, follow_ups


class DeliveryState(StrEnum):
    """Where one message stands. Open and claimed ones are undecided; the others are final."""

    OPEN = "open"
    CLAIMED = "claimed"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"
    UNKNOWN = "unknown"


OUT = (DeliveryState.CLAIMED, DeliveryState.SENT, DeliveryState.UNKNOWN)
"""What counts for frequency caps: what went out, what may have, and what is about to (W2, guarantee 4)."""


@dataclass(frozen=True)
class Delivery:
    """One message on one channel. `id` is the provider's idempotency key; `claimed_at` is its dispatch, UTC."""

    id: str
    channel: str
    state: DeliveryState
    reason: Reason | None = None
    claimed_at: datetime | None = None


def delivery_id(follow_up_id: str, channel: str) -> str:
    """The id of a message, the same on every attempt."""
    return f"{follow_up_id}.{channel}"


async def load_deliveries(c: AsyncConnection, workspace: str, follow_up_id: str) -> dict[str, Delivery]:
    """The messages of a follow-up that have been judged, by channel."""
    table = deliveries.c
    statement = select(deliveries).where(table.workspace == workspace, table.follow_up_id == follow_up_id)
    return {
        row.channel: Delivery(
            row.id,
            row.channel,
            DeliveryState(row.state),
            None if row.reason is None else Reason(row.reason),
            row.claimed_at,
        )
        for row in await c.execute(statement)
    }


async def load_past_sends(c: AsyncConnection, workspace: str, user_key: str, now: datetime) -> list[PastSend]:
    """What the user was sent or is about to be sent, as far back as a cap can look."""
    table = deliveries.c
    statement = select(table.follow_up_id, table.channel, table.claimed_at).where(
        table.workspace == workspace,
        table.user_key == user_key,
        table.claimed_at > now - LONGEST,
        table.state.in_(OUT),
    )
    return [PastSend(row.follow_up_id, row.channel, row.claimed_at) for row in await c.execute(statement)]


async def write_delivery(
    c: AsyncConnection,
    workspace: str,
    passage: Passage,
    delivery: Delivery,
    *,
    known: bool,
    attempt: int,
    decided_at: datetime | None = None,
    fault: str | None = None,
    provider_id: str | None = None,
) -> None:
    """Insert a message's row, or give the one that is `known` its new state. Faults are our codes, never texts."""
    values = {
        "state": delivery.state.value,
        "reason": delivery.reason,
        "claimed_at": delivery.claimed_at,
        "decided_at": decided_at,
        "attempt": attempt,
        "fault": fault,
        "provider_id": provider_id,
    }
    if known:
        where = (deliveries.c.workspace == workspace, deliveries.c.id == delivery.id)
        await c.execute(update(deliveries).where(*where).values(**values))
        return
    await c.execute(
        insert(deliveries).values(
            workspace=workspace,
            id=delivery.id,
            follow_up_id=passage.id,
            campaign=passage.campaign,
            user_key=passage.user_key,
            channel=delivery.channel,
            **values,
        )
    )


async def hold_until(c: AsyncConnection, workspace: str, passage: Passage, until: datetime) -> None:
    """The follow-up waits on, for this instant."""
    await _change(c, workspace, passage, {"state": State.HELD.value, "next_at": until})


async def mark_sending(c: AsyncConnection, workspace: str, passage: Passage, at: datetime) -> None:
    """A message of the follow-up is claimed; the first claim is its dispatch (X1)."""
    dispatched = func.coalesce(follow_ups.c.dispatched_at, at)
    await _change(c, workspace, passage, {"state": State.SENDING.value, "dispatched_at": dispatched})


async def release(c: AsyncConnection, workspace: str, passage: Passage, messages: Mapping[str, Delivery]) -> bool:
    """A claim came to nothing, surely: where nothing else is out, the follow-up can be called off again; whether so."""
    if any(message.state in OUT for message in messages.values()):
        return False
    await _change(c, workspace, passage, {"state": State.WAITING.value, "dispatched_at": None})
    return True


async def change_channels(c: AsyncConnection, workspace: str, passage: Passage, channels: tuple[str, ...]) -> None:
    """The newest live content goes out on other channels than those that the follow-up began with."""
    await _change(c, workspace, passage, {"channels": list(channels)})


async def settle(
    c: AsyncConnection, workspace: str, passage: Passage, messages: Mapping[str, Delivery], now: datetime
) -> State | None:
    """End the follow-up's row once all of its channels are decided; returns its final state, None until then.

    What went out on a channel that newer content no longer has counts too.
    """
    final = outcome_of(list(messages.values()))
    decided = all(
        channel in messages and messages[channel].state not in (DeliveryState.OPEN, DeliveryState.CLAIMED)
        for channel in passage.channels
    )
    if not decided or final is None:
        return None
    state, reason = final
    await _change(c, workspace, passage, {"state": state.value, "reason": reason, "decided_at": now})
    return state


async def end_as(
    c: AsyncConnection, workspace: str, passage: Passage, state: State, reason: Reason | None, now: datetime
) -> None:
    """End the follow-up's row as a whole, whatever its channels."""
    await _change(c, workspace, passage, {"state": state.value, "reason": reason, "decided_at": now})


def outcome_of(messages: list[Delivery]) -> tuple[State, Reason | None] | None:
    """What a follow-up came to by its messages: sent where at least one went out; else failed; else dropped.

    A reason that concerns one channel only (`no_consent`, `unreachable`) gives way to one that concerns them all.
    """
    if not messages:
        return None
    states = {message.state for message in messages}
    if DeliveryState.SENT in states:
        return State.SENT, None
    if DeliveryState.UNKNOWN in states:
        return State.FAILED, Reason.SEND_UNKNOWN
    if DeliveryState.FAILED in states:
        return State.FAILED, Reason.SEND_FAILED
    reasons = {message.reason for message in messages if message.reason is not None}
    weighed = sorted(reasons, key=lambda reason: (_OF_ONE_CHANNEL.get(reason, 0), reason))
    return State.DROPPED, weighed[0] if weighed else None


_OF_ONE_CHANNEL = {Reason.UNREACHABLE: 1, Reason.NO_CONSENT: 2}


async def _change(c: AsyncConnection, workspace: str, passage: Passage, values: Mapping[str, object]) -> None:
    where = (follow_ups.c.workspace == workspace, follow_ups.c.id == passage.id)
    await c.execute(update(follow_ups).where(*where).values(**values))
