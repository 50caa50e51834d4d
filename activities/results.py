"""Record how attempts at claimed messages ended: with a result, or with a claim to release (guarantee 4).

Load, decide and apply in one transaction; messages that are recorded together share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from activities.claims import Claim, send_outcome
from activities.due_messages import Attempt, load_turns
from activities.effects import apply_effects
from connector.channels.keeping import KeptText
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.times import start_of_second
from connector.rules.sending.deliveries import OUT, REPLACEABLE, DeliveryState, DueMessage, newest_by_channel
from connector.rules.sending.effects import Effect
from connector.rules.sending.launching import is_launched
from connector.rules.sending.results import SendResult, decide_release, decide_result
from connector.rules.sending.retries import next_attempt_at
from connector.store.engine.group_commit import SingleRequest
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import delete_if_open, load_deliveries_by_follow_up
from connector.store.follow_ups.follow_ups import load_locked
from connector.store.follow_ups.texts import MessageText, save_texts
from connector.store.users.log import WantedTypes, load_types
from connector.tracing import on_behalf_of
from connector.wire import SendOutcome

_log = structlog.get_logger("send")


@dataclass(frozen=True)
class AttemptEnd(SingleRequest):
    """How an attempt at a message that it claimed, or may have claimed, ended."""

    attempt: Attempt


@dataclass(frozen=True)
class ProviderResult(AttemptEnd):
    """The result of handing a claimed message to its provider. `text`: the text to keep, if any."""

    claim: Claim
    result: SendResult
    text: KeptText | None = None


@dataclass(frozen=True)
class NothingSent(AttemptEnd):
    """The message surely did not go out, because of a temporary fault; its claim, if it has one, is released.

    Args:
        fault: a code, such as `store_unavailable`.
        took: how long the attempt took until it failed.
        retry_after: the pause that the provider requested; None: it requested none.
    """

    fault: str
    took: timedelta = timedelta()
    retry_after: timedelta | None = None

    @property
    def next_attempt_at(self) -> datetime:
        """The time of the next attempt, UTC."""
        return next_attempt_at(self.attempt.number, self.attempt.now + self.took, self.retry_after)


@dataclass(frozen=True)
class RecordResult:
    """A message's outcome (None: its claim was released). `changed`: its group began or ended other follow-ups."""

    outcome: SendOutcome | None
    changed: bool


async def record_messages(
    tx: Transaction, catalogue: Catalogue, intake: Intake, ends: Sequence[AttemptEnd]
) -> list[RecordResult]:
    """Record results and release claims; a follow-up ends with the result of its last message."""
    outcomes: list[SendOutcome | None] = [SendOutcome(outcome="ended")] * len(ends)
    changed, current = False, set[int]()
    async for turn in load_turns(tx, [end.attempt for end in ends]):
        wanted = {
            due.follow_up.user_key: _exceptions_wanted(due.follow_up, catalogue)
            for position, due in turn.items()
            if isinstance(ends[position], NothingSent)
        }
        logs = {user_key: log.entries for user_key, log in (await load_types(tx, wanted)).items()}
        effects: list[Effect] = []
        for position, due in turn.items():
            outcomes[position], decided = _decide(ends[position], due, logs, catalogue)
            effects += decided
        with on_behalf_of({due.follow_up.user_key: ends[position].attempt.span for position, due in turn.items()}):
            changed |= await apply_effects(tx, catalogue, intake, effects, turn.values())
        texts = (_kept_text(ends[position], due, tx.now) for position, due in turn.items())
        await _keep_texts(tx, [text for of_message in texts for text in of_message])
        current.update(turn)
    for position, end in enumerate(ends):
        if position not in current and isinstance(end, ProviderResult) and end.result.state is DeliveryState.SENT:
            outcomes[position], is_change = await _accept_earlier(tx, catalogue, intake, end)
            changed |= is_change
    return [RecordResult(outcome, changed) for outcome in outcomes]


async def _accept_earlier(
    tx: Transaction, catalogue: Catalogue, intake: Intake, end: ProviderResult
) -> tuple[SendOutcome, bool]:
    """Record that a message was sent after all, although its follow-up was sent again: what still waits is not sent.

    What was handed over meanwhile counts instead of it.

    Returns:
        The outcome, and whether other follow-ups began or ended.
    """
    id, channel, claimed = end.attempt.request.follow_up_id, end.attempt.request.channel, end.claim.due.delivery_id
    follow_up = (await load_locked(tx, [id])).get(id)
    records = (await load_deliveries_by_follow_up(tx, [id])).get(id, ())
    counting = newest_by_channel(records)
    earlier = next((record for record in records if record.id == claimed), None)
    if follow_up is None or earlier is None or counting[channel].state not in REPLACEABLE:
        return SendOutcome(outcome="ended"), False
    await delete_if_open(tx, counting[channel].id)
    due = DueMessage(follow_up, channel, {**counting, channel: earlier}, end.attempt.number)
    at, now = end.claim.dispatched_at, end.attempt.now
    decision = decide_result(due, end.result, end.claim.user, dispatched_at=at, now=now)
    changed = await apply_effects(tx, catalogue, intake, decision.effects, [due])
    await _keep_texts(tx, list(_kept_text(end, due, tx.now)))
    return send_outcome(decision.verdict, follow_up), changed


async def _keep_texts(tx: Transaction, texts: Sequence[MessageText]) -> None:
    if fault := await save_texts(tx, texts):
        _log.warning("texts_not_kept", number=len(texts), fault=type(fault).__name__)


def _kept_text(end: AttemptEnd, due: DueMessage, now: datetime) -> Iterator[MessageText]:
    """Yield the text to keep of a message that was sent, or may have been; nothing of an erased user's."""
    if not isinstance(end, ProviderResult) or end.text is None or end.result.state not in OUT:
        return
    if due.delivery is not None and not due.follow_up.is_erased:
        text = end.text
        yield MessageText(
            end.claim.due.delivery_id, due.follow_up.user_key, text.content, text.cut, now + text.keep_for
        )


def _exceptions_wanted(follow_up: FollowUp, catalogue: Catalogue) -> WantedTypes:
    """Return the types of items that may cancel the follow-up, from its trigger's second on (M8)."""
    began = start_of_second(follow_up.trigger.t)
    return dict.fromkeys(catalogue.entries[follow_up.campaign].exception_types, began)


def _decide(
    end: AttemptEnd, due: DueMessage, logs: Mapping[str, Sequence[LogEntry]], catalogue: Catalogue
) -> tuple[SendOutcome | None, Sequence[Effect]]:
    now = end.attempt.now
    match end:
        case ProviderResult(claim=claim, result=result):
            decision = decide_result(due, result, claim.user, dispatched_at=claim.dispatched_at, now=now)
            return send_outcome(decision.verdict, due.follow_up), decision.effects
        case NothingSent(fault=fault):
            log = logs.get(due.follow_up.user_key, ())
            at = None if is_launched(due.follow_up) else end.next_attempt_at
            return None, decide_release(due, now, fault, log, catalogue, now, next_attempt_at=at)
    raise TypeError(f"{type(end).__name__} cannot be recorded")
