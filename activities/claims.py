"""Claim messages: load them under their users' locks, evaluate the due-time list as of now, write the claims.

A claim is committed before the provider is called (guarantees 3 and 4). Messages that are due together are claimed in
one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from activities.due_messages import Attempt, load_turns
from activities.effects import apply_effects
from activities.places import Limits, take_places
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.decisions import (
    Decided,
    Ended,
    MessageDecision,
    Recipient,
    decide_message,
    decide_without_evaluation,
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
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.recipients import load_recipients
from connector.tracing import on_behalf_of
from connector.wire import SendOutcome


@dataclass(frozen=True)
class Claim:
    """A claimed message, with everything that rendering needs.

    `dispatched_at` is when it was claimed, UTC; `zone` is the company's.
    """

    due: DueMessage
    user: User
    campaign: Campaign
    content: Messages
    dispatched_at: datetime
    zone: str


@dataclass(frozen=True)
class RateLimited:
    """The rate of the message's channel is used up for `retry_after`: nothing was claimed or changed."""

    retry_after: timedelta


ClaimResult = Claim | SendOutcome | RateLimited


async def claim_messages(
    tx: Transaction, catalogue: Catalogue, intake: Intake, attempts: Sequence[Attempt], limits: Limits
) -> list[ClaimResult]:
    """Claim each message that the due-time list allows as of its attempt; else return why it is not sent now.

    Args:
        limits: by channel with a rate; a message that is claimed takes a place there unless it has one already.
    """
    results: list[ClaimResult] = [SendOutcome(outcome="ended")] * len(attempts)
    channels = {attempt.request.channel for attempt in attempts if not attempt.has_place}
    async for turn in load_turns(tx, attempts):
        decisions = await _decide(tx, catalogue, turn, [attempt.now for attempt in attempts])
        sent = [position for position, (decision, _) in decisions.items() if isinstance(decision.verdict, SendContent)]
        need_place = {position: turn[position].channel for position in sent if not attempts[position].has_place}
        for position, wait in (await take_places(tx, limits, need_place, channels)).items():
            results[position] = RateLimited(wait)
            del decisions[position]
        effects = [effect for decision, _ in decisions.values() for effect in decision.effects]
        with on_behalf_of({due.follow_up.user_key: attempts[position].span for position, due in turn.items()}):
            await apply_effects(tx, catalogue, intake, effects, turn.values())
        for position, (decision, recipient) in decisions.items():
            results[position] = _claim_of(turn[position], decision, recipient, catalogue, attempts[position].now)
    return results


async def _decide(
    tx: Transaction, catalogue: Catalogue, turn: Mapping[int, DueMessage], now: Sequence[datetime]
) -> dict[int, tuple[MessageDecision, Recipient | None]]:
    """Decide about the messages of a turn; a recipient is loaded only if the message must be evaluated."""
    decided = {position: decide_without_evaluation(due, now[position]) for position, due in turn.items()}
    evaluated = [position for position, decision in decided.items() if decision is None]
    campaigns = {turn[p].follow_up.user_key: catalogue.entries[turn[p].follow_up.campaign] for p in evaluated}
    since = min((now[position] for position in evaluated), default=tx.now)
    recipients = await load_recipients(tx, catalogue, campaigns, since, needs_history=needs_history_when_due)
    decisions: dict[int, tuple[MessageDecision, Recipient | None]] = {}
    for position, decision in decided.items():
        if decision is not None:
            decisions[position] = decision, None
            continue
        recipient = recipients[turn[position].follow_up.user_key]
        decisions[position] = decide_message(turn[position], recipient, catalogue, now[position]), recipient
    return decisions


def _claim_of(
    due: DueMessage, decision: MessageDecision, recipient: Recipient | None, catalogue: Catalogue, now: datetime
) -> Claim | SendOutcome:
    if recipient is None or not isinstance(decision.verdict, SendContent):
        return send_outcome(decision.verdict, due.follow_up)
    claimed = {**due.deliveries, due.channel: due.with_state(DeliveryState.CLAIMED, claimed_at=now)}
    campaign = newest_live(catalogue.entries[due.follow_up.campaign])
    zone, content = catalogue.workspace.zone, decision.verdict.content
    return Claim(replace(due, deliveries=claimed), recipient.user, campaign, content, now, zone)


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
