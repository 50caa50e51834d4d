"""What users received last, and their first assignments to control group and variant; both outlive the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, select, tuple_

from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState, receive_id
from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.store.engine.bulk import as_table, in_set, insert_rows, upsert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import assignments, deliveries, follow_ups, interactions, receipts

ReceiptKey = tuple[str, str, str]
"""(campaign, user key, key)."""


def receipt_key(follow_up: FollowUp) -> ReceiptKey:
    """Return the key under which a follow-up's message counts as received."""
    return follow_up.campaign, follow_up.user_key, follow_up.key


async def load_receipts(
    tx: Transaction, user_keys: Collection[str], campaigns: Collection[str] | None = None
) -> dict[ReceiptKey, datetime]:
    """Return when users last received these campaigns, by receipt key, UTC (T1). None: all campaigns."""
    table = receipts.c
    statement = select(table.campaign, table.user_key, table.key, table.received_at).where(
        tx.in_workspace(receipts), in_set(tx, table.user_key, user_keys)
    )
    if campaigns is not None:
        if not campaigns:
            return {}
        statement = statement.where(in_set(tx, table.campaign, campaigns))
    return {(row.campaign, row.user_key, row.key): row.received_at for row in await tx.execute(statement)}


async def save_receipts(tx: Transaction, received: Mapping[ReceiptKey, datetime]) -> None:
    """Save when users received campaigns (UTC); of two receipts under one key the newer one stays."""
    await _write_receipts(tx, received, newest_by="received_at")


async def _write_receipts(
    tx: Transaction, received: Mapping[ReceiptKey, datetime], *, newest_by: str | None = None
) -> None:
    rows = [
        {"workspace": tx.workspace, "campaign": campaign, "user_key": user_key, "key": key, "received_at": at}
        for (campaign, user_key, key), at in sorted(received.items())
    ]
    if rows:
        await tx.execute(upsert_rows(tx, receipts, rows, ["received_at"], newest_by=newest_by))


async def withdraw_receipts(tx: Transaction, withdrawn: Collection[tuple[ReceiptKey, datetime]]) -> None:
    """Withdraw the receipts of messages at these instants (UTC), because they were not sent (W1, T1).

    What remains is the last message that went out before, or may have, under the same key. A newer receipt stays. The
    users are locked, and the messages are saved as not sent.
    """
    users, campaigns = {key[1] for key, _ in withdrawn}, {key[0] for key, _ in withdrawn}
    received = await load_receipts(tx, users, campaigns) if withdrawn else {}
    wrong = {key for key, at in withdrawn if received.get(key) == at}
    if not wrong:
        return
    before = {key: at for key, at in (await _load_last_sends(tx, users, campaigns)).items() if key in wrong}
    await _write_receipts(tx, before)
    table, names = receipts.c, ("campaign", "user_key", "key")
    gone = [dict(zip(names, key, strict=True)) for key in sorted(wrong - before.keys())]
    if gone:
        batch = as_table(tx, {name: table[name].type for name in names}, gone).c
        chosen = tuple_(*(table[name] for name in names)).in_(select(*(batch[name] for name in names)))
        await tx.execute(delete(receipts).where(tx.in_workspace(receipts), chosen))


async def _load_last_sends(
    tx: Transaction, user_keys: Collection[str], campaigns: Collection[str]
) -> dict[ReceiptKey, datetime]:
    """Load when messages last went out, or may have, by receipt key, UTC."""
    sent, its = deliveries.c, follow_ups.c
    key = (sent.campaign, sent.user_key, its.key)
    same_follow_up = and_(its.workspace == sent.workspace, its.id == sent.follow_up_id)
    went_out = sent.state.in_((DeliveryState.SENT.value, DeliveryState.UNKNOWN.value))
    statement = (
        select(*key, func.max(sent.claimed_at))
        .join(follow_ups, same_follow_up)
        .where(tx.in_workspace(deliveries), in_set(tx, sent.user_key, user_keys), sent.campaign.in_(sorted(campaigns)))
        .where(went_out, sent.claimed_at.is_not(None))
        .group_by(*key)
    )
    return {(campaign, user_key, key): at for campaign, user_key, key, at in await tx.execute(statement)}


async def load_logged_receipts(tx: Transaction, messages: Collection[DeliveryRecord]) -> set[str]:
    """Return the ids of those messages whose `receive_*` interaction their users' logs have, on any day (M6)."""
    if not messages:
        return set()
    table, ids = interactions.c, {receive_id(one.id): one.id for one in messages}
    rows = [{"user_key": one.user_key, "id": receive_id(one.id)} for one in messages]
    batch = as_table(tx, {name: table[name].type for name in ("user_key", "id")}, rows)
    same = and_(table.user_key == batch.c.user_key, table.id == batch.c.id)
    logged = await tx.execute(select(table.id).join(batch, same).where(tx.in_workspace(interactions)))
    return {ids[id] for id in logged.scalars()}


async def load_assignments(
    tx: Transaction, campaigns: Collection[str], user_keys: Collection[str]
) -> dict[tuple[str, str], Assignment]:
    """Load the stored assignments of these users in these campaigns, by (campaign, user key) (T4)."""
    table = assignments.c
    statement = select(table.campaign, table.user_key, table.control, table.variant).where(
        tx.in_workspace(assignments), in_set(tx, table.campaign, campaigns), in_set(tx, table.user_key, user_keys)
    )
    rows = await tx.execute(statement)
    return {(row.campaign, row.user_key): Assignment(row.control, row.variant) for row in rows}


async def insert_assignments(tx: Transaction, first: Sequence[KeepAssignment]) -> None:
    """Insert the first assignments of users whose rows are locked."""
    rows = [
        {
            "workspace": tx.workspace,
            "campaign": kept.campaign,
            "user_key": kept.user_key,
            "control": kept.assignment.control,
            "variant": kept.assignment.variant,
        }
        for kept in first
    ]
    if rows:
        await tx.execute(insert_rows(tx, assignments, rows))
