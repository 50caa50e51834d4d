"""The messages of a follow-up, one row a channel, and how they settle the follow-up's own row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import insert, select, update

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import OUT, Delivery, DeliveryState, settle_follow_up
from connector.rules.sending.effects import WriteDelivery
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.store.engine.bulk import in_set
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


async def load_past_sends(tx: Transaction, user_keys: Collection[str], now: datetime) -> dict[str, list[PastSend]]:
    """Load what users were sent or are about to be sent, as far back as a frequency cap looks; by user key."""
    table = deliveries.c
    statement = select(table.user_key, table.follow_up_id, table.channel, table.claimed_at).where(
        tx.in_workspace(deliveries),
        in_set(tx, table.user_key, user_keys),
        table.claimed_at > now - MAX_CAP_LOOKBACK,
        table.state.in_(OUT),
    )
    past_sends: dict[str, list[PastSend]] = {}
    for row in await tx.execute(statement):
        past_sends.setdefault(row.user_key, []).append(PastSend(row.follow_up_id, row.channel, row.claimed_at))
    return past_sends


async def write_delivery(tx: Transaction, written: WriteDelivery, attempt: int) -> None:
    """Insert a delivery's row, or give the stored one its new state. Faults are our codes, never texts."""
    follow_up, delivery = written.follow_up, written.delivery
    values = {
        "state": delivery.state.value,
        "reason": delivery.reason,
        "claimed_at": delivery.claimed_at,
        "decided_at": written.decided_at,
        "attempt": attempt,
        "fault": written.fault,
        "provider_id": written.provider_id,
    }
    if not written.is_new:
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


async def update_follow_up(tx: Transaction, follow_up: FollowUp, fields: Collection[str]) -> None:
    """Give a follow-up's row its new values in these fields; the user's lock is held."""
    values = {name: getattr(follow_up, name) for name in fields}
    if "channels" in values:
        values["channels"] = list(follow_up.channels)
    where = (tx.in_workspace(follow_ups), follow_ups.c.id == follow_up.id)
    await tx.execute(update(follow_ups).where(*where).values(**values))


async def settle(tx: Transaction, follow_up: FollowUp, messages: Mapping[str, Delivery], now: datetime) -> State | None:
    """End the follow-up's row once all of its channels are decided; returns its final state, None until then."""
    ended = settle_follow_up(follow_up, messages, now)
    if ended is None:
        return None
    await update_follow_up(tx, ended, ("state", "reason", "decided_at"))
    return ended.state
