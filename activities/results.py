"""Record what is known about claimed messages: their results, and claims to release (guarantee 4).

Load, decide and apply in one transaction; messages that are recorded together share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activities.claims import Claim, send_outcome
from activities.due_messages import Attempt, load_turns
from activities.effects import apply_effects
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.interactions import LogEntry
from connector.rules.sending.deliveries import DueMessage
from connector.rules.sending.effects import Effect
from connector.rules.sending.results import SendResult, decide_release, decide_result
from connector.store.engine.group_commit import SingleRequest
from connector.store.engine.transaction import Transaction
from connector.store.users.log import load_items
from connector.wire import SendOutcome


@dataclass(frozen=True)
class Known(SingleRequest):
    """What an attempt knows about a message that it claimed, or may have claimed."""

    attempt: Attempt


@dataclass(frozen=True)
class KnownResult(Known):
    """The result of sending a claimed message."""

    claim: Claim
    result: SendResult


@dataclass(frozen=True)
class NothingSent(Known):
    """The message surely did not go out, because of a fault that passes: its claim is released if there is one."""

    fault: str


@dataclass(frozen=True)
class Recorded:
    """A message's outcome, None if its claim was released; and whether follow-ups began or ended with the group."""

    outcome: SendOutcome | None
    changed: bool


async def record_messages(
    tx: Transaction, catalogue: Catalogue, intake: Intake, known: Sequence[Known]
) -> list[Recorded]:
    """Record results, with the ends of follow-ups whose last message it was, and release claims."""
    outcomes: list[SendOutcome | None] = [SendOutcome(outcome="ended")] * len(known)
    changed = False
    async for turn in load_turns(tx, [one.attempt for one in known]):
        since = {
            due.follow_up.user_key: due.follow_up.trigger.t
            for position, due in turn.items()
            if isinstance(known[position], NothingSent) and not due.is_another_out
        }
        logs = await load_items(tx, since)
        effects: list[Effect] = []
        for position, due in turn.items():
            outcomes[position], decided = _decide(known[position], due, logs, catalogue)
            effects += decided
        changed |= await apply_effects(tx, catalogue, intake, effects)
    return [Recorded(outcome, changed) for outcome in outcomes]


def _decide(
    known: Known, due: DueMessage, logs: Mapping[str, Sequence[LogEntry]], catalogue: Catalogue
) -> tuple[SendOutcome | None, Sequence[Effect]]:
    now = known.attempt.now
    match known:
        case KnownResult(claim=claim, result=result):
            decision = decide_result(due, result, claim.user, dispatched_at=claim.dispatched_at, now=now)
            return send_outcome(decision.verdict, due.follow_up), decision.effects
        case NothingSent(fault=fault):
            log = logs.get(due.follow_up.user_key, ())
            return None, decide_release(due, now, fault, log, catalogue, now)
    raise TypeError(f"{type(known).__name__} is not known")
