"""The decisions about one user, told in the order of the events that they are about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.explaining.context import Case, receipt_of
from connector.rules.explaining.evidence import facts_of
from connector.rules.explaining.reasons import DELIVERIES, NOTED, REASONS, state_words
from connector.rules.model.follow_up import Passage
from connector.rules.model.instants import write_instant
from connector.rules.model.interactions import Logged
from connector.rules.model.reasons import Reason
from connector.rules.triggering.evaluator import Past
from connector.store.reporting.history import Decided, Message, Record
from connector.store.users.users import StoredUser
from starter.explain.explanation import Chapter, LookedAt, MessageTold
from starter.explain.interaction import came_in, came_in_once


class Teller:
    """Tells what a record holds about a user, against today's catalogue, as of the moment at which it was read."""

    def __init__(self, stored: StoredUser, record: Record, catalogue: Catalogue, as_of: datetime) -> None:
        self._stored, self._record, self._catalogue, self._as_of = stored, record, catalogue, as_of
        self._history = Past(list(record.items.values()))

    def chapters(self, campaign: str) -> list[Chapter]:
        """What was decided for one campaign, oldest event first; at one instant, in the order of the decisions."""
        begun = [p for p in self._record.passages if p.campaign == campaign]
        told = [d for d in self._record.decided if d.campaign == campaign]
        every: list[Passage | Decided] = [*begun, *told]
        ordered = sorted(every, key=_place)
        return [self._begun(one) if isinstance(one, Passage) else self._told(one) for one in ordered]

    def _begun(self, passage: Passage) -> Chapter:
        messages = self._record.messages.get(passage.id, ())
        case = self._case_of(passage)
        decisive = next((m for m in messages if passage.reason is not None and m.reason == passage.reason), None)
        if decisive is not None:
            case = _of_message(case, decisive)
        reason = passage.reason
        return Chapter(
            interaction=came_in(passage.trigger, arrived_at=self._arrival(passage.trigger)),
            state=passage.state.value,
            reason=reason.value if reason else None,
            words=REASONS[reason] if reason else state_words(passage.state),
            looked_at=_looked_at(case),
            key=_key(passage.key),
            follow_up=passage.id,
            revision=passage.revision,
            due_at=write_instant(passage.due_at),
            next_at=write_instant(passage.next_at),
            decided_at=write_instant(passage.decided_at),
            messages=[self._message(case, message) for message in messages],
        )

    def _message(self, case: Case, message: Message) -> MessageTold:
        return MessageTold(
            channel=message.channel,
            state=message.state.value,
            reason=message.reason.value if message.reason else None,
            words=REASONS[message.reason] if message.reason else DELIVERIES[message.state],
            fault=message.fault,
            claimed_at=write_instant(message.claimed_at),
            decided_at=write_instant(message.decided_at),
            looked_at=_looked_at(_of_message(case, message)) if message.reason else [],
        )

    def _told(self, decided: Decided) -> Chapter:
        logged = self._record.items.get(decided.interaction_id)
        return Chapter(
            interaction=came_in(logged) if logged else came_in_once(decided.interaction_id, decided.t),
            state=decided.state,
            reason=decided.reason.value,
            words=REASONS[decided.reason],
            looked_at=_looked_at(self._case_about(decided, logged)) if logged else [],
            key=_key(decided.key),
            follow_up=None,
            revision=None,
            due_at=None,
            next_at=None,
            decided_at=write_instant(decided.decided_at),
            messages=[],
        )

    def _case_of(self, passage: Passage) -> Case:
        case = self._case(passage.campaign, passage.key, passage.reason, passage.trigger, passage.decided_at)
        return replace(case, passage=passage, receipts=self._receipts(passage.campaign, passage.key, but=passage.id))

    def _case_about(self, decided: Decided, logged: Logged) -> Case:
        case = self._case(decided.campaign, decided.key, decided.reason, logged, decided.decided_at)
        if decided.state != NOTED:
            return case
        sent = (p for p in case.others if p.dispatched_at and p.trigger.t <= decided.t < p.dispatched_at)
        return replace(case, passage=next(sent, None))

    def _case(
        self, campaign: str, key: str, reason: Reason | None, logged: Logged, decided_at: datetime | None
    ) -> Case:
        return Case(
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

    def _of_key(self, campaign: str, key: str) -> Sequence[Passage]:
        return [p for p in self._record.passages if (p.campaign, p.key) == (campaign, key)]

    def _receipts(self, campaign: str, key: str, *, but: str | None = None) -> list[datetime]:
        last = self._record.receipts.get((campaign, key))
        found = [receipt_of(p) for p in self._of_key(campaign, key) if p.id != but]
        return [at for at in (*found, last) if at is not None]

    def _arrival(self, trigger: Logged) -> datetime:
        """As the log has it; a follow-up that began anew was made later than its trigger arrived."""
        logged = self._record.items.get(trigger.id)
        return logged.received_at if logged else trigger.received_at


def _place(one: Passage | Decided) -> tuple[datetime, datetime]:
    return (one.trigger.t, one.trigger.received_at) if isinstance(one, Passage) else (one.t, one.decided_at)


def _of_message(case: Case, message: Message) -> Case:
    return replace(
        case,
        reason=message.reason,
        channel=message.channel,
        fault=message.fault,
        decided_at=message.decided_at or case.decided_at,
    )


def _looked_at(case: Case) -> list[LookedAt]:
    return [LookedAt(name=fact.name, value=fact.value, words=fact.words) for fact in facts_of(case)]


def _key(key: str) -> object:
    return json.loads(key) if key else None
