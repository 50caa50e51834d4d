"""Decisions about a message that is due, made alike for sends, launches and `simulate`.

The caller loads the message and its recipient, has them decided here, and applies the effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign
from connector.rules.model.reasons import Reason
from connector.rules.model.users import SuppressedAddresses, User
from connector.rules.sending.deliveries import Delivery, DeliveryState, DueMessage, earlier_receipt
from connector.rules.sending.due_list import (
    Drop,
    DueFacts,
    Hold,
    MessageVerdict,
    Send,
    SendContent,
    SwitchChannels,
    evaluate_due_list,
    newest_live,
)
from connector.rules.sending.effects import (
    Effect,
    KeepAssignment,
    SaveReceipt,
    WriteDelivery,
    decide_delivery,
    decide_effects,
)
from connector.rules.targeting.assignment import Assignment, assign, content_for
from connector.rules.targeting.audience import History, needs_history
from connector.rules.timing.caps import PastSend
from connector.rules.triggering.user_log import LoggedHistory

_NO_HISTORY = LoggedHistory(())


@dataclass(frozen=True)
class Recipient:
    """The facts about one user that the due-time list of one campaign evaluates.

    `receipts` holds when the user last received the campaign, UTC, by key. `assignment` is the stored one, None
    before the first. `past_sends` may be empty if no frequency caps are set, `history` unless `needs_history_when_due`.
    `is_erased`: nothing else is known of the user, who gets no message any more (guarantee 8).
    """

    user: User
    receipts: Mapping[str, datetime]
    assignment: Assignment | None = None
    past_sends: Sequence[PastSend] = ()
    history: History = _NO_HISTORY
    is_erased: bool = False
    unreachable: SuppressedAddresses = field(default_factory=dict)


ERASED_RECIPIENT = Recipient(user=User(id="erased"), receipts={}, is_erased=True)
"""A user who was erased."""


@dataclass(frozen=True)
class Decided:
    """The message has its final state: sent, dropped, failed or unknown."""

    delivery: Delivery


@dataclass(frozen=True)
class Ended:
    """The follow-up has ended; there is nothing to send."""


@dataclass(frozen=True)
class MessageDecision:
    """The decision about a message, and its effects."""

    verdict: MessageVerdict | Decided | Ended
    effects: tuple[Effect, ...] = ()


def decide_without_evaluation(due: DueMessage, now: datetime) -> MessageDecision | None:
    """Return the decision that an earlier attempt or the follow-up's end has made; None if the list must be evaluated.

    A claim without a result was lost with its attempt. The message may have gone out, so it is not resent and
    counts as received (guarantee 4).
    """
    earlier = due.delivery
    if earlier is not None and earlier.state is DeliveryState.CLAIMED:
        lost = due.with_state(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN, earlier.claimed_at)
        receipt = SaveReceipt(due.follow_up, earlier.claimed_at or now)
        return MessageDecision(Decided(lost), (receipt, *decide_delivery(due, lost, now, fault="attempt_lost")))
    if earlier is not None and earlier.state is not DeliveryState.OPEN:
        return MessageDecision(Decided(earlier))
    if due.follow_up.is_open:
        return None
    if earlier is None:
        return MessageDecision(Ended())
    dropped = due.with_state(DeliveryState.DROPPED, due.follow_up.reason)  # it was tried, and ended before it went out
    return MessageDecision(Ended(), (WriteDelivery(due.follow_up, dropped, due.attempt, now),))


def decide_message(due: DueMessage, recipient: Recipient, catalogue: Catalogue, now: datetime) -> MessageDecision:
    """Evaluate one message of an open follow-up as of `now` (UTC), by the newest live content (P10)."""
    if _is_postponed(due, now):
        return MessageDecision(Hold(due.follow_up.next_at))
    if recipient.is_erased:
        return MessageDecision(erased := Drop(Reason.ERASED), decide_effects(erased, due, recipient.user, now))
    facts = due_facts(due, recipient, catalogue, now)
    verdict = evaluate_message(facts)
    kept = keep_first_assignment(facts.entry, recipient, due.follow_up.user_key, facts.assignment)
    return MessageDecision(verdict, (*kept, *decide_effects(verdict, due, recipient.user, now)))


def _is_postponed(due: DueMessage, now: datetime) -> bool:
    """Return whether an operator moved the message to a later time, which its workflow did not know at its old one."""
    return due.follow_up.moved_to == due.follow_up.next_at and due.follow_up.next_at > now


def due_facts(due: DueMessage, recipient: Recipient, catalogue: Catalogue, now: datetime) -> DueFacts:
    """Return the facts that the due-time list evaluates for one message, as of `now` (UTC)."""
    follow_up = due.follow_up
    entry = catalogue.entries[follow_up.campaign]
    return DueFacts(
        now=now,
        next_at=follow_up.next_at,
        entry=entry,
        window_id=follow_up.window_id,
        workspace=catalogue.workspace,
        channel=due.channel,
        user=recipient.user,
        history=recipient.history,
        received_at=earlier_receipt(recipient.receipts.get(follow_up.key), due.deliveries.values()),
        past_sends=recipient.past_sends,
        assignment=assignment_of(entry, recipient),
        follow_up_id=follow_up.id,
        unreachable=recipient.unreachable,
    )


def evaluate_message(facts: DueFacts) -> MessageVerdict:
    """Return the verdict of the due-time list on a message, by the newest live content.

    Content without any channel reaches nobody.
    """
    content = content_for(facts.campaign, facts.assignment, facts.user.id)
    channels = content.channels if content else ()
    if not facts.assignment.control and facts.channel not in channels:
        return SwitchChannels(channels) if channels else Drop(Reason.UNREACHABLE)
    verdict = evaluate_due_list(facts)
    if isinstance(verdict, Send):
        assert content is not None  # noqa: S101 - a control user without content never gets so far
        return SendContent(content)
    return verdict


def needs_history_when_due(entry: Entry) -> bool:
    """Return whether the due-time list of a campaign needs the user's history."""
    campaign = newest_live(entry)
    return bool(campaign.follow_on and campaign.follow_on.recheck_audience) and needs_history(campaign.audience)


def has_assignments(entry: Entry) -> bool:
    """Return whether users of a campaign are assigned: a published revision has a control group or variants."""
    campaigns = (revision.definition for revision in entry.published)
    return any(isinstance(c, Campaign) and (c.control_group > 0 or bool(c.variants)) for c in campaigns)


def assignment_of(entry: Entry, recipient: Recipient) -> Assignment:
    """Return a user's assignment in a campaign: the stored one, else a new first assignment (T4).

    A user who received the campaign, under whatever key, before it had a control group stays out of the group.
    """
    if not has_assignments(entry):
        return Assignment(control=False)
    if recipient.assignment is not None:
        return recipient.assignment
    campaign = newest_live(entry)
    first = assign(campaign, recipient.user.id)
    if first.control and recipient.receipts:
        return assign(campaign.model_copy(update={"control_group": 0}), recipient.user.id)
    return first


def keep_first_assignment(
    entry: Entry, recipient: Recipient, user_key: str, assignment: Assignment
) -> tuple[KeepAssignment, ...]:
    """Return the effect that stores a user's first assignment; none if it is stored or the campaign assigns nobody."""
    is_first = recipient.assignment is None and has_assignments(entry)
    return (KeepAssignment(entry.id, user_key, assignment),) if is_first else ()
