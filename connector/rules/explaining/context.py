"""A decision that was made, with everything that is known around it, for `grounds` to tell what was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import SuppressedAddresses, User
from connector.rules.targeting.audience import History
from connector.rules.timing.caps import PastSend


@dataclass(frozen=True)
class DecisionContext:
    """One decision, as the store knows about it now. All instants are UTC.

    `reason` is None where the follow-up is open or was sent. `logged` is the trigger, or the late exception.
    `follow_up` is the follow-up, or the one that the exception came too late for; None if the trigger was refused.
    `others` are those of the same campaign and key. `receipts` are the times at which the user received the campaign
    under that key; `sends` are all messages that went out to the user; `items` are the logged items by id. `user`,
    `unreachable` and `history` are as known now.
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

    @property
    def evaluated_as_of(self) -> datetime:
        """The instant that the rules looked at: the trigger's own time, or that at which its end was decided."""
        return self.logged.t if self.follow_up is None else self.decided_at

    @property
    def campaign(self) -> Campaign | None:
        """The definition whose rules held; before the first publication, the first one (P10). None for a card."""
        revision = self.entry.revision_at(self.evaluated_as_of) or next(iter(self.entry.published), self.entry.newest)
        return revision.definition if isinstance(revision.definition, Campaign) else None

    @property
    def follow_on(self) -> ActionBased | None:
        """Its delivery where it is action-based."""
        return self.campaign.follow_on if self.campaign else None

    @property
    def received_at(self) -> datetime | None:
        """The last receipt that could be known as it was decided (T1)."""
        return max((at for at in self.receipts if at <= self.decided_at), default=None)

    @property
    def blocking(self) -> FollowUp | None:
        """The follow-up that stood in the trigger's way (T2)."""
        stood = [p for p in self.others if p.was_open_at(self.logged.t)]
        undecided = [p for p in self.others if p.decided_at is None or p.decided_at > self.decided_at]
        return next(iter(stood or undecided), None)

    @property
    def successor(self) -> FollowUp | None:
        """The follow-up whose trigger took the place of this one's (T2, T5)."""
        if self.follow_up is None:
            return min((p for p in self.others if p.trigger.t >= self.logged.t), key=_began, default=None)
        gave_way = self.follow_up.exception_at
        return next((p for p in self.others if p.id != self.follow_up.id and p.trigger.t == gave_way), None)


def receipt_of(follow_up: FollowUp) -> datetime | None:
    """When the user received this follow-up's message, or was counted for the control group (T1, W3)."""
    if follow_up.state is State.CONTROL:
        return follow_up.decided_at
    out = follow_up.state in (State.SENDING, State.SENT) or follow_up.reason is Reason.SEND_UNKNOWN
    return follow_up.dispatched_at if out else None


def _began(follow_up: FollowUp) -> datetime:
    return follow_up.trigger.t
