"""A decision with everything that is known about it, and the items of evidence that explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import SuppressedAddresses, User
from connector.rules.targeting.audience import History
from connector.rules.timing.caps import PastSend


@dataclass(frozen=True)
class EvidenceItem:
    """A fact that a decision depended on: a name for programs, a JSON value (times in UTC with Z), words for people."""

    name: str
    value: Any
    words: str


@dataclass(frozen=True)
class DecisionContext:
    """One decision, with what the store knows about it now. All instants are UTC.

    Args:
        reason: None if the follow-up is open or was sent.
        user, history, unreachable: as known now, not as known when it was decided.
        logged: the trigger, or the late exception.
        follow_up: the follow-up, or the one for which the exception was too late; None if the trigger was refused.
        others: the follow-ups of the same campaign and key.
        receipts: the times at which the user received the campaign under that key.
        sends: all messages that were sent to the user.
        items: the user's logged items by id.
        channel, fault, detail: those of the message that the decision is about, if it is about one.
    """

    reason: Reason | None
    entry: Entry
    catalogue: Catalogue
    user: User
    history: History
    logged: LogEntry
    decided_at: datetime
    unreachable: SuppressedAddresses
    follow_up: FollowUp | None = None
    others: Sequence[FollowUp] = ()
    receipts: Sequence[datetime] = ()
    sends: Sequence[PastSend] = ()
    items: Mapping[str, LogEntry] = field(default_factory=dict)
    channel: str | None = None
    fault: str | None = None
    detail: str | None = None

    @property
    def evaluated_as_of(self) -> datetime:
        """The instant of which the rules evaluated the state: the trigger's time, or when the end was decided."""
        return self.logged.t if self.follow_up is None else self.decided_at

    @property
    def campaign(self) -> Campaign | None:
        """The definition that applied; before the first publication, the first one (P10). None for a card."""
        revision = self.entry.revision_at(self.evaluated_as_of) or next(iter(self.entry.published), self.entry.newest)
        return revision.definition if isinstance(revision.definition, Campaign) else None

    @property
    def follow_on(self) -> ActionBased | None:
        """The definition's delivery if it is action-based."""
        return self.campaign.follow_on if self.campaign else None

    @property
    def received_at(self) -> datetime | None:
        """The last receipt that was known when it was decided (T1)."""
        return max((at for at in self.receipts if at <= self.decided_at), default=None)

    @property
    def blocking(self) -> FollowUp | None:
        """The follow-up that blocked the trigger (T2)."""
        open_then = [p for p in self.others if p.was_open_at(self.logged.t)]
        undecided = [p for p in self.others if p.decided_at is None or p.decided_at > self.decided_at]
        return next(iter(open_then or undecided), None)

    @property
    def successor(self) -> FollowUp | None:
        """The follow-up whose trigger superseded this one's (T2, T5)."""
        if self.follow_up is None:
            return min((p for p in self.others if p.trigger.t >= self.logged.t), key=_trigger_time, default=None)
        superseded_at = self.follow_up.exception_at
        return next((p for p in self.others if p.id != self.follow_up.id and p.trigger.t == superseded_at), None)


def receipt_of(follow_up: FollowUp) -> datetime | None:
    """Return when the user received the follow-up's message, or was counted for the control group (T1, W3)."""
    if follow_up.state is State.CONTROL:
        return follow_up.decided_at
    is_received = follow_up.state in (State.SENDING, State.SENT) or follow_up.reason is Reason.SEND_UNKNOWN
    return follow_up.dispatched_at if is_received else None


def _trigger_time(follow_up: FollowUp) -> datetime:
    return follow_up.trigger.t
