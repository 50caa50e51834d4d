"""The decisions about one user, told in the order of the events that they are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.explaining.context import DecisionContext, receipt_of
from connector.rules.explaining.evidence import collect_evidence
from connector.rules.explaining.reasons import DELIVERY_TEXTS, NOTED, REASON_TEXTS, describe_state
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.values import format_instant
from connector.rules.triggering.evaluator import LoggedHistory
from connector.store.reporting.history import DecisionRow, DeliveryRow, Record
from connector.store.users.users import StoredUser
from starter.explain.explanation import Decision, DeliveryView, Evidence
from starter.explain.interaction import interaction_view, logged_interaction_view


class ExplanationBuilder:
    """Tells what a record holds about a user, against today's catalogue, as of the moment at which it was read."""

    def __init__(self, stored: StoredUser, record: Record, catalogue: Catalogue, as_of: datetime) -> None:
        self._stored, self._record, self._catalogue, self._as_of = stored, record, catalogue, as_of
        self._history = LoggedHistory(list(record.items.values()))

    def chapters(self, campaign: str) -> list[Decision]:
        """What was decided for one campaign, oldest event first; at one instant, in the order of the decisions."""
        begun = [p for p in self._record.follow_ups if p.campaign == campaign]
        told = [d for d in self._record.decided if d.campaign == campaign]
        every: list[FollowUp | DecisionRow] = [*begun, *told]
        ordered = sorted(every, key=_place)
        return [self._begun(one) if isinstance(one, FollowUp) else self._told(one) for one in ordered]

    def _begun(self, follow_up: FollowUp) -> Decision:
        messages = self._record.messages.get(follow_up.id, ())
        case = self._case_of(follow_up)
        decisive = next((m for m in messages if follow_up.reason is not None and m.reason == follow_up.reason), None)
        if decisive is not None:
            case = _of_message(case, decisive)
        reason = follow_up.reason
        return Decision(
            interaction=interaction_view(follow_up.trigger, arrived_at=self._arrival(follow_up.trigger)),
            state=follow_up.state.value,
            reason=reason.value if reason else None,
            words=REASON_TEXTS[reason] if reason else describe_state(follow_up.state),
            looked_at=_looked_at(case),
            key=_key(follow_up.key),
            follow_up=follow_up.id,
            revision=follow_up.revision,
            due_at=format_instant(follow_up.due_at),
            next_at=format_instant(follow_up.next_at),
            decided_at=format_instant(follow_up.decided_at),
            messages=[self._message(case, message) for message in messages],
        )

    def _message(self, case: DecisionContext, message: DeliveryRow) -> DeliveryView:
        return DeliveryView(
            channel=message.channel,
            state=message.state.value,
            reason=message.reason.value if message.reason else None,
            words=REASON_TEXTS[message.reason] if message.reason else DELIVERY_TEXTS[message.state],
            fault=message.fault,
            claimed_at=format_instant(message.claimed_at),
            decided_at=format_instant(message.decided_at),
            looked_at=_looked_at(_of_message(case, message)) if message.reason else [],
        )

    def _told(self, decided: DecisionRow) -> Decision:
        logged = self._record.items.get(decided.interaction_id)
        return Decision(
            interaction=interaction_view(logged)
            if logged
            else logged_interaction_view(decided.interaction_id, decided.t),
            state=decided.state,
            reason=decided.reason.value,
            words=REASON_TEXTS[decided.reason],
            looked_at=_looked_at(self._case_about(decided, logged)) if logged else [],
            key=_key(decided.key),
            follow_up=None,
            revision=None,
            due_at=None,
            next_at=None,
            decided_at=format_instant(decided.decided_at),
            messages=[],
        )

    def _case_of(self, follow_up: FollowUp) -> DecisionContext:
        case = self._case(follow_up.campaign, follow_up.key, follow_up.reason, follow_up.trigger, follow_up.decided_at)
        return replace(
            case, follow_up=follow_up, receipts=self._receipts(follow_up.campaign, follow_up.key, but=follow_up.id)
        )

    def _case_about(self, decided: DecisionRow, logged: LogEntry) -> DecisionContext:
        case = self._case(decided.campaign, decided.key, decided.reason, logged, decided.decided_at)
        if decided.state != NOTED:
            return case
        sent = (p for p in case.others if p.dispatched_at and p.trigger.t <= decided.t < p.dispatched_at)
        return replace(case, follow_up=next(sent, None))

    def _case(
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
            others=self._of_key(campaign, key),
            receipts=self._receipts(campaign, key),
            sends=self._record.sends,
            items=self._record.items,
        )

    def _of_key(self, campaign: str, key: str) -> Sequence[FollowUp]:
        return [p for p in self._record.follow_ups if (p.campaign, p.key) == (campaign, key)]

    def _receipts(self, campaign: str, key: str, *, but: str | None = None) -> list[datetime]:
        last = self._record.receipts.get((campaign, key))
        found = [receipt_of(p) for p in self._of_key(campaign, key) if p.id != but]
        return [at for at in (*found, last) if at is not None]

    def _arrival(self, trigger: LogEntry) -> datetime:
        """As the log has it; a follow-up that began anew was made later than its trigger arrived."""
        logged = self._record.items.get(trigger.id)
        return logged.received_at if logged else trigger.received_at


def _place(one: FollowUp | DecisionRow) -> tuple[datetime, datetime]:
    return (one.trigger.t, one.trigger.received_at) if isinstance(one, FollowUp) else (one.t, one.decided_at)


def _of_message(case: DecisionContext, message: DeliveryRow) -> DecisionContext:
    return replace(
        case,
        reason=message.reason,
        channel=message.channel,
        fault=message.fault,
        decided_at=message.decided_at or case.decided_at,
    )


def _looked_at(case: DecisionContext) -> list[Evidence]:
    return [Evidence(name=fact.name, value=fact.value, words=fact.words) for fact in collect_evidence(case)]


def _key(key: str) -> object:
    return json.loads(key) if key else None
