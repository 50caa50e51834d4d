"""Claim a message: load it under the user's lock, evaluate the due-time list as of now, write the claim.

A claim is committed before the provider is called (guarantees 3 and 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from activities.effects import apply_effects
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.decisions import (
    Decided,
    Ended,
    Recipient,
    decide_message,
    decide_without_evaluation,
    has_assignments,
    needs_history_when_due,
)
from connector.rules.sending.deliveries import Delivery, DeliveryState, DueMessage
from connector.rules.sending.due_list import (
    Control,
    Drop,
    Hold,
    MessageVerdict,
    Pause,
    SendContent,
    SwitchChannels,
    newest_live,
)
from connector.rules.triggering.evaluator import LoggedHistory
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries, load_past_sends
from connector.store.follow_ups.follow_ups import load_follow_up, lock_user_of
from connector.store.follow_ups.receipts import load_assignments, load_receipts
from connector.store.users.log import load_items
from connector.store.users.users import load_users
from connector.wire import SendOutcome, SendRequest


@dataclass(frozen=True)
class Claim:
    """A claimed message, with all that rendering it needs. `dispatched_at` is when it was claimed, UTC."""

    due: DueMessage
    user: User
    campaign: Campaign
    content: Messages
    dispatched_at: datetime


async def claim_message(
    tx: Transaction, catalogue: Catalogue, intake: Intake, request: SendRequest, *, now: datetime, attempt: int
) -> Claim | SendOutcome:
    """Claim a message if the due-time list allows it as of `now` (UTC); else return why it is not sent now."""
    due = await _load_due_message(tx, request)
    if due is None:
        return SendOutcome(outcome="ended")
    decision, recipient = decide_without_evaluation(due, now), None
    if decision is None:
        recipient = await _load_recipient(tx, catalogue, due.follow_up, now)
        decision = decide_message(due, recipient, catalogue, now)
    await apply_effects(tx, catalogue, intake, decision.effects, now=now, attempt=attempt)
    if recipient is None or not isinstance(decision.verdict, SendContent):
        return send_outcome(decision.verdict, due.follow_up)
    claimed = {**due.deliveries, due.channel: due.with_state(DeliveryState.CLAIMED, claimed_at=now)}
    campaign = newest_live(catalogue.entries[due.follow_up.campaign])
    return Claim(replace(due, deliveries=claimed), recipient.user, campaign, decision.verdict.content, now)


async def load_recipients(
    tx: Transaction,
    catalogue: Catalogue,
    entry: Entry,
    user_keys: Sequence[str],
    now: datetime,
    *,
    with_history: bool,
) -> dict[str, Recipient]:
    """Load users, whose rows are locked, as the facts that the due-time list of a campaign evaluates; by user key.

    The number of statements does not grow with the users.
    """
    users = await load_users(tx, user_keys)
    receipts: dict[str, dict[str, datetime]] = {}
    for (_, user_key, key), at in (await load_receipts(tx, user_keys, [entry.id])).items():
        receipts.setdefault(user_key, {})[key] = at
    is_capped = bool(catalogue.workspace.frequency_caps)
    past_sends = await load_past_sends(tx, user_keys, now) if is_capped else {}
    assignments = await load_assignments(tx, entry.id, user_keys) if has_assignments(entry) else {}
    history = await load_items(tx, dict.fromkeys(users)) if with_history else {}
    return {
        user_key: Recipient(
            user=stored.user,
            receipts=receipts.get(user_key, {}),
            assignment=assignments.get(user_key),
            past_sends=past_sends.get(user_key, ()),
            history=LoggedHistory(history.get(user_key, ())),
            unreachable=stored.unreachable,
        )
        for user_key, stored in users.items()
    }


def send_outcome(verdict: MessageVerdict | Decided | Ended, follow_up: FollowUp) -> SendOutcome:
    """Return what the workflow does next, for every verdict but `SendContent`, whose result is not known yet."""
    match verdict:
        case Hold(until):
            return SendOutcome(outcome="held", until=until)
        case SwitchChannels(channels):
            return SendOutcome(outcome="moved", channels=channels)
        case Pause():
            return SendOutcome(outcome="paused", state=follow_up.state.value)
        case Drop(reason):
            return SendOutcome(outcome="dropped", state=State.DROPPED.value, reason=reason)
        case Control():
            return SendOutcome(outcome="control", state=State.CONTROL.value, reason=Reason.CONTROL_GROUP.value)
        case Ended():
            return SendOutcome(outcome="ended", state=follow_up.state.value, reason=follow_up.reason)
        case Decided(delivery):
            return _outcome_of(delivery)
        case SendContent():
            raise ValueError("a claimed message has no outcome yet")


def _outcome_of(delivery: Delivery) -> SendOutcome:
    if delivery.state is DeliveryState.SENT:
        return SendOutcome(outcome="sent", state=State.SENT.value)
    if delivery.state is DeliveryState.DROPPED:
        return SendOutcome(outcome="dropped", state=State.DROPPED.value, reason=delivery.reason)
    return SendOutcome(outcome="failed", state=State.FAILED.value, reason=delivery.reason)


async def _load_due_message(tx: Transaction, request: SendRequest) -> DueMessage | None:
    """Lock the user, and load the follow-up with its deliveries; None if the row is gone."""
    await lock_user_of(tx, request.follow_up_id)
    follow_up = await load_follow_up(tx, request.follow_up_id)
    if follow_up is None:
        return None
    return DueMessage(follow_up, request.channel, await load_deliveries(tx, follow_up.id))


async def _load_recipient(tx: Transaction, catalogue: Catalogue, follow_up: FollowUp, now: datetime) -> Recipient:
    entry, user_key = catalogue.entries[follow_up.campaign], follow_up.user_key
    with_history = needs_history_when_due(entry)
    return (await load_recipients(tx, catalogue, entry, [user_key], now, with_history=with_history))[user_key]
