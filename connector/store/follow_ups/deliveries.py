"""Deliveries, one row for each message on one channel: one query for all who read them, and how they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, delete, func, or_, select, update

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import (
    OUT,
    Delivery,
    DeliveryRecord,
    DeliveryState,
    newest_by_channel,
    receive_id,
    resend_number,
    settle_again,
    with_rest,
)
from connector.rules.sending.effects import WriteDelivery
from connector.rules.timing.caps import MAX_CAP_LOOKBACK, PastSend
from connector.store.engine.bulk import as_table, in_set, upsert_rows
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.follow_ups import update_follow_ups
from connector.store.tables import deliveries, interactions, user_aliases
from connector.store.users.marks import make_pseudonym

_DECIDED = ("state", "reason", "claimed_at", "decided_at", "attempt", "fault", "detail", "provider_id")
"""The columns that a decision about a delivery changes."""
_RESOLVED = ("id", "state", "reason", "fault", "detail", "decided_at")
"""The id, and the columns that change when an operator settles a message."""


async def find_deliveries(
    tx: Transaction, *conditions: ColumnElement[bool], with_user: bool = False
) -> list[DeliveryRecord]:
    """Load the deliveries that meet these conditions on their table, ordered by follow-up, channel and resend.

    Args:
        with_user: load `user`, the id by which services know the user, too; it is '' of an erased user.
    """
    table, alias = deliveries.c, user_aliases.c
    statement = select(deliveries).where(tx.in_workspace(deliveries), *conditions)
    if with_user:
        same_user = and_(alias.workspace == table.workspace, alias.user_key == table.user_key)
        statement = statement.add_columns(alias.external_id, alias.rank).outerjoin(user_aliases, same_user)
    rows = (await tx.execute(statement)).mappings().all()
    if with_user:  # a user of several ids is known by the one of the lowest rank, which comes last
        rows = sorted(rows, key=lambda row: (row["rank"] or 0, row["external_id"] or ""), reverse=True)
    records = {row["id"]: _record(row) for row in rows}
    return sorted(records.values(), key=lambda one: (one.follow_up_id, one.channel, resend_number(one.id)))


async def load_delivery(tx: Transaction, delivery_id: str) -> DeliveryRecord | None:
    """Load a delivery by its id; None if there is none."""
    return next(iter(await find_deliveries(tx, deliveries.c.id == delivery_id)), None)


async def load_deliveries_by_id(tx: Transaction, ids: Collection[str]) -> dict[str, DeliveryRecord]:
    """Load the deliveries that exist of these, by id, with their users; one of an erased user has no `user`."""
    records = await find_deliveries(tx, in_set(tx, deliveries.c.id, ids), with_user=True) if ids else []
    return {record.id: record for record in records}


async def load_deliveries(tx: Transaction, follow_up_id: str) -> dict[str, DeliveryRecord]:
    """Load the newest deliveries of a follow-up, by channel; a channel that was never attempted has none."""
    return newest_by_channel(await find_deliveries(tx, deliveries.c.follow_up_id == follow_up_id))


async def load_deliveries_by_follow_up(
    tx: Transaction, follow_up_ids: Collection[str]
) -> dict[str, list[DeliveryRecord]]:
    """Load the deliveries of follow-ups, by follow-up, those that were sent again included.

    A follow-up that has none is left out.
    """
    by_follow_up: dict[str, list[DeliveryRecord]] = {}
    for record in await find_deliveries(tx, in_set(tx, deliveries.c.follow_up_id, follow_up_ids)):
        by_follow_up.setdefault(record.follow_up_id, []).append(record)
    return by_follow_up


async def load_rests(tx: Transaction, follow_ups: Sequence[FollowUp]) -> list[FollowUp]:
    """Return follow-ups, those that were partly sent with their remaining channels (X1); reads nothing without any."""
    partly = [follow_up.id for follow_up in follow_ups if follow_up.is_open and follow_up.dispatched_at is not None]
    if not partly:
        return list(follow_ups)
    records = await load_deliveries_by_follow_up(tx, partly)
    return [with_rest(one, newest_by_channel(records.get(one.id, ()))) for one in follow_ups]


async def load_past_sends(
    tx: Transaction, user_keys: Collection[str], since: datetime, *, but: str | None = None
) -> dict[str, list[PastSend]]:
    """Load what users were sent or are about to be sent since an instant, and as far before as a frequency cap looks.

    Args:
        since: UTC. but: a campaign whose messages are left out.

    Returns:
        The sends by user key, in the order of their dispatch.
    """
    table = deliveries.c
    conditions = [table.claimed_at > since - MAX_CAP_LOOKBACK, table.state.in_(OUT)]
    if but is not None:
        conditions.append(table.campaign != but)
    past_sends: dict[str, list[PastSend]] = {user_key: [] for user_key in user_keys}
    for record in await find_deliveries(tx, in_set(tx, table.user_key, user_keys), *conditions):
        if record.claimed_at is not None:
            past_sends[record.user_key].append(PastSend(record.follow_up_id, record.channel, record.claimed_at))
    for sends in past_sends.values():
        sends.sort(key=lambda send: send.at)
    return past_sends


async def write_deliveries(tx: Transaction, written: Sequence[WriteDelivery]) -> None:
    """Insert deliveries, or update the stored ones. Faults are the connector's codes, never a provider's text."""
    rows = [
        {
            "workspace": tx.workspace,
            "id": delivery.id,
            "follow_up_id": one.follow_up.id,
            "campaign": one.follow_up.campaign,
            "user_key": one.follow_up.user_key,
            "channel": delivery.channel,
            "state": delivery.state.value,
            "reason": delivery.reason,
            "claimed_at": delivery.claimed_at,
            "decided_at": one.decided_at,
            "attempt": one.attempt,
            "fault": one.fault,
            "detail": one.detail,
            "provider_id": await _provider_id(tx, one),
        }
        for one in written
        for delivery in (one.delivery,)
    ]
    if rows:
        await tx.execute(upsert_rows(tx, deliveries, rows, _DECIDED))


async def _provider_id(tx: Transaction, written: WriteDelivery) -> str | None:
    """Return the provider's id for a message; a pseudonym if the user was erased meanwhile (guarantee 8)."""
    if written.provider_id is None or not written.follow_up.is_erased:
        return written.provider_id
    return await make_pseudonym(tx, written.provider_id)


