"""The decisions about one user as an explanation shows them, in the order of the events that they are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector import names
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.explaining.context import DecisionContext, receipt_of
from connector.rules.explaining.evidence import collect_evidence
from connector.rules.explaining.waiting import describe_wait
from connector.rules.explaining.wording import DELIVERY_TEXTS, REASON_TEXTS, describe_state
from connector.rules.model.audit import AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction, LogEntry
from connector.rules.model.reasons import NOTED, Reason
from connector.rules.model.times import is_before
from connector.rules.model.values import format_instant
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState, newest_by_channel, resend_number
from connector.rules.sending.launching import is_launched
from connector.rules.triggering.user_log import LoggedHistory
from connector.store.reporting.history import DecisionRow, OperatorNote, UserRecord
from connector.store.users.users import StoredUser
from starter.explain.explanation import Decision, DeliveryView, Evidence, InteractionView

_OPERATED = {
    AuditAction.SEND_NOW: "an operator had it sent now",
    AuditAction.POSTPONE: "an operator postponed it",
    AuditAction.CANCEL: "an operator cancelled it",
    AuditAction.RESOLVE: "an operator settled its message",
    AuditAction.RESEND: "an operator had it sent again",
}


class ExplanationBuilder:
    """Builds decisions from a user's record and the current catalogue, as of the instant at which it was read (UTC)."""

    def __init__(
        self, workspace: str, stored: StoredUser, record: UserRecord, catalogue: Catalogue, as_of: datetime
    ) -> None:
        self._workspace, self._as_of = workspace, as_of
        self._stored, self._record, self._catalogue = stored, record, catalogue
        self._history = LoggedHistory(list(record.items.values()))

    def decisions(self, campaign: str) -> list[Decision]:
        """Return the decisions of one campaign, oldest event first; at one instant, in the order of the decisions."""
        rows: list[FollowUp | DecisionRow] = [
            *(follow_up for follow_up in self._record.follow_ups if follow_up.campaign == campaign),
            *(decided for decided in self._record.decided if decided.campaign == campaign),
        ]
        return [
            self._follow_up(row) if isinstance(row, FollowUp) else self._refusal_or_note(row)
            for row in sorted(rows, key=_order_of)
        ]

    def _follow_up(self, follow_up: FollowUp) -> Decision:
        messages = self._record.messages.get(follow_up.id, ())
        context = self._follow_up_context(follow_up)
        newest = newest_by_channel(messages).values()  # the earlier ones were sent again, and decide nothing
        decisive = next((m for m in newest if follow_up.reason is not None and m.reason == follow_up.reason), None)
        if decisive is not None:
            context = _with_message(context, decisive)
        reason = follow_up.reason
        return Decision(
            interaction=interaction_view(follow_up.trigger, arrived_at=self._arrival(follow_up.trigger)),
            state=follow_up.state.value,
            reason=reason.value if reason else None,
            words=REASON_TEXTS[reason] if reason else self._describe_state(follow_up, messages),
            looked_at=[*_evidence(context), *self._notes(follow_up)],
            key=_key(follow_up.key),
            follow_up=follow_up.id,
            workflow_id=self._workflow_id(follow_up),
            revision=follow_up.revision,
            due_at=format_instant(follow_up.due_at),
            next_at=format_instant(follow_up.next_at),
            decided_at=format_instant(follow_up.decided_at),
            messages=[self._message(context, message) for message in messages],
        )

    def _notes(self, follow_up: FollowUp) -> list[Evidence]:
        """Return operators' notes from its trigger until the next one of its key began: they name no follow-up."""
        began = follow_up.trigger.received_at
        later = [one.trigger.received_at for one in self._follow_ups_of_key(follow_up.campaign, follow_up.key)]
        ended = min((at for at in later if at > began), default=self._as_of)
        return [
            _note_evidence(note)
            for note in self._record.notes
            if note.campaign == follow_up.campaign and began <= note.at <= ended
        ]

    def _workflow_id(self, follow_up: FollowUp) -> str | None:
        if is_launched(follow_up):
            return None
        return names.follow_up_id(
            self._workspace, follow_up.campaign, follow_up.user_key, follow_up.id, follow_up.resends
        )

    def _describe_state(self, follow_up: FollowUp, messages: Sequence[DeliveryRecord]) -> str:
        if not follow_up.is_open:
            return describe_state(follow_up.state)
        is_paused = is_launched(follow_up) and self._catalogue.entries[follow_up.campaign].state == "stopped"
        return describe_wait(follow_up.state, follow_up.next_at, messages, self._as_of, is_paused=is_paused)

    def _message(self, context: DecisionContext, message: DeliveryRecord) -> DeliveryView:
        return DeliveryView(
            channel=message.channel,
            resend=resend_number(message.id),
            revision=self._revision(message),
            state=message.state.value,
            reason=message.reason.value if message.reason else None,
            words=REASON_TEXTS[message.reason] if message.reason else DELIVERY_TEXTS[message.state],
            fault=message.fault,
            detail=message.detail,
            claimed_at=format_instant(message.claimed_at),
            decided_at=format_instant(message.decided_at),
            looked_at=_evidence(_with_message(context, message)) if message.reason else [],
        )

    def _revision(self, message: DeliveryRecord) -> int | None:
        """Return the revision that was live when a message was rendered: when it was claimed, or when it failed."""
        at = message.decided_at if message.state is DeliveryState.FAILED else message.claimed_at
        if at is None:
            return None
        revision = self._catalogue.entries[message.campaign].revision_at(at)
        return None if revision is None else revision.number

    def _refusal_or_note(self, decided: DecisionRow) -> Decision:
        logged = self._record.items.get(decided.interaction_id)
        return Decision(
            interaction=interaction_view(logged)
            if logged
            else _unlogged_interaction_view(decided.interaction_id, decided.t),
            state=decided.state,
            reason=decided.reason.value,
            words=REASON_TEXTS[decided.reason],
            looked_at=_evidence(self._decided_context(decided, logged)) if logged else [],
            key=_key(decided.key),
            follow_up=None,
            workflow_id=None,
            revision=None,
            due_at=None,
            next_at=None,
            decided_at=format_instant(decided.decided_at),
            messages=[],
        )

    def _follow_up_context(self, follow_up: FollowUp) -> DecisionContext:
        context = self._context(
            follow_up.campaign, follow_up.key, follow_up.reason, follow_up.trigger, follow_up.decided_at
        )
        receipts = self._receipts(follow_up.campaign, follow_up.key, except_id=follow_up.id)
        return replace(context, follow_up=follow_up, receipts=receipts)

    def _decided_context(self, decided: DecisionRow, logged: LogEntry) -> DecisionContext:
        context = self._context(decided.campaign, decided.key, decided.reason, logged, decided.decided_at)
        if decided.state != NOTED:
            return context
        sent = (
            p
            for p in context.others
            if p.dispatched_at and not is_before(decided.t, p.trigger.t) and is_before(decided.t, p.dispatched_at)
        )
        return replace(context, follow_up=next(sent, None))

    def _context(
        self, campaign: str, key: str, reason: Reason | None, logged: LogEntry, decided_at: datetime | None
    ) -> DecisionContext:
        return DecisionContext(
            reason=reason,
            entry=self._catalogue.entries[campaign],
            catalogue=self._catalogue,
            user=self._stored.user,
            unreachable=self._stored.unreachable,
            history=self._history,
            logged=logged,
            decided_at=decided_at or self._as_of,
            others=self._follow_ups_of_key(campaign, key),
            receipts=self._receipts(campaign, key),
            sends=self._record.sends,
            items=self._record.items,
        )

    def _follow_ups_of_key(self, campaign: str, key: str) -> Sequence[FollowUp]:
        return [p for p in self._record.follow_ups if (p.campaign, p.key) == (campaign, key)]

    def _receipts(self, campaign: str, key: str, *, except_id: str | None = None) -> list[datetime]:
        receipts = [receipt_of(p) for p in self._follow_ups_of_key(campaign, key) if p.id != except_id]
        last = self._record.receipts.get((campaign, key))
        return [at for at in (*receipts, last) if at is not None]

    def _arrival(self, trigger: LogEntry) -> datetime:
        """Return when the trigger arrived. Only the log knows it if a replay began the follow-up later."""
        logged = self._record.items.get(trigger.id)
        return logged.received_at if logged else trigger.received_at


