"""The messages of a follow-up, one row a channel, and how they settle the follow-up's own row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, insert, select, update

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import OUT, Delivery, DeliveryState, settle_follow_up
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, follow_ups


async def load_deliveries(tx: Transaction, follow_up_id: str) -> dict[str, Delivery]:
    """The messages of a follow-up that have been judged, by channel."""
    table = deliveries.c
    statement = select(deliveries).where(tx.in_workspace(deliveries), table.follow_up_id == follow_up_id)
    return {
        row.channel: Delivery(
            row.id,
            row.channel,
            DeliveryState(row.state),
            None if row.reason is None else Reason(row.reason),
            row.claimed_at,
        )
        for row in await tx.execute(statement)
    }


async def load_past_sends(tx: Transaction, user_key: str, now: datetime) -> list[PastSend]:
    """What the user was sent or is about to be sent, as far back as a cap can look."""
    table = deliveries.c
    statement = select(table.follow_up_id, table.channel, table.claimed_at).where(
        tx.in_workspace(deliveries),
        table.user_key == user_key,
        table.claimed_at > now - MAX_CAP_LOOKBACK,
        table.state.in_(OUT),
    )
    return [PastSend(row.follow_up_id, row.channel, row.claimed_at) for row in await tx.execute(statement)]


async def write_delivery(
    tx: Transaction,
    follow_up: FollowUp,
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
        where = (tx.in_workspace(deliveries), deliveries.c.id == delivery.id)
        await tx.execute(update(deliveries).where(*where).values(**values))
        return
    await tx.execute(
        insert(deliveries).values(
            workspace=tx.workspace,
            id=delivery.id,
            follow_up_id=follow_up.id,
            campaign=follow_up.campaign,
            user_key=follow_up.user_key,
            channel=delivery.channel,
            **values,
        )
    )


async def hold_until(tx: Transaction, follow_up: FollowUp, until: datetime) -> None:
    """The follow-up waits on, for this instant."""
    await _change(tx, follow_up, {"state": State.HELD.value, "next_at": until})


async def mark_sending(tx: Transaction, follow_up: FollowUp, at: datetime) -> None:
    """A message of the follow-up is claimed; the first claim is its dispatch (X1)."""
    dispatched = func.coalesce(follow_ups.c.dispatched_at, at)
    await _change(tx, follow_up, {"state": State.SENDING.value, "dispatched_at": dispatched})


async def release(tx: Transaction, follow_up: FollowUp, messages: Mapping[str, Delivery]) -> bool:
    """A claim came to nothing, surely: where nothing else is out, the follow-up can be called off again; whether so."""
    if any(message.state in OUT for message in messages.values()):
        return False
    await _change(tx, follow_up, {"state": State.WAITING.value, "dispatched_at": None})
    return True


async def change_channels(tx: Transaction, follow_up: FollowUp, channels: tuple[str, ...]) -> None:
    """The newest live content goes out on other channels than those that the follow-up began with."""
    await _change(tx, follow_up, {"channels": list(channels)})


async def settle(tx: Transaction, follow_up: FollowUp, messages: Mapping[str, Delivery], now: datetime) -> State | None:
    """End the follow-up's row once all of its channels are decided; returns its final state, None until then."""
    ended = settle_follow_up(follow_up, messages, now)
    if ended is None:
        return None
    await end_as(tx, follow_up, ended.state, ended.reason, now)
    return ended.state


async def end_as(tx: Transaction, follow_up: FollowUp, state: State, reason: Reason | None, now: datetime) -> None:
    """End the follow-up's row as a whole, whatever its channels."""
    await _change(tx, follow_up, {"state": state.value, "reason": reason, "decided_at": now})


async def _change(tx: Transaction, follow_up: FollowUp, values: Mapping[str, object]) -> None:
    where = (tx.in_workspace(follow_ups), follow_ups.c.id == follow_up.id)
    await tx.execute(update(follow_ups).where(*where).values(**values))