async def mark_accepted(
    tx: Transaction, delivery_id: str, provider_id: str | None, *, claimed_at: datetime, now: datetime
) -> None:
    """Mark a message as sent: the provider had accepted it, whatever its response was (guarantee 4)."""
    await _update(
        tx,
        delivery_id,
        state=DeliveryState.SENT.value,
        reason=None,
        fault=None,
        claimed_at=claimed_at,
        decided_at=now,
        provider_id=func.coalesce(deliveries.c.provider_id, provider_id),
    )


async def delete_if_open(tx: Transaction, delivery_id: str) -> None:
    """Delete a message that waits to be sent again, because an earlier one turned out to be sent (guarantee 4)."""
    is_open = (deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.OPEN.value)
    await tx.execute(delete(deliveries).where(tx.in_workspace(deliveries), *is_open))


async def save_resolutions(tx: Transaction, settled: Sequence[DeliveryRecord]) -> None:
    """Save how an operator settled messages whose results were unknown, in one statement."""
    if not settled:
        return
    rows = [{name: getattr(one, name) for name in _RESOLVED} for one in settled]
    new, table = as_table(tx, {name: deliveries.c[name].type for name in _RESOLVED}, rows).c, deliveries.c
    values = {name: new[name] for name in _RESOLVED if name != "id"}
    await tx.execute(update(deliveries).where(tx.in_workspace(deliveries), table.id == new.id).values(values))


async def save_fault(tx: Transaction, delivery_id: str, fault: str | None) -> None:
    """Save why a message that was sent did not arrive, a code of ours; None: it arrived."""
    await _update(tx, delivery_id, fault=fault)


async def save_faults(tx: Transaction, faults: Mapping[str, str]) -> None:
    """Save the faults of many messages, by their ids, in one statement.

    A message that was not sent keeps its fault, and a text that arrived gets none; an email can bounce later.
    """
    if not faults:
        return
    table, log = deliveries.c, interactions.c
    receipt = select(log.id).where(
        tx.in_workspace(interactions),
        log.user_key == table.user_key,
        log.t >= table.claimed_at,
        log.id == bindparam("receipt"),
    )
    statement = (
        update(deliveries)
        .where(tx.in_workspace(deliveries), table.id == bindparam("delivery"))
        .where(table.state == DeliveryState.SENT.value, or_(table.channel == "email", ~receipt.exists()))
        .values(fault=bindparam("new_fault"))
    )
    rows = [{"delivery": id, "receipt": receive_id(id), "new_fault": fault} for id, fault in sorted(faults.items())]
    await tx.execute(statement, rows)


async def settle(
    tx: Transaction, follow_up: FollowUp, by_channel: Mapping[str, Delivery], now: datetime
) -> State | None:
    """End a follow-up once all of its channels are decided, or correct its end; return its state, None while open."""
    ended = settle_again(follow_up, by_channel, now)
    if ended.is_open:
        return None
    await update_follow_ups(tx, [ended])
    if follow_up.is_open:
        count_ended(tx, [ended])
    return ended.state


async def _update(tx: Transaction, delivery_id: str, **values: object) -> None:
    where = (tx.in_workspace(deliveries), deliveries.c.id == delivery_id)
    await tx.execute(update(deliveries).where(*where).values(**values))


def _record(row: RowMapping) -> DeliveryRecord:
    return DeliveryRecord(
        id=row["id"],
        channel=row["channel"],
        state=DeliveryState(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        claimed_at=row["claimed_at"],
        follow_up_id=row["follow_up_id"],
        campaign=row["campaign"],
        user_key=row["user_key"],
        user=row.get("external_id") or "",
        decided_at=row["decided_at"],
        fault=row["fault"],
        detail=row["detail"],
        provider_id=row["provider_id"],
    )
