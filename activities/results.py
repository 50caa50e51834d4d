"""Record a claimed message's result, or release its claim: load, decide, apply in one transaction (guarantee 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from activities.claims import Claim, send_outcome
from activities.effects import apply_effects
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.sending.deliveries import DueMessage
from connector.rules.sending.results import SendResult, decide_release, decide_result
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries
from connector.store.users.log import load_items
from connector.store.users.users import lock_user
from connector.wire import SendOutcome


async def record_result(
    tx: Transaction,
    catalogue: Catalogue,
    intake: Intake,
    claim: Claim,
    result: SendResult,
    *,
    now: datetime,
    attempt: int,
) -> tuple[SendOutcome, bool]:
    """Record a message's result, and end its follow-up if it was the last; returns the outcome.

    The second value is true if the message's own interaction began or ended follow-ups.
    """
    await lock_user(tx, claim.due.follow_up.user_key)
    is_alone = claim.due.follow_up.channels == (claim.due.channel,)
    due = claim.due if is_alone and not result.may_be_reported else await _reload(tx, claim)
    decision = decide_result(due, result, claim.user, dispatched_at=claim.dispatched_at, now=now)
    changed = await apply_effects(tx, catalogue, intake, decision.effects, now=now, attempt=attempt)
    return send_outcome(decision.verdict, due.follow_up), changed


async def release_claim(
    tx: Transaction, catalogue: Catalogue, intake: Intake, claim: Claim, fault: str, *, now: datetime, attempt: int
) -> None:
    """Release a claim whose message surely did not go out, so that exceptions before the next attempt count (X1)."""
    follow_up = claim.due.follow_up
    await lock_user(tx, follow_up.user_key)
    due = await _reload(tx, claim)
    since = {} if due.is_another_out else await load_items(tx, {follow_up.user_key: follow_up.trigger.t})
    effects = decide_release(due, fault, since.get(follow_up.user_key, ()), catalogue, now)
    await apply_effects(tx, catalogue, intake, effects, now=now, attempt=attempt)


async def _reload(tx: Transaction, claim: Claim) -> DueMessage:
    """Load the follow-up's deliveries as stored now: a delivery report or a later attempt may have settled one."""
    return replace(claim.due, deliveries=await load_deliveries(tx, claim.due.follow_up.id))