def interaction_view(logged: LogEntry, *, arrived_at: datetime | None = None) -> InteractionView:
    """Return a logged item as an explanation shows it; `arrived_at` replaces the entry's own arrival."""
    item = logged.item
    interaction = item if isinstance(item, Interaction) else None
    return InteractionView(
        id=logged.id,
        type=item.name_or_type,
        campaign=interaction.campaign if interaction else None,
        card=interaction.card if interaction else None,
        properties=item.properties,
        happened_at=format_instant(logged.t),
        arrived_at=format_instant(arrived_at or logged.received_at),
    )


def _unlogged_interaction_view(id: str, happened_at: datetime) -> InteractionView:
    """Return an item of which the log keeps nothing any more: only its id and time are known."""
    return InteractionView(
        id=id,
        type=None,
        campaign=None,
        card=None,
        properties=None,
        happened_at=format_instant(happened_at),
        arrived_at=None,
    )


def _order_of(row: FollowUp | DecisionRow) -> tuple[datetime, datetime]:
    return (row.trigger.t, row.trigger.received_at) if isinstance(row, FollowUp) else (row.t, row.decided_at)


def _with_message(context: DecisionContext, message: DeliveryRecord) -> DecisionContext:
    return replace(
        context,
        reason=message.reason,
        channel=message.channel,
        fault=message.fault,
        detail=message.detail,
        decided_at=message.decided_at or context.decided_at,
    )


def _evidence(context: DecisionContext) -> list[Evidence]:
    return [Evidence(name=item.name, value=item.value, words=item.words) for item in collect_evidence(context)]


def _note_evidence(note: OperatorNote) -> Evidence:
    words = f"{_OPERATED[note.action]} at {format_instant(note.at)}, with the note: {note.text}"
    return Evidence(name="operator_note", value=note.text, words=words)


def _key(key: str) -> object:
    return json.loads(key) if key else None
