"""What users received last, and their first assignments to control group and variant; both outlive the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, select, update

from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.store.engine.bulk import in_set, insert_rows, upsert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import assignments, deliveries, follow_ups, receipts

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
    rows = [
        {"workspace": tx.workspace, "campaign": campaign, "user_key": user_key, "key": key, "received_at": at}
        for (campaign, user_key, key), at in sorted(received.items())
    ]
    if rows:
        await tx.execute(upsert_rows(tx, receipts, rows, ["received_at"], newest_by="received_at"))


async def withdraw_receipt(tx: Transaction, follow_up: FollowUp, at: datetime) -> None:
    """Forget that a message was received at an instant (UTC), because it was not sent (W1, T1).

    What remains is the last message that went out before it, or may have, under the same key. A newer receipt stays.
    """
    campaign, user_key, key = receipt_key(follow_up)
    table, sent, its = receipts.c, deliveries.c, follow_ups.c
    same_follow_up = and_(its.workspace == sent.workspace, its.id == sent.follow_up_id)
    earlier = (
        select(func.max(sent.claimed_at))
        .join(follow_ups, same_follow_up)
        .where(tx.in_workspace(deliveries), sent.user_key == user_key, sent.campaign == campaign, its.key == key)
        .where(sent.state.in_((DeliveryState.SENT.value, DeliveryState.UNKNOWN.value)))
    )
    before = (await tx.execute(earlier)).scalar_one()
    where = (
        tx.in_workspace(receipts),
        table.campaign == campaign, table.user_key == user_key, table.key == key, table.received_at == at,
    )  # fmt: skip
    await tx.execute(
        delete(receipts).where(*where) if before is None else update(receipts).where(*where).values(received_at=before)
    )


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
