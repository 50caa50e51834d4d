"""The transaction before a send: the user's lock, the due-time list as of now, and the claim (guarantees 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.deliveries import (
    Delivery,
    DeliveryState,
    SwitchChannels,
    delivery_id,
    draw_assignment,
    earlier_receipt,
    enrolment,
    evaluate_message,
    has_assignments,
)
from connector.rules.sending.due_list import Control, Drop, DueFacts, Hold, Pause
from connector.rules.targeting.assignment import Assignment
from connector.rules.targeting.audience import needs_history
from connector.rules.triggering.evaluator import LoggedHistory
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import (
    change_channels,
    end_as,
    hold_until,
    load_deliveries,
    load_past_sends,
    mark_sending,
    settle,
    write_delivery,
)
from connector.store.follow_ups.follow_ups import (
    keep_assignment,
    load_follow_up,
    load_receipts,
    lock_user_of,
    save_receipt,
)
from connector.store.users.log import load_items
from connector.store.users.users import StoredUser, load_users
from connector.wire import SendOutcome, SendRequest


@dataclass(frozen=True)
class Claim:
    """A message that is ours to send now, with all that rendering it needs."""

    follow_up: FollowUp
    delivery: Delivery
    user: User
    campaign: Campaign
    content: Messages
    dispatched_at: datetime


class ClaimTransaction:
    """One attempt to claim one channel of one follow-up, inside a transaction of the caller's."""

    def __init__(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        intake: Intake,
        request: SendRequest,
        *,
        now: datetime,
        attempt: int,
    ) -> None:
        self._tx, self._catalogue = tx, catalogue
        self._intake, self._request = intake, request
        self._now, self._attempt = now, attempt

    async def claim(self) -> Claim | SendOutcome:
        """Judge the message as of now; a claim where it is to go, else what came of it."""
        follow_up = await self._locked()
        if follow_up is None:
            return SendOutcome(outcome="ended")
        self._follow_up = follow_up
        self._messages = await load_deliveries(self._tx, follow_up.id)
        earlier = self._messages.get(self._request.channel)
        if earlier is not None and earlier.state is not DeliveryState.OPEN:
            return await self._answered_before(earlier)
        if not follow_up.is_open:
            return SendOutcome(outcome="ended", state=follow_up.state.value, reason=follow_up.reason)
        return await self._judged()

    async def _locked(self) -> FollowUp | None:
        """The row as it stands once the user's lock is held."""
        request = self._request
        await lock_user_of(self._tx, request.follow_up_id)
        return await load_follow_up(self._tx, request.follow_up_id)

    async def _answered_before(self, earlier: Delivery) -> SendOutcome:
        """An earlier attempt decided, or left a claim without an outcome: then nobody knows, and it is not resent."""
        if earlier.state is DeliveryState.CLAIMED:
            unknown = replace(earlier, state=DeliveryState.UNKNOWN, reason=Reason.SEND_UNKNOWN)
            await self._write(unknown, decided_at=self._now, fault="attempt_lost")
            await self._receipt(earlier.claimed_at or self._now)
            return await self._settled(unknown)
        return outcome_for(earlier.state, earlier.reason)

    async def _judged(self) -> Claim | SendOutcome:
        user = (await load_users(self._tx, [self._follow_up.user_key]))[self._follow_up.user_key]
        facts = await self._facts(user)
        verdict = evaluate_message(facts)
        if isinstance(verdict, SwitchChannels):
            return await self._moved(verdict.channels)
        if isinstance(verdict, Hold):
            await hold_until(self._tx, self._follow_up, verdict.until)
            return SendOutcome(outcome="held", until=verdict.until)
        if isinstance(verdict, Pause):
            return SendOutcome(outcome="paused", state=self._follow_up.state.value)
        if isinstance(verdict, Drop):
            dropped = self._delivery(DeliveryState.DROPPED, verdict.reason)
            await self._write(dropped, decided_at=self._now)
            return await self._settled(dropped)
        if isinstance(verdict, Control):
            return await self._enrolled(user.user)
        claimed = replace(self._delivery(DeliveryState.CLAIMED), claimed_at=self._now)
        await self._write(claimed)
        await mark_sending(self._tx, self._follow_up, self._now)
        return Claim(self._follow_up, claimed, user.user, facts.campaign, verdict.content, self._now)

    async def _facts(self, user: StoredUser) -> DueFacts:
        follow_up = self._follow_up
        receipts = await load_receipts(self._tx, [follow_up.user_key], [follow_up.campaign])
        capped = bool(self._catalogue.workspace.frequency_caps)
        facts = DueFacts(
            now=self._now,
            next_at=follow_up.next_at,
            entry=self._catalogue.entries[follow_up.campaign],
            window_id=follow_up.window_id,
            workspace=self._catalogue.workspace,
            channel=self._request.channel,
            user=user.user,
            history=LoggedHistory(()),
            received_at=earlier_receipt(
                receipts.get((follow_up.campaign, follow_up.user_key, follow_up.key)), self._messages.values()
            ),
            past_sends=await load_past_sends(self._tx, follow_up.user_key, self._now) if capped else (),
            assignment=Assignment(control=False),
            follow_up_id=follow_up.id,
            unreachable=user.unreachable,
        )
        facts = replace(facts, assignment=await self._assignment(facts, received=bool(receipts)))
        if needs_history(facts.campaign.audience) and facts.follow_on and facts.follow_on.recheck_audience:
            past = await load_items(self._tx, {follow_up.user_key: None})
            facts = replace(facts, history=LoggedHistory(past[follow_up.user_key]))
        return facts

    async def _assignment(self, facts: DueFacts, *, received: bool) -> Assignment:
        """The assignment that is kept (T4)."""
        if not has_assignments(facts.entry):
            return Assignment(control=False)
        first = draw_assignment(facts.campaign, facts.user.id, received=received)
        where = (self._follow_up.campaign, self._follow_up.user_key)
        return Assignment(*await keep_assignment(self._tx, *where, first.control, first.variant))

    async def _moved(self, channels: tuple[str, ...]) -> SendOutcome:
        """The content goes out on other channels; all of them are told, for this may be a retry."""
        await change_channels(self._tx, self._follow_up, channels)
        self._follow_up = replace(self._follow_up, channels=channels)
        await settle(self._tx, self._follow_up, self._messages, self._now)
        return SendOutcome(outcome="moved", channels=channels)

    async def _enrolled(self, user: User) -> SendOutcome:
        """W3: one enrolment at the moment of the message, which counts as a receipt."""
        await end_as(self._tx, self._follow_up, State.CONTROL, Reason.CONTROL_GROUP, self._now)
        await self._receipt(self._now)
        await self._intake.ingest_in_transaction(
            self._tx, self._catalogue, [enrolment(self._follow_up, user.id, self._now)]
        )
        return SendOutcome(outcome="control", state=State.CONTROL.value, reason=Reason.CONTROL_GROUP.value)

    async def _settled(self, message: Delivery) -> SendOutcome:
        messages = {**self._messages, message.channel: message}
        await settle(self._tx, self._follow_up, messages, self._now)
        return outcome_for(message.state, message.reason)

    def _delivery(self, state: DeliveryState, reason: Reason | None = None) -> Delivery:
        return Delivery(delivery_id(self._follow_up.id, self._request.channel), self._request.channel, state, reason)

    async def _write(self, delivery: Delivery, *, decided_at: datetime | None = None, fault: str | None = None) -> None:
        await write_delivery(
            self._tx,
            self._follow_up,
            delivery,
            known=delivery.channel in self._messages,
            attempt=self._attempt,
            decided_at=decided_at,
            fault=fault,
        )

    async def _receipt(self, at: datetime) -> None:
        follow_up = self._follow_up
        await save_receipt(self._tx, follow_up.campaign, follow_up.user_key, follow_up.key, at)


def outcome_for(state: DeliveryState, reason: Reason | None) -> SendOutcome:
    """What the workflow is told of a message that has been decided."""
    if state is DeliveryState.SENT:
        return SendOutcome(outcome="sent", state=State.SENT.value)
    if state is DeliveryState.DROPPED:
        return SendOutcome(outcome="dropped", state=State.DROPPED.value, reason=reason)
    return SendOutcome(outcome="failed", state=State.FAILED.value, reason=reason)
