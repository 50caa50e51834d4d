"""Apply the effects of decisions to the store, inside the transaction in which they were decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.provider_events.consent import EventWithEffect
from connector.rules.provider_events.effects import interpret_event
from connector.rules.provider_events.events import answer_event
from connector.rules.sending.deliveries import DueMessage
from connector.rules.sending.effects import (
    BeginFollowUp,
    CancelFollowUp,
    ChangeFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    KeepAssignment,
    SaveReceipt,
    StateAddress,
    WriteDelivery,
)
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import write_deliveries
from connector.store.follow_ups.follow_ups import end_follow_ups, insert_follow_ups, update_follow_ups
from connector.store.follow_ups.receipts import ReceiptKey, insert_assignments, receipt_key, save_receipts
from connector.store.provider_events.events import apply_statements
from connector.store.users.descriptions import forget_push_tokens


async def apply_effects(
    tx: Transaction, catalogue: Catalogue, intake: Intake, effects: Iterable[Effect], due: Iterable[DueMessage] = ()
) -> bool:
    """Apply the effects of decisions about different users; return whether ingest began or ended follow-ups.

    Each kind of effect is one statement, however many there are; only push tokens are forgotten user by user.

    Args:
        due: the messages that were decided about, with their follow-ups as they were before.
    """
    assignments: list[KeepAssignment] = []
    begun: list[BeginFollowUp] = []
    changed: list[FollowUp] = []
    cancelled: list[FollowUp] = []
    written: list[WriteDelivery] = []
    receipts: dict[ReceiptKey, datetime] = {}
    answers: list[StateAddress] = []
    interactions: list[Interaction] = []
    for effect in effects:
        match effect:
            case KeepAssignment():
                assignments.append(effect)
            case BeginFollowUp():
                begun.append(effect)
            case ChangeFollowUp(follow_up):
                changed.append(follow_up)
            case CancelFollowUp(follow_up):
                cancelled.append(follow_up)
            case WriteDelivery():
                written.append(effect)
            case SaveReceipt(follow_up, at):
                receipts[receipt_key(follow_up)] = at
            case ForgetPushTokens(user_key, tokens):
                await forget_push_tokens(tx, user_key, tokens)
            case StateAddress():
                answers.append(effect)
            case IngestInteraction(interaction):
                interactions.append(interaction)
    await _apply_answers(tx, answers)
    await insert_assignments(tx, assignments)
    await write_deliveries(tx, written)
    await update_follow_ups(tx, changed)
    await end_follow_ups(tx, cancelled)
    newest = {follow_up.id: follow_up for follow_up in (*changed, *cancelled)}
    count_ended(tx, (newest[id] for id in {one.follow_up.id for one in due if one.follow_up.is_open} & newest.keys()))
    await save_receipts(tx, receipts)
    await insert_follow_ups(tx, [begin.follow_up for begin in begun], begun[0].at if begun else tx.now, by_launch=True)
    if not interactions:
        return False
    users = {interaction.user for interaction in interactions}
    return (await intake.ingest_in_transaction(tx, catalogue, interactions, anonymous=users)).changed


async def _apply_answers(tx: Transaction, answers: Sequence[StateAddress]) -> None:
    """Apply what providers answered about addresses, as if they had reported it later; users' rows are locked."""
    by_user: dict[str, list[EventWithEffect]] = {}
    for answer in answers:
        event = answer_event(answer.channel, answer.address, answer.meaning, answer.at)
        by_user.setdefault(answer.user_key, []).append((event, interpret_event(event)))
    await apply_statements(tx, by_user, tx.now)
