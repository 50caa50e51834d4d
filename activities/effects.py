"""Apply the effects of decisions to the store, inside the transaction in which they were decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.sending.effects import (
    BeginFollowUp,
    CancelFollowUp,
    ChangeFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    KeepAssignment,
    SaveReceipt,
    WriteDelivery,
)
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import write_delivery
from connector.store.follow_ups.follow_ups import end_follow_ups, insert_follow_ups, update_follow_up
from connector.store.follow_ups.receipts import ReceiptKey, insert_assignments, receipt_key, save_receipts
from connector.store.users.descriptions import forget_push_tokens


async def apply_effects(
    tx: Transaction, catalogue: Catalogue, intake: Intake, effects: Iterable[Effect], *, now: datetime, attempt: int
) -> bool:
    """Apply effects in their order; returns whether what was ingested began or ended follow-ups.

    What a launch has many of, assignments, follow-ups, receipts and enrolments, is written in one statement each.

    Args:
        now: when the effects were decided, UTC.
        attempt: which attempt of the activity it is, for the deliveries' rows.
    """
    assignments: list[KeepAssignment] = []
    begun: list[FollowUp] = []
    receipts: dict[ReceiptKey, datetime] = {}
    interactions: list[Interaction] = []
    for effect in effects:
        match effect:
            case KeepAssignment():
                assignments.append(effect)
            case BeginFollowUp(follow_up):
                begun.append(follow_up)
            case ChangeFollowUp(follow_up, fields):
                await update_follow_up(tx, follow_up, fields)
            case CancelFollowUp(follow_up):
                await end_follow_ups(tx, [follow_up])
            case WriteDelivery():
                await write_delivery(tx, effect, attempt)
            case SaveReceipt(follow_up, at):
                receipts[receipt_key(follow_up)] = at
            case ForgetPushTokens(user_key, tokens):
                await forget_push_tokens(tx, user_key, tokens)
            case IngestInteraction(interaction):
                interactions.append(interaction)
    await insert_assignments(tx, assignments)
    await save_receipts(tx, receipts)
    await insert_follow_ups(tx, begun, now, by_launch=True)
    return bool(interactions) and (await intake.ingest_in_transaction(tx, catalogue, interactions)).changed
